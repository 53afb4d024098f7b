import { parse } from "yaml";
import { describe, expect, it } from "vitest";
import { convertText, convertDirectory, scratchProject, type Converted } from "./projects.js";

const text = `services:
  web: {image: w, ports: ["8080:80", "53:53/udp"], networks: [front]}
  api: {image: a, networks: [front, back]}
  my_db: {image: d, ports: ["5432:5432"], networks: [back]}
  metrics: {image: m, network_mode: host}
networks:
  front: {}
  back: {internal: true}
`;
const names = (...values: string[]) => ({
  podSelector: {
    matchExpressions: [{ key: "app.kubernetes.io/name", operator: "In", values }],
  },
});
const one = (name: string) => ({ podSelector: { matchLabels: { "app.kubernetes.io/name": name } } });

const folder = "k8s/components/network-policies";
const policy = ({ file }: Converted, name: string): unknown =>
  (parse(file(`${folder}/${name}.yaml`)) as { readonly spec: unknown }).spec;
const policies = ({ files }: Converted) =>
  files.flatMap(({ path }) => /network-policies[^/]*\/(?!kustomization)(.+)\.yaml$/.exec(path)?.[1] ?? []);

describe("network policies", () => {
  it("let those on one network reach each other, and everybody what is published", async () => {
    const migration = await convertText(text);
    expect(policies(migration)).toEqual(["internal-my-db", "network-back", "network-front", "published-web"]);
    expect(policy(migration, "network-front")).toEqual({
      ...names("api", "web"),
      policyTypes: ["Ingress"],
      ingress: [{ from: [names("api", "web")] }],
    });
    expect(policy(migration, "published-web")).toMatchObject({
      ...one("web"),
      ingress: [
        {
          ports: [
            { port: 80, protocol: "TCP" },
            { port: 53, protocol: "UDP" },
          ],
        },
      ],
    });
  });

  it("keep what is on internal networks alone from the outside", async () => {
    expect(policy(await convertText(text), "internal-my-db")).toMatchObject({
      ...one("my-db"),
      policyTypes: ["Egress"],
      egress: [{ to: [names("api", "my-db")] }, { ports: [{ port: 53 }, { port: 53 }] }],
    });
  });

  it("are off until they are asked for", async () => {
    const overlay = "k8s/overlays/dev/kustomization.yaml";
    const off = await convertText(text);
    expect(parse(off.file(overlay))).not.toHaveProperty("components");
    expect(off.told("networks.back.internal")).toMatch(/^decision: .*--network-policies/);
    const on = await convertText(text, { networkPolicies: true });
    expect(parse(on.file(overlay))).toMatchObject({ components: ["../../components/network-policies"] });
    expect(on.told("networks.back.internal")).toMatch(/^converted/);
  });

  it("are an overlay's own where its networks are others", async () => {
    const prod = "services: {web: {networks: [front, back]}}\n";
    const migration = await convertDirectory(scratchProject({ "compose.yaml": text, "prod.yaml": prod }), {
      overlays: { prod: "prod.yaml" },
      networkPolicies: true,
    });
    expect(parse(migration.file("k8s/overlays/prod/kustomization.yaml"))).toMatchObject({
      components: ["../../components/network-policies-prod"],
    });
    expect(parse(migration.file(`${folder}-prod/network-back.yaml`))).toMatchObject({
      spec: names("api", "my-db", "web"),
    });
  });

  it("are none where all share one network", async () => {
    expect(policies(await convertText("services: {a: {image: a}, b: {image: b}}\n"))).toEqual([]);
  });
});

interface Selector {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly {
    readonly key: string;
    readonly operator: string;
    readonly values: readonly string[];
  }[];
}
interface Peer {
  readonly podSelector?: Selector;
  readonly namespaceSelector?: object;
  readonly ipBlock?: { readonly cidr: string };
}
interface Rule {
  readonly from?: readonly Peer[];
  readonly to?: readonly Peer[];
  readonly ports?: readonly { readonly port: number; readonly protocol: string }[];
}
interface Policy {
  readonly podSelector: Selector;
  readonly policyTypes: readonly ("Ingress" | "Egress")[];
  readonly ingress?: readonly Rule[];
  readonly egress?: readonly Rule[];
}
type Labels = Readonly<Record<string, string>>;
interface Port {
  readonly port: number;
  readonly protocol: string;
}
/** A pod of the project by its labels, one of another namespace, or what is outside of the cluster. */
type Place = Labels | "elsewhere" | "outside";

function selects({ matchLabels = {}, matchExpressions = [] }: Selector, labels: Labels): boolean {
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every(({ key, operator, values }) => {
      if (operator !== "In") throw new Error(`no operator ${operator} here`);
      return values.includes(labels[key] ?? "");
    })
  );
}

