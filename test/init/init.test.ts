import { chmod, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { readFacts } from "../../src/commands/init/read-facts.js";
import { initCommand, type InitOptions } from "../../src/commands/init.js";
import { runTool } from "../../src/lib/run-tool.js";
import { hasKustomize } from "../has-kustomize.js";
import { shapes } from "./shapes.js";

const { signal } = new AbortController();
let parent: string;
let project: string;
let bin: string;
let printed: string;

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), "devloop-init-"));
  project = join(parent, "shop");
  bin = join(parent, "bin");
  await mkdir(project);
  await mkdir(bin);
  // Of the tools that render, only kustomize, as one of both commands: a helm may be installed or not.
  for (const tool of ["kustomize", "kubectl"]) {
    const path = await runTool("/bin/sh", ["-c", `command -v ${tool}`], { signal }).catch(() => "");
    if (path === "") continue;
    await writeFile(join(bin, tool), `#!/bin/sh\nexec ${path.trim()} "$@"\n`, { mode: 0o755 });
    break;
  }
  vi.stubEnv("PATH", bin);
  printed = "";
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    printed += String(text);
    return true;
  });
});
afterEach(async () => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  await rm(parent, { recursive: true });
});

async function write(files: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(project, path)), { recursive: true });
    await writeFile(join(project, path), text);
  }
}

function init(options: Partial<InitOptions> = {}): Promise<number> {
  return initCommand({
    cwd: project,
    env: {},
    yes: true,
    dryRun: false,
    generateManifests: false,
    signal,
    ...options,
  });
}

const written = (): Promise<string> => readFile(join(project, "devloop.yaml"), "utf8");

/** Answers in turn; the questions are what was asked, with the options. */
function answering(...answers: readonly (number | boolean)[]) {
  const questions: string[] = [];
  const left = [...answers];
  return {
    questions,
    choose: (question: string, options: readonly string[]) => {
      questions.push(`${question} ${options.join(" | ")}`);
      return Promise.resolve(Number(left.shift()));
    },
    confirm: (question: string) => {
      questions.push(question);
      return Promise.resolve(left.shift() === true);
    },
  };
}

describe.runIf(hasKustomize)("devloop init", () => {
  it.each(Object.keys(shapes))("writes the whole file for %s", async (shape) => {
    await write(shapes[shape]!);
    expect(await init()).toBe(0);
    await expect(await written()).toMatchFileSnapshot(`expected/${shape}.yaml`);
  });

  it("renders a chart where helm is installed, and knows its services then", async () => {
    await write(shapes["helm-chart"]!);
    const rendered = shapes["node-kustomize"]!["k8s/base/shop.yaml"]!.replace(
      '"shop"',
      "registry.example.com/acme/shop:1.0.0",
    );
    await writeFile(join(bin, "rendered"), rendered);
    await writeFile(join(bin, "helm"), `#!/bin/sh\n/bin/cat ${join(bin, "rendered")}\n`);
    await chmod(join(bin, "helm"), 0o755);
    expect(await init()).toBe(0);
    await expect(await written()).toMatchFileSnapshot("expected/helm-chart-rendered.yaml");
  });

  it("says what it wrote and what to do next", async () => {
    await write(shapes["node-kustomize"]!);
    await init();
    expect(printed).toBe(`wrote devloop.yaml

image    shop              Dockerfile
deploy   k8s/overlays/dev
forward  localhost:6379    service redis, port 6379
forward  localhost:8080    service shop, port 80

next: devloop doctor   what this machine lacks
      devloop up       the loop
`);
  });

  it("prints the file and writes nothing with --dry-run", async () => {
    await write(shapes["plain-manifests"]!);
    const before = await readdir(project);
    expect(await init({ dryRun: true })).toBe(0);
    expect(await readdir(project)).toEqual(before);
    await init();
    expect(printed.startsWith(await written())).toBe(true);
  });

  it.each(["devloop.yaml", "devloop.yml"])("leaves a %s that is there as it is", async (name) => {
    await write({ ...shapes["node-kustomize"], [name]: "mine\n" });
    await expect(init()).rejects.toMatchObject({
      code: "USAGE",
      message: `there is a ${name} here already: it is left as it is`,
    });
    expect(await readFile(join(project, name), "utf8")).toBe("mine\n");
  });

  it("writes nothing where there is nothing, and where manifests are missing", async () => {
    expect(await init()).toBe(1);
    expect(printed).toContain("there are no Dockerfiles, Kubernetes manifests or compose files here");
    await write({ "web/Dockerfile": "FROM scratch\n" });
    expect(await init()).toBe(1);
    expect(printed).toContain("there is web/Dockerfile and there are no Kubernetes manifests");
    expect(await readdir(project)).toEqual(["web"]);
  });
});

