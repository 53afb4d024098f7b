import { chmod, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { readFacts } from "../../src/commands/init/read-facts.js";
import { initCommand, type InitOptions } from "../../src/commands/init.js";
import { readStages } from "../../src/build/dockerfile-stages.js";
import { readSkaffold } from "../../src/init/skaffold.js";
import { suggestDockerfile } from "../../src/init/suggest-dockerfile.js";
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

describe.runIf(hasKustomize)("a project that another tool runs", () => {
  it("says what of its skaffold.yaml was not taken, in the file and in the summary", async () => {
    await write(shapes["skaffold-kustomize"]!);
    await init();
    const notTaken = [
      "profiles (devloop.yaml has profiles of its own)",
      "build.tagPolicy: tags follow the content",
      "eu.gcr.io/acme/storefront: sync (sync: auto takes rules from the Dockerfile)",
      "eu.gcr.io/acme/storefront: the template of build argument WHO",
      "eu.gcr.io/acme/backend: docker.cacheFrom",
      "eu.gcr.io/acme/reports: built by jib, and devloop builds from Dockerfiles",
      "the forward of deployment backend",
    ];
    const text = await written();
    expect(text).toContain(`# Not taken from it:\n${notTaken.map((each) => `#   ${each}\n`).join("")}`);
    for (const each of notTaken) expect(printed).toContain(`not taken from skaffold.yaml: ${each}\n`);
  });

  it("reads releases, old places of manifests, and several configurations in one file", () => {
    const text = `apiVersion: skaffold/v2beta29
deploy:
  helm:
    releases:
      - { name: api, chartPath: charts/api, valuesFiles: [charts/api/dev.yaml], setValues: { a: 1 } }
      - { name: redis, remoteChart: bitnami/redis }
---
apiVersion: skaffold/v4beta11
requires: [{ path: ../other }]
manifests: { rawYaml: ["k8s/*.yaml", "https://example.com/x.yaml"], kustomize: {} }
`;
    expect(readSkaffold("skaffold.yaml", text)).toEqual({
      path: "skaffold.yaml",
      artifacts: [],
      deploys: [
        { kind: "helm", chart: "charts/api", release: "api", values: ["charts/api/dev.yaml"] },
        { kind: "kustomize", path: "." },
        { kind: "manifests", patterns: ["k8s/*.yaml"] },
      ],
      forwards: [],
      notTaken: [
        "release api: setValues",
        "release redis: its chart is no directory here",
        "requires: other configurations",
        "https://example.com/x.yaml: manifests come from files",
      ],
    });
    expect(readSkaffold("skaffold.yaml", "a: 1\n")).toBeUndefined();
    expect(readSkaffold("skaffold.yaml", "[broken: {\n")).toBeUndefined();
  });
});

describe("a program without a Dockerfile", () => {
  it.each([
    ["package.json", { "package.json": "{}", "pnpm-lock.yaml": "" }, "pnpm install --frozen-lockfile"],
    ["go.mod", { "go.mod": "module x\n", "cmd/shop/main.go": "" }, "go build -o /app ./cmd/shop"],
    ["requirements.txt", { "requirements.txt": "flask\n", "app.py": "" }, 'CMD ["python", "app.py"]'],
    ["pyproject.toml", { "pyproject.toml": "", "src/shop.py": "" }, "RUN pip install --no-cache-dir ."],
  ])("is known by its %s, and shown one to begin with", async (evidence, files, line) => {
    await write(files);
    expect(await init({ generateManifests: true })).toBe(1);
    expect(printed).toMatch(
      `there is ${evidence} and there is no Dockerfile, which devloop builds images from`,
    );
    expect(printed).toContain(line);
    const { text } = suggestDockerfile({ files: Object.keys(files) })!;
    expect(readStages(text, { args: {}, contexts: {} }).stages.length).toBeGreaterThan(0);
    // As the advice says: saved, it leads to manifests.
    await write({ Dockerfile: `${text}EXPOSE 3000\n` });
    expect(await init({ generateManifests: true })).toBe(0);
    expect(await written()).toContain("- { service: shop, local: 3000, remote: 3000 }");
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
