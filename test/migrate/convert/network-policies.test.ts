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