describe.runIf(hasKustomize)("a project without manifests", () => {
  const files = {
    "services/web/Dockerfile":
      "FROM node:20 AS base\nEXPOSE 8080\nFROM base\nEXPOSE 9090/tcp 53/udp $PORT\nCOPY src src\n",
    "services/web/src/main.js": "",
    "services/web/package.json": '{ "name": "@acme/storefront" }',
    "worker/Dockerfile": "FROM scratch\n",
    "test/Dockerfile": "FROM scratch\n",
  };

  it("gets a plain base and overlay with --generate-manifests, which render", async () => {
    await write(files);
    expect(await init({ generateManifests: true })).toBe(0);
    const all = ["k8s/base/storefront.yaml", "k8s/base/worker.yaml", "k8s/base/kustomization.yaml"];
    all.push("k8s/overlays/dev/kustomization.yaml", "devloop.yaml");
    const texts = await Promise.all(
      all.map(async (path) => `# ---- ${path}\n${await readFile(join(project, path), "utf8")}`),
    );
    await expect(texts.join("\n")).toMatchFileSnapshot("expected/generated.yaml");
    const source = { kind: "kustomize", path: "k8s/overlays/dev" } as const;
    expect(await readFacts(project, source, { signal })).toEqual({
      images: ["storefront", "worker"],
      services: [
        {
          name: "storefront",
          namespace: "shop-dev",
          ports: [
            { port: 8080, name: "http-8080" },
            { port: 9090, name: "tcp-9090" },
          ],
        },
      ],
      namespaces: ["shop-dev"],
    });
  });

  it("prints them with --dry-run, and overwrites nothing", async () => {
    await write({ ...files, "k8s/base/worker.yaml": "mine: true\n" });
    expect(await init({ generateManifests: true, dryRun: true })).toBe(0);
    expect(printed).toMatch(
      /^# ---- k8s\/base\/storefront.yaml\n# Made by devloop init from services\/web\/Dockerfile/,
    );
    await expect(init({ generateManifests: true })).rejects.toMatchObject({
      code: "USAGE",
      message: "there is a k8s/base/worker.yaml here already: it is left as it is",
    });
    expect(await readdir(join(project, "k8s/base"))).toEqual(["worker.yaml"]);
  });

  it("is asked for in a terminal", async () => {
    await write(files);
    const ask = answering(true);
    expect(await init({ yes: false, ask })).toBe(0);
    expect(ask.questions).toHaveLength(1);
    expect(await written()).toContain("- kustomize: k8s/overlays/dev\n");
  });
});

describe.runIf(hasKustomize)("questions", () => {
  it("asks which overlay is meant when none is for development by its name", async () => {
    await write(shapes["several-overlays"]!);
    const ask = answering(1);
    await init({ yes: false, ask });
    expect(ask.questions).toEqual([
      "which of these is for development? deploy/overlays/eu | deploy/overlays/us | deploy/overlays/staging",
    ]);
    expect(await written()).toContain("- kustomize: deploy/overlays/us\n");
  });

  it("asks which image a Dockerfile builds when names do not tell", async () => {
    await write({
      "one/Dockerfile": "FROM scratch\n",
      "two/Dockerfile": "FROM scratch\n",
      "k8s/all.yaml":
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a, image: acme/alpha}, {name: b, image: acme/beta}]}\n",
    });
    const ask = answering(1, 1);
    await init({ yes: false, ask });
    expect(ask.questions).toEqual([
      "which image of the manifests does one/Dockerfile build? acme/alpha | acme/beta | none of them",
      "which image of the manifests does two/Dockerfile build? acme/alpha | none of them",
    ]);
    const text = await written();
    expect(text).toContain("  acme/beta:\n    context: one\n");
    expect(text).toContain("  # not built here: acme/alpha\n");
    expect(text).toContain("goes with: two/Dockerfile\n");
  });

  it("asks nothing where everything is known", async () => {
    await write(shapes["node-kustomize"]!);
    const ask = answering();
    expect(await init({ yes: false, ask })).toBe(0);
    expect(ask.questions).toEqual([]);
  });
});

describe("a compose file alone", () => {
  const files = {
    "compose.yaml": "services:\n  web:\n    build: .\n    ports: ['8080:80']\n",
    Dockerfile: "FROM nginx\n",
  };

  it("is migrated with --yes, and by who says so", async () => {
    await write(files);
    expect(await init()).toBe(0);
    expect(printed).toContain("there is compose.yaml and there are no Kubernetes manifests");
    expect(await readdir(project)).toEqual(
      expect.arrayContaining(["MIGRATION.md", "devloop.yaml", "k8s"]) as unknown,
    );
    await expect(init()).rejects.toMatchObject({ code: "USAGE" });
  });

  it("is left alone otherwise", async () => {
    await write(files);
    const ask = answering(false);
    expect(await init({ yes: false, ask })).toBe(1);
    expect(ask.questions).toEqual(["run devloop migrate now?"]);
    expect(await init({ dryRun: true })).toBe(0);
    expect(await readdir(project)).toEqual(["Dockerfile", "compose.yaml"]);
    expect(printed).toContain("next: devloop migrate --dry-run, then devloop migrate\n");
  });
});
