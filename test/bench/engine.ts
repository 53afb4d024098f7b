import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { docker, shell } from "../e2e/clusters.js";
import { runToEnd, start } from "../e2e/devloop.js";
import { freePort, scratchDirectory } from "../e2e/scratch.js";
import { removeFromEngine } from "./leave-nothing.js";
import { formatTable, type Row } from "./measure.js";
import { servedAt } from "./served.js";

const saves = { synced: 30, rebuilt: 8 } as const;
/** A person's saves are apart: what a save set going has come to rest. */
const betweenMs = 1_500;

const image: Readonly<Record<string, string>> = {
  // The server is its container's first process, and would let each tool wait for its end.
  "web/Dockerfile": `FROM busybox:1
COPY synced /www/synced
COPY rebuilt /www/rebuilt
STOPSIGNAL SIGKILL
CMD ["httpd", "-f", "-p", "8080", "-h", "/www"]
`,
  "web/synced/page.txt": "synced\n",
  "web/rebuilt/page.txt": "rebuilt\n",
};

/** Save → served on the docker target, by a sync and by a rebuild, beside `docker compose watch` with the same image. */
export async function engine(): Promise<readonly string[]> {
  const ports = { devloop: await freePort(), compose: await freePort() };
  await using project = await scratchDirectory(docker, "bench-engine", (name) => files(name, ports.devloop));
  await using devloop = start({ cluster: docker, cwd: project.root });
  await devloop.ready();
  await using compose = await composeWatch(ports.compose);
  const all = { synced: { ours: [], theirs: [] }, rebuilt: { ours: [], theirs: [] } } as Record<
    keyof typeof saves,
    Record<"ours" | "theirs", number[]>
  >;
  for (const how of ["synced", "rebuilt"] as const) {
    for (let save = 0; save < saves[how]; save += 1) {
      // In turn, so that what disturbs the machine disturbs both.
      all[how].ours.push(await saved(join(project.root, "web", how, "page.txt"), how, ports.devloop));
      if (compose)
        all[how].theirs.push(await saved(join(compose.root, "web", how, "page.txt"), how, ports.compose));
    }
  }
  const refs = devloop.events.flatMap((event) =>
    event.type === "task.succeeded" && event.output.kind === "build" ? [event.output.ref] : [],
  );
  await devloop.stop();
  await runToEnd({ cluster: docker, cwd: project.root, args: ["down"] });
  for (const ref of new Set(refs)) await removeFromEngine(ref);
  const row = (how: keyof typeof saves): Row => ({
    what: `save → served, ${how}`,
    values: all[how].ours,
    unit: "ms",
    target: "no slower",
    ...(compose ? { beside: { tool: "docker compose watch", values: all[how].theirs } } : {}),
  });
  return [
    formatTable("without a cluster: one file of a small image (busybox)", [row("synced"), row("rebuilt")]),
  ];
}

function files(name: string, port: number): Record<string, string> {
  return {
    ...image,
    "devloop.yaml": `version: 1
name: ${name}
cluster: { provider: docker, namespace: ${name} }
images:
  web:
    context: web
    sync: [{ src: synced, dest: /www/synced }]
deploy:
  - manifests: k8s/*.yaml
forwards:
  - { service: web, local: ${port}, remote: 80 }
`,
    "k8s/web.yaml": `apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec: { containers: [{ name: web, image: web }] }
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec:
  selector: { app: web }
  ports: [{ port: 80, targetPort: 8080 }]
`,
  };
}

let count = 0;

/** Milliseconds from just before a save until a new connection was answered with it. */
async function saved(path: string, how: keyof typeof saves, port: number): Promise<number> {
  const wanted = `${how} ${process.pid} ${Date.now()} ${count++}`;
  const began = performance.now();
  const [at] = await Promise.all([
    servedAt(port, `/${how}/page.txt`, { wanted, keepAlive: false }),
    writeFile(path, `${wanted}\n`),
  ]);
  await sleep(betweenMs);
  return at - began;
}

/** The same by `docker compose watch`, once it follows the files; undefined where that command is not there. */
async function composeWatch(
  port: number,
): Promise<({ readonly root: string } & AsyncDisposable) | undefined> {
  const isThere = await shell("docker", "compose", "watch", "--help").then(
    () => true,
    () => false,
  );
  if (!isThere) return undefined;
  const root = await mkdtemp(join(tmpdir(), "devloop-bench-compose-"));
  for (const [path, text] of Object.entries(image)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
  await writeFile(
    join(root, "compose.yaml"),
    `services:
  web:
    build: web
    ports: ["127.0.0.1:${port}:8080"]
    develop:
      watch:
        - { action: sync, path: web/synced, target: /www/synced }
        - { action: rebuild, path: web/rebuilt }
`,
  );
  const child = spawn("docker", ["compose", "watch"], { cwd: root, stdio: "ignore" });
  const ended = once(child, "exit");
  // A save before it follows the files would be lost.
  const trial = new AbortController();
  const trying = (async () => {
    while (!trial.signal.aborted) {
      await writeFile(join(root, "web/synced/page.txt"), "follows\n");
      await sleep(1_000);
    }
  })();
  await servedAt(port, "/synced/page.txt", { wanted: "follows", keepAlive: false });
  trial.abort();
  await trying;
  return {
    root,
    async [Symbol.asyncDispose]() {
      child.kill("SIGINT");
      await ended;
      await shell(
        "docker",
        "compose",
        "--project-directory",
        root,
        "down",
        "--rmi",
        "local",
        "-v",
        "-t",
        "0",
      );
      await rm(root, { recursive: true, force: true });
    },
  };
}
