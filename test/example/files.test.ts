import { readdir, readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { fileSchema } from "../../src/config/schema.js";

const root = new URL("../../", import.meta.url);
const example = new URL("examples/monitor/", root);

describe("compose.yaml of the example", () => {
  it("builds both services and starts the page after the metrics are healthy", async () => {
    const compose = (await readYaml(new URL("compose.yaml", example))) as {
      services: Record<string, ComposeService>;
    };
    expect(Object.keys(compose.services)).toEqual(["monitor-test", "monitor-agent"]);
    for (const [name, service] of Object.entries(compose.services)) {
      expect(service.build).toBe(`./services/${name}`);
      expect(await readdir(new URL(`services/${name}/`, example))).toContain("Dockerfile");
      // A program and its arguments, not a shell line: the image need not hold a shell.
      expect(service.healthcheck.test.slice(0, 3)).toEqual(["CMD", "node", "-e"]);
    }
    expect(compose.services["monitor-agent"]!.depends_on).toEqual({
      "monitor-test": { condition: "service_healthy" },
    });
    expect(compose.services["monitor-test"]!.ports).toEqual(["3000:3000"]);
    expect(compose.services["monitor-agent"]!.ports).toEqual(["8888:8888"]);
  });
});

describe("the project's own devloop.yaml", () => {
  it("keeps to its schema and drives the dev overlay", async () => {
    const file = new URL("devloop.yaml", root);
    const config = fileSchema.parse(await readYaml(file));
    expect(Object.keys(config.images)).toEqual(["monitor-test", "monitor-agent"]);
    expect(config.deploy).toEqual([{ kustomize: "examples/monitor/k8s/overlays/dev" }]);
    expect(config.forwards.map(({ service, local, remote }) => ({ service, local, remote }))).toEqual([
      { service: "monitor-agent", local: 8888, remote: 8888 },
      { service: "monitor-test", local: 3000, remote: 3000 },
    ]);
    expect(Object.keys(config.profiles ?? {})).toEqual(["engine", "plain", "ci"]);
    expect(await readFile(file, "utf8")).toMatch(
      /^# yaml-language-server: \$schema=\.\/schema\/devloop\.schema\.json\n/,
    );
  });

  it("names paths that are there, and images that the manifests name", async () => {
    const { images, deploy } = fileSchema.parse(await readYaml(new URL("devloop.yaml", root)));
    for (const [name, { context }] of Object.entries(images)) {
      expect(await readdir(new URL(`${context}/`, root)), name).toContain("Dockerfile");
      const manifest = await readFile(new URL(`k8s/base/${name}.yaml`, example), "utf8");
      expect(manifest).toMatch(new RegExp(`image: ${name}$`, "m"));
    }
    for (const { kustomize } of deploy) {
      expect(await readdir(new URL(`${kustomize!}/`, root))).toContain("kustomization.yaml");
    }
  });
});

describe.each(["monitor-test", "monitor-agent"])("the Dockerfile of %s", (name) => {
  it("builds from a base image alone, runs as a numbered user, and puts the source last", async () => {
    const text = await readFile(new URL(`services/${name}/Dockerfile`, example), "utf8");
    const steps = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    // A syntax line would ask a registry for the frontend before anything is built.
    expect(text).not.toMatch(/^#\s*syntax=/m);
    expect(steps.filter((step) => step.startsWith("FROM "))).toEqual([
      "FROM node:20-bookworm-slim AS check",
      "FROM node:20-bookworm-slim",
    ]);
    expect(steps).toContain("USER 10001:10001");
    expect(steps.at(-1)).toBe("COPY --from=check /app/src ./src");
  });
});

interface ComposeService {
  readonly build: string;
  readonly healthcheck: { readonly test: readonly string[] };
  readonly depends_on?: unknown;
  readonly ports: readonly string[];
}

async function readYaml(file: URL): Promise<unknown> {
  return parse(await readFile(file, "utf8"));
}
