import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { configCommand } from "../../src/commands/config.js";
import { project, yaml } from "./project.js";

const files = {
  "devloop.yaml": yaml(`images:
  web:
    context: services/web
    args: { URL: "http://\${HOST}:\${PORT:-80}/", NPM_TOKEN: plain, PASS: "\${DB_PASSWORD}" }
deploy:
  - kustomize: k8s
  - helm: { chart: c, release: r }
limits: { builds: 2 }
profiles:
  ci:
    cluster: { provider: k3d }
    limits: { builds: "\${BUILDS}" }
`),
  ".env": "DB_PASSWORD=hunter2\nBUILDS=3\n",
};
const env = { HOST: "example.com" };

describe("the origin of each value", () => {
  it("is the file's place, the profile and the variables, or a default", async () => {
    await using demo = await project(files);
    const { origins, file } = await demo.load({ profiles: ["ci"], env });
    expect(file).toBe(join(demo.directory, "devloop.yaml"));
    expect(origins.get("name")).toEqual({ kind: "file", file, line: 2, column: 7 });
    expect(origins.get("images.web.args.URL")).toEqual({
      kind: "file",
      file,
      line: 6,
      column: 18,
      variables: [
        { name: "HOST", from: "environment" },
        { name: "PORT", from: "default" },
      ],
    });
    expect(origins.get("limits.builds")).toEqual({
      kind: "file",
      file,
      line: 14,
      column: 23,
      profile: "ci",
      variables: [{ name: "BUILDS", from: ".env" }],
    });
    expect(origins.get("deploy[0].kustomize")).toMatchObject({ line: 8, column: 16 });
    expect(origins.get("images.web.dockerfile")).toEqual({ kind: "default" });
    expect(origins.get("forwards")).toEqual({ kind: "default" });
  });
});

describe("devloop config", () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  async function run(json: boolean): Promise<{ code: number; output: string }> {
    await using demo = await project(files);
    let output = "";
    vi.spyOn(process.stdout, "write").mockImplementation((chunk) => {
      output += String(chunk);
      return true;
    });
    const code = await configCommand({ cwd: demo.directory, profiles: ["ci"], json, env });
    return { code, output };
  }

  it("prints the merged configuration, what set each value behind it, secrets hidden", async () => {
    const { code, output } = await run(false);
    expect(code).toBe(0);
    expect(output).toBe(
      `version: 1                         # devloop.yaml:1
name: demo                         # devloop.yaml:2
cluster:
  provider: k3d                    # devloop.yaml:13 profile ci
  create: false                    # default
  allow: []                        # default
images:
  web:
    context: services/web          # devloop.yaml:5
    dockerfile: Dockerfile         # default
    args:
      URL: http://example.com:80/  # devloop.yaml:6, $HOST from the environment, $PORT not set
      NPM_TOKEN: (hidden)          # devloop.yaml:6
      PASS: (hidden)               # devloop.yaml:6, $DB_PASSWORD from .env
    labels: {}                     # default
    extraHosts: []                 # default
    secrets: {}                    # default
    ssh: []                        # default
    contexts: {}                   # default
    cacheFrom: []                  # default
    noCache: false                 # default
    pullBases: false               # default
    ignore: []                     # default
    rebuild: []                    # default
    pull: []                       # default
deploy:
  - kustomize: k8s                 # devloop.yaml:8
  - helm:
      chart: c                     # devloop.yaml:9
      release: r                   # devloop.yaml:9
      values: []                   # default
      set: {}                      # default
forwards: []                       # default
order: {}                          # default
limits:
  builds: 3                        # devloop.yaml:14 profile ci, $BUILDS from .env
keepImages: 3                      # default
ui:
  notify: none                     # default
`,
    );
  });

  it("prints the same as JSON", async () => {
    const { code, output } = await run(true);
    expect(code).toBe(0);
    expect(output).not.toContain("hunter2");
    const shown = JSON.parse(output) as Record<string, unknown>;
    expect(shown).toMatchObject({
      profiles: ["ci"],
      config: { name: "demo", limits: { builds: 3 }, images: { web: { args: { PASS: "(hidden)" } } } },
      origins: { "limits.builds": { line: 14, profile: "ci" }, forwards: { kind: "default" } },
    });
  });
});
