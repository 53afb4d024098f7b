import { rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import type { KubeObject } from "../../../src/cluster/kube.js";
import { hasKustomize } from "../../has-kustomize.js";
import { renderKustomize } from "../../../src/cluster/render/kustomize.js";
import { convertDirectory, scratchProject, written, type Converted } from "./projects.js";

const { signal } = new AbortController();

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

describe.runIf(hasKustomize)("an overlay makes of the base what the merged files say", () => {
  it.each(Object.keys(changes))("%s", async (name) => {
    const directory = scratchProject({
      "compose.yaml": base,
      "compose.prod.yaml": changes[name]!,
      "web.env": "MODE=one\nLEVEL=debug\n",
      "other.env": "MODE=two\n",
    });
    onTestFinished(() => {
      rmSync(directory, { recursive: true });
    });
    const layered = await convertDirectory(directory, { overlays: { prod: "compose.prod.yaml" } });
    const merged = await convertDirectory(directory, {
      overlays: { dev: "compose.prod.yaml", prod: "compose.prod.yaml" },
    });
    const whole = await convertMerged(directory);
    expect(await rendered(layered, "overlays/prod")).toEqual(await rendered(whole, "overlays/prod"));
    expect(await rendered(merged, "overlays/prod")).toEqual(await rendered(layered, "overlays/prod"));
  });
});

/** Both files as the base, with an overlay that changes nothing. */
async function convertMerged(directory: string): Promise<Converted> {
  return convertDirectory(directory, {
    base: ["compose.yaml", "compose.prod.yaml"],
    overlays: { prod: "compose.prod.yaml" },
  });
}

/** The objects by kind and name, without the hashes that generated names end in. */
async function rendered(migration: Converted, folder: string): Promise<Record<string, unknown>> {
  const out = written(migration);
  onTestFinished(() => {
    rmSync(out, { recursive: true });
  });
  const objects = await renderKustomize(join(out, "k8s", folder), { signal });
  const generated = objects
    .filter(({ kind }) => kind === "ConfigMap" || kind === "Secret")
    .map(({ metadata }) => metadata.name);
  const text = generated.reduce(
    (all, name) => all.replaceAll(`"${name}"`, `"${name.replace(/-[a-z0-9]{10}$/, "")}"`),
    JSON.stringify(objects),
  );
  const plain = JSON.parse(text) as readonly KubeObject[];
  const kept = plain.filter(({ kind, metadata }) => !isUnused(kind, metadata.name, plain));
  return Object.fromEntries(kept.map((object) => [`${object.kind}/${object.metadata.name}`, sorted(object)]));
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
