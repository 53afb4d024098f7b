import { rmSync } from "node:fs";
import { describe, expect, it, onTestFinished } from "vitest";
import type { KubeObject } from "../../../src/cluster/kube.js";
import { hasKustomize } from "../../has-kustomize.js";
import { convertDirectory, scratchProject, type Converted } from "./projects.js";
import { renderOverlays } from "./render-together.js";

const base = `
services:
  web:
    image: web:1
    ports: ["8080:80", "53:53/udp"]
    environment: {A: "1", B: "2", API_TOKEN: one}
    env_file: [web.env]
    volumes: ["data:/data", "cache:/cache"]
    command: [serve, --slow]
    healthcheck: {test: [CMD, "true"], interval: 10s}
    configs: [settings]
    deploy: {replicas: 2, placement: {constraints: ["node.labels.disk == ssd"]}}
  gone:
    image: gone:1
    ports: ["53:53", "53:53/udp"]
  job:
    image: job:1
    restart: "no"
configs: {settings: {content: one}}
volumes: {data: , cache: }
`;

const changes: Readonly<Record<string, string>> = {
  "values, a list, a number": `
services:
  web: {image: "web:2", command: [serve], environment: {A: "9"}, deploy: {replicas: 5}}
`,
  "things that are new": `
services:
  web:
    environment: {C: "3", DB_PASSWORD: two}
    ports: ["9090:9090"]
    volumes: ["more:/more"]
    user: "1000"
    extra_hosts: ["db:10.0.0.1"]
  extra: {image: "extra:1", ports: ["81:81"], depends_on: [web]}
volumes: {more: }
`,
  "things that go": `
services:
  web:
    environment: !override {A: "1"}
    volumes: !override ["data:/data"]
    ports: !override ["8080:80"]
    healthcheck: {disable: true}
    deploy: !override {replicas: 1}
`,
  "a port with two protocols that loses one": `
services: {gone: {ports: !override ["53:53/udp"]}}
`,
  "another kind of workload": `
services:
  gone: {deploy: {mode: global}}
  job: {restart: always}
`,
  "what generators read": `
services: {web: {env_file: !override [other.env]}}
configs: {settings: {content: two}}
`,
};

/** Base and overlay; both files as the base, with an overlay that changes nothing; the overlay as dev and as prod. */
interface Ways {
  readonly layered: Converted;
  readonly whole: Converted;
  readonly twice: Converted;
}

async function convertWays(change: string): Promise<Ways> {
  const directory = scratchProject({
    "compose.yaml": base,
    "compose.prod.yaml": change,
    "web.env": "MODE=one\nLEVEL=debug\n",
    "other.env": "MODE=two\n",
  });
  const prod = "compose.prod.yaml";
  try {
    return {
      layered: await convertDirectory(directory, { overlays: { prod } }),
      whole: await convertDirectory(directory, { base: ["compose.yaml", prod], overlays: { prod } }),
      twice: await convertDirectory(directory, { overlays: { dev: prod, prod } }),
    };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

describe.runIf(hasKustomize)("an overlay makes of the base what the merged files say", async () => {
  const names = Object.keys(changes);
  const ways = await Promise.all(names.map((name) => convertWays(changes[name] ?? "")));
  const all = ways.flatMap(({ layered, whole, twice }) => [layered, whole, twice]);
  // What is left out is collected all the same.
  const rendered = hasKustomize
    ? await renderOverlays(all.map(({ files }) => ({ files, overlay: "prod" })))
    : [];

  it.each(names.map((name, index) => [name, index * 3] as const))("%s", (_, at) => {
    const [layered, whole, twice] = rendered.slice(at, at + 3).map((objects) => comparable(objects));
    expect(Object.keys(layered ?? {}).length).toBeGreaterThan(5);
    expect(layered).toEqual(whole);
    expect(twice).toEqual(layered);
  });
});

it.runIf(hasKustomize)(
  "profiles that are on together make what asking for them when migrating makes",
  async () => {
    const text = `services:
  web: {image: w, ports: ["80:80"], configs: [settings]}
  a: {image: a, profiles: [one], environment: {API_TOKEN: x, MODE: y}, configs: [settings]}
  b: {image: b, profiles: [one, two], volumes: ["data:/data"], deploy: {replicas: 2}}
  c: {build: ., profiles: [two], volumes: ["data:/data"], configs: [settings, own]}
  d: {image: d, profiles: [three]}
configs: {settings: {content: one}, own: {content: two}}
volumes: {data: }
`;
    const files = {
      "compose.yaml": text,
      "compose.override.yaml": "services: {c: {cpus: 2, mem_limit: 1g}}\n",
    };
    const directory = scratchProject({ ...files, Dockerfile: "FROM x\n" });
    onTestFinished(() => {
      rmSync(directory, { recursive: true });
    });
    const overlays = { dev: "compose.override.yaml" };
    const free = await convertDirectory(directory, { overlays });
    const asked = await convertDirectory(directory, { overlays, profiles: ["one", "two"] });
    const [together, taken, single] = await renderOverlays([
      { files: free.files, overlay: "dev-profile-one+two" },
      { files: asked.files, overlay: "dev" },
      { files: free.files, overlay: "dev-profile-two" },
    ]);
    const workloads = (objects: Record<string, unknown>) =>
      Object.keys(objects).filter((id) => id.startsWith("Deployment/"));
    expect(comparable(together ?? [])).toEqual(comparable(taken ?? []));
    expect(workloads(comparable(taken ?? []))).toEqual(
      ["a", "b", "c", "web"].map((each) => `Deployment/${each}`),
    );
    expect(workloads(comparable(single ?? []))).toEqual(
      ["b", "c", "web"].map((each) => `Deployment/${each}`),
    );
  },
);

/** The objects by kind and name, without namespaces and the hashes that generated names end in. */
function comparable(objects: readonly KubeObject[]): Record<string, unknown> {
  const generated = objects
    .filter(({ kind }) => kind === "ConfigMap" || kind === "Secret")
    .map(({ metadata }) => metadata.name);
  const text = generated.reduce(
    (all, name) => all.replaceAll(`"${name}"`, `"${name.replace(/-[a-z0-9]{10}$/, "")}"`),
    JSON.stringify(objects).replaceAll(/"place-\d+"/g, '"here"'),
  );
  const plain = JSON.parse(text) as readonly KubeObject[];
  const kept = plain.filter(({ kind, metadata }) => !isUnused(kind, metadata.name, plain));
  return Object.fromEntries(
    kept.map((object) => [`${object.kind}/${object.metadata.name}`, sorted(object)] as const).sort(),
  );
}

/** A generator of the base that an overlay no longer needs stays: kustomize cannot take one away. */
function isUnused(kind: string, name: string, objects: readonly KubeObject[]): boolean {
  return (
    kind === "ConfigMap" &&
    !JSON.stringify(objects.filter((object) => object.kind !== "ConfigMap")).includes(`"${name}"`)
  );
}

/** Lists that Kubernetes takes for maps in the order of their keys. */
function sorted(value: unknown, key = ""): unknown {
  if (Array.isArray(value)) {
    const items = value.map((item) => sorted(item));
    const merged = ["env", "volumes", "volumeMounts", "ports", "hostAliases"].includes(key);
    return merged ? items.map((item) => JSON.stringify(item)).sort() : items;
  }
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort()
      .map(([name, each]) => [name, sorted(each, name)]),
  );
}