/** As Kubernetes says: what no policy selects is open; else any rule of any policy that selects it may let through. */
function lets(
  all: readonly Policy[],
  type: "Ingress" | "Egress",
  own: Place,
  other: Place,
  at: Port,
): boolean {
  const mine = all.filter(
    ({ podSelector, policyTypes }) =>
      typeof own !== "string" && policyTypes.includes(type) && selects(podSelector, own),
  );
  if (mine.length === 0) return true;
  return mine
    .flatMap(({ ingress, egress }) => (type === "Ingress" ? ingress : egress) ?? [])
    .some(({ from, to, ports }) => {
      const peers = from ?? to;
      const isPeer = peers === undefined || peers.some((peer) => isPlace(peer, other));
      const isPort =
        ports === undefined ||
        ports.some(({ port, protocol }) => port === at.port && protocol === at.protocol);
      return isPeer && isPort;
    });
}

function isPlace({ podSelector, namespaceSelector, ipBlock }: Peer, place: Place): boolean {
  if (ipBlock !== undefined || place === "outside") return false;
  if (namespaceSelector !== undefined) return podSelector === undefined;
  return place !== "elsewhere" && podSelector !== undefined && selects(podSelector, place);
}

const reaches = (all: readonly Policy[], from: Place, to: Place, at: Port): boolean =>
  lets(all, "Egress", from, to, at) && lets(all, "Ingress", to, from, at);

describe("evaluated, the policies reach what Compose's networks reach", () => {
  it.each([
    ["two networks and one on both", text],
    [
      "one network that is internal",
      "services: {a: {image: a, ports: ['80:80']}, b: {image: b}}\nnetworks: {default: {internal: true}}\n",
    ],
    [
      "internal beside open, published, of a profile, with odd names",
      `services:
  Web_1: {image: w, ports: ["8080:80"], networks: [front, inner]}
  api: {image: a, ports: ["9000-9001:9000-9001"], networks: [inner]}
  side: {image: s, network_mode: "service:api"}
  both: {image: b, networks: [inner, other_inner]}
  lone: {image: l, networks: [alone]}
  late: {image: x, networks: [front], profiles: [more], ports: ["53:53/udp"]}
  plain: {image: p}
networks: {front: , inner: {internal: true}, other_inner: {internal: true}, alone: }
`,
    ],
    [
      "the default network and another",
      "services: {a: {image: a}, b: {image: b, networks: [x]}, c: {image: c, networks: [x, default]}}\nnetworks: {x: }\n",
    ],
  ])("%s", async (_, compose) => {
    const migration = await convertText(compose);
    const all = policies(migration).map((name) => policy(migration, name) as Policy);
    expect(all.length).toBeGreaterThan(0);
    const { project } = migration;
    const services = { ...project.services, ...project.disabledServices };
    const pods = Object.entries(services).filter(([, { network_mode: mode }]) => mode === undefined);
    const labelsOf = (key: string): Labels => {
      const found = migration.files.flatMap(({ path, content }) =>
        path.endsWith(`/${key.toLowerCase().replace("_", "-")}/deployment.yaml`) ? [String(content)] : [],
      );
      const { spec } = parse(found[0] ?? "") as { spec: { template: { metadata: { labels: Labels } } } };
      return spec.template.metadata.labels;
    };
    const isEnclosed = (key: string): boolean =>
      Object.keys(services[key]?.networks ?? {}).every(
        (network) => project.networks[network]?.internal === true,
      );
    const unpublished = [7777, 53].map((port) => ({ port, protocol: "TCP" }));
    const told: string[] = [];
    const expected: string[] = [];
    for (const [to, { ports = [], networks }] of pods) {
      const published = ports.map(({ target, protocol = "tcp" }) => ({
        port: target,
        protocol: protocol.toUpperCase(),
      }));
      for (const at of [...published, ...unpublished]) {
        const isOpen = published.includes(at) && !isEnclosed(to);
        // Where the cluster's name servers are, nothing says: port 53 of a pod that anybody reaches is open.
        const isAsked = at.port === 53;
        const line = (from: string) => `${from} reaches ${to}:${at.port}/${at.protocol}`;
        for (const from of ["elsewhere", "outside"] as const) {
          if (reaches(all, from, labelsOf(to), at)) told.push(line(from));
          if (isOpen) expected.push(line(from));
        }
        for (const [from, { networks: own }] of pods.filter(([key]) => key !== to)) {
          const isShared = Object.keys(own ?? {}).some((network) => network in (networks ?? {}));
          if (reaches(all, labelsOf(from), labelsOf(to), at)) told.push(line(from));
          if (isShared || (isOpen && (isAsked || !isEnclosed(from)))) expected.push(line(from));
        }
        if (reaches(all, labelsOf(to), "outside", at)) told.push(`${to} reaches out at ${at.port}`);
        if (!isEnclosed(to)) expected.push(`${to} reaches out at ${at.port}`);
      }
    }
    expect(told).toEqual(expected);
    expect(told.length).toBeGreaterThan(1);
  });
});
