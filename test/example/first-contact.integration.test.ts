import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectEngine } from "../../src/docker/connect.js";
import { findEngine } from "../../src/docker/endpoint.js";
import { commandsOfReadme, readmeBlocks, readmeCommands } from "../docs/readme-commands.js";
import { page, start, until } from "../e2e/devloop.js";
import { hasKustomize } from "../has-kustomize.js";

// What a newcomer does, as README says it: each of its commands, in this clone and in a project of one's own.

const run = promisify(execFile);
const root = new URL("../../", import.meta.url).pathname;
const { engine } = connectEngine(findEngine(process.env, { home: homedir() }));
const signal = new AbortController().signal;
const available = await engine.image("busybox:1", { signal }).then(
  (image) => image !== undefined,
  () => false,
);

/** A home without a kubeconfig; and clusters of this machine are not the newcomer's: what runs, runs on the engine. */
let home: string;
let env: NodeJS.ProcessEnv;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "devloop-newcomer-"));
  await mkdir(join(home, "bin"));
  const { KUBECONFIG: _, CI: _ci, ...rest } = process.env;
  env = {
    ...rest,
    HOME: home,
    DEVLOOP_EXAMPLE: "engine",
    XDG_STATE_HOME: join(home, "state"),
    PATH: [join(home, "bin"), process.env["PATH"]].join(delimiter),
  };
});
afterAll(async () => {
  await rm(home, { recursive: true });
});

/** Runs one of README's commands: not another one. */
async function command(line: string, cwd: string): Promise<string> {
  expect(await commandsOfReadme()).toContain(line);
  const [file = "", ...args] = line.split(" ");
  const { stdout } = await run(file, args, { cwd, env });
  return stdout;
}

describe.skipIf(!available && !process.env["CI"])("README's commands", () => {
  const done = new Set<string>();
  afterAll(() => {
    const wanted = Object.entries(readmeCommands).filter(([, where]) => typeof where === "string");
    expect([...done].sort()).toEqual(wanted.map(([line]) => line).sort());
  });

  it(
    "npm start --once serves the example, then an edit of it, and leaves nothing",
    { timeout: 600_000 },
    async () => {
      // Else it would install anew what this very test runs on.
      const { stdout: planned } = await run("node", [".config/start.js", "--dry-run"], { cwd: root, env });
      expect(planned).toContain("start: dependencies: as the lock file has them\n");
      const { stdout: before } = await run("git", ["status", "--short", "examples"], { cwd: root });
      const told = await command("npm start -- --once", root);
      done.add("npm start -- --once");
      expect(told).toMatch(/start: example: the page is served/);
      expect(told).toMatch(/start: example: an edit of \S+index\.html was served [\d.]+ s after its save/);
      expect(told).toMatch(/start: done, [\d.]+ s in all/);
      const { stdout: after } = await run("git", ["status", "--short", "examples"], { cwd: root });
      expect(after).toBe(before);
      const left = await engine.containers(["devloop.dev/project=monitor"], { signal, all: true });
      expect(left).toEqual([]);
    },
  );

  it("npm start --dry-run says what it would do, and does nothing", async () => {
    const told = await command("npm start -- --dry-run", root);
    done.add("npm start -- --dry-run");
    for (const step of ["dependencies", "build", "container engine", "base image", "example"])
      expect(told).toContain(`start: ${step}: `);
    expect(told).toMatch(/would run devloop up/);
  });

  it("npm install -g . brings a devloop that is this clone's", { timeout: 600_000 }, async () => {
    // Into a place of the test's own, and without asking the registry for anything.
    env = { ...env, npm_config_prefix: join(home, "prefix"), npm_config_offline: "true" };
    await command("npm install -g .", root);
    done.add("npm install -g .");
    const { stdout } = await run(join(home, "prefix/bin/devloop"), ["--version"], { env });
    expect(stdout).toMatch(/^\d+\.\d+\.\d+/);
    await symlink(join(home, "prefix/bin/devloop"), join(home, "bin/devloop"));
  });

  it.runIf(hasKustomize)(
    "in a project of one's own: init, doctor, up, an edit",
    { timeout: 600_000 },
    async () => {
      const project = join(home, "shop");
      for (const [path, text] of Object.entries(shop)) {
        await mkdir(dirname(join(project, path)), { recursive: true });
        await writeFile(join(project, path), text);
      }
      const inProject = async (line: string): Promise<string> => {
        const told = await command(line, project);
        done.add(line);
        return told;
      };
      const dryRun = await inProject("devloop init --dry-run");
      expect(await inProject("devloop init")).toContain("wrote devloop.yaml");
      expect(await readFile(join(project, "devloop.yaml"), "utf8")).toBe(dryRun);

      // README's own devloop.yaml says the same: what init wrote is what it shows.
      const written = await inProject("devloop config");
      const [shown = ""] = await readmeBlocks("yaml");
      await writeFile(join(project, "devloop.yaml"), shown);
      const values = (text: string): string => text.replace(/#.*$/gm, "").replace(/ +$/gm, "");
      expect(values(await inProject("devloop config"))).toBe(values(written));

      expect(await inProject("devloop explain web/src/main.js")).toContain("shop-web");
      expect(JSON.parse(await inProject("devloop schema"))).toHaveProperty("properties");
      // One word is to be changed to go to another place, as README says.
      const onEngine = shown.replace("cluster:\n", "cluster:\n  provider: docker\n");
      await writeFile(join(project, "devloop.yaml"), onEngine);
      expect(await inProject("devloop doctor")).toContain("project shop");

      expect(await commandsOfReadme()).toContain("devloop up");
      const args = ["up", "--output", "json", "--cleanup"];
      await using devloop = start({
        cluster: { kubeconfig: join(home, "none") },
        cwd: project,
        args,
        env: { HOME: home },
      });
      await devloop.ready();
      const forward = await devloop.waitFor("forward.changed", ({ state }) => state.status === "listening");
      const port = forward.state.status === "listening" ? forward.state.port : 0;
      expect(await page(port)).toContain("hello");
      await writeFile(join(project, "web/src/main.js"), "edited\n");
      await until(async () => (await page(port)).includes("edited"), "the edit");
      expect([0, 130]).toContain(await devloop.stop());
      done.add("devloop up");
    },
  );
});

const labels = "{ app: shop-web }";
/** A program that serves its one file, as small as it can be. */
const shop = {
  "web/Dockerfile": `FROM busybox:1
WORKDIR /www
COPY src/main.js index.html
EXPOSE 80
CMD ["httpd", "-f", "-p", "80"]
`,
  "web/src/main.js": "hello\n",
  "k8s/base/kustomization.yaml": "resources: [web.yaml]\n",
  "k8s/base/web.yaml": `apiVersion: apps/v1
kind: Deployment
metadata: { name: shop-web }
spec:
  selector: { matchLabels: ${labels} }
  template:
    metadata: { labels: ${labels} }
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: web
          image: shop-web
          readinessProbe: { httpGet: { path: /, port: 80 }, periodSeconds: 1 }
---
apiVersion: v1
kind: Service
metadata: { name: shop-web }
spec: { selector: ${labels}, ports: [{ port: 80, protocol: TCP }] }
`,
  "k8s/overlays/dev/kustomization.yaml": "namespace: shop-dev\nresources: [../../base]\n",
};
