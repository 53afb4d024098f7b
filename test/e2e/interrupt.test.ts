import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { api, isCluster, shell, someTargets, type TestCluster } from "./clusters.js";
import { launch, longMs, page, start, until, type EventOf, type Running } from "./devloop.js";
import { processesWith, sleeping } from "./processes.js";
import { freePort, scratchProject, type Scratch } from "./scratch.js";

const deployId = "deploy:k8s/overlays/dev";
/**
 * How long the end may take after ctrl-c, in ms: an apply under way may take five seconds to get through, and a busy machine
 * several times as long. What would end by itself, such as the build's step of 25 s, is not waited for.
 */
const endMs = 20_000;
const markVariable = "DEVLOOP_TEST_MARK";

const endings = (["SIGINT", "SIGKILL"] as const).flatMap((signal) =>
  someTargets.map(([name, target]) => [signal, name, target] as const),
);

// Each phase goes on from what the one before it left: that is what whoever presses ctrl-c does next.
describe.each(endings)("%s on %s", (signal, _name, target) => {
  let cluster: TestCluster;
  let extras: Extras;
  let project: Scratch;
  let mark: string;
  let running: Running | undefined;
  /** A time of its own for the build that is broken off: a step that once ran to its end is cached. */
  const seconds = `25.${Math.floor(Math.random() * 1e6)}`;

  beforeAll(async () => {
    cluster = target();
    extras = extrasOf(cluster);
    project = await scratchProject(cluster, `interrupt-${signal.toLowerCase()}`);
    await project.write("k8s/base/extra.yaml", extras.before);
    await project.write("web/slow", `${seconds}\n`);
    // Enough to be caught in the act of moving it.
    await project.edit(
      "web/Dockerfile",
      "COPY www",
      "RUN dd if=/dev/zero of=/ballast bs=1M count=64\nCOPY www",
    );
  });
  afterAll(async () => {
    await running?.stop();
    await project[Symbol.asyncDispose]();
  });

  it("while it connects", async () => {
    await using silent = await silentServer();
    const devloop = begin({ DOCKER_HOST: `tcp://127.0.0.1:${silent.port}` });
    await until(() => Promise.resolve(silent.asked()), "a question to the engine");
    await end(devloop);
  });

  it("while it reads the files", async () => {
    for (let directory = 0; directory < 8; directory += 1)
      await Promise.all(
        Array.from({ length: 400 }, (_, index) =>
          project.write(`api/many/${directory}/${index}.txt`, `${directory} ${index}\n`),
        ),
      );
    const devloop = begin();
    await devloop.waitFor("session.started");
    await end(devloop);
    await project.remove("api/many");
  });

  it("during a build, which ends in the engine as well", async () => {
    const devloop = begin();
    await devloop.waitFor(
      "task.progress",
      ({ id, progress }) => id === "build:web" && progress.message.includes("sleep"),
    );
    await until(async () => (await sleeping(seconds)).length > 0, "the step to run");
    await end(devloop);
    // Long before the step's own end; without ctrl-c nobody is left to stop it: the engine does, or it comes to its end.
    const withinMs = signal === "SIGINT" ? 12_000 : longMs;
    await until(async () => (await sleeping(seconds)).length === 0, "the step to end", withinMs);
    // Built anew next, so that no node has it.
    await project.write("web/slow", `0.${Math.floor(Math.random() * 1e6)}\n`);
  });

  // Without a cluster nothing is loaded.
  if (isCluster(target))
    it("during a load", async () => {
      const devloop = begin();
      await devloop.waitFor("task.progress", ({ id }) => id === "load:web");
      await end(devloop);
    });

  it("during an apply", async () => {
    const devloop = begin();
    // Without a cluster it is over in less time than it would take to tell how far it is.
    if (cluster.flavour === "docker") await devloop.waitFor("task.started", ({ id }) => id === deployId);
    else
      await devloop.waitFor(
        "task.progress",
        ({ id, progress }) => id === deployId && progress.message.startsWith("applied ConfigMap/"),
      );
    await end(devloop);
  });

  it("while it waits until all is ready; what left the overlay before is pruned", async () => {
    await project.write("k8s/base/extra.yaml", extras.after);
    // Not cached, and slow to become ready.
    await project.edit("web/start.sh", "httpd", "sleep 10; httpd");
    const devloop = begin();
    await devloop.waitFor("task.succeeded", ({ id }) => id === deployId);
    await expect.poll(extrasThere, { timeout: 20_000 }).toEqual(extras.namesAfter);
    expect(devloop.count("loop.ended", ({ outcome }: EventOf<"loop.ended">) => outcome === "ready")).toBe(0);
    await end(devloop);
  });

  it("at rest", async () => {
    const devloop = begin();
    await devloop.ready();
    expect(await page(project.ports.web)).toBe("web version 1\n");
    await end(devloop);
  });

  it("carries on: nothing is built, no pod restarted, nothing there twice", async () => {
    const before = await pods();
    expect(before.map(({ app }) => app)).toEqual(["api", "web"]);
    const devloop = begin();
    await devloop.ready();
    expect(await pods()).toEqual(before);
    expect(
      devloop.events.flatMap((event) => (event.type === "task.succeeded" ? [event.output] : [])),
    ).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ kind: "build", remembered: true }),
        expect.objectContaining({ kind: "deploy", created: 0, changed: 0, pruned: [] }),
      ]),
    );
    await expect.poll(extrasThere, { timeout: 20_000 }).toEqual(extras.namesAfter);
    for (const [name, port] of Object.entries(project.ports))
      expect(await page(port)).toBe(`${name} version 1\n`);
    await end(devloop);
  });

  function begin(env: Readonly<Record<string, string>> = {}): Running {
    mark = randomUUID();
    running = start({ cluster, cwd: project.root, env: { [markVariable]: mark, ...env } });
    return running;
  }

  /** Ends it, and looks at what it leaves. */
  async function end(devloop: Running): Promise<void> {
    const sentAt = Date.now();
    const code = await devloop.stop(signal);
    const took = Date.now() - sentAt;
    if (signal === "SIGINT") {
      expect(code).toBe(130);
      expect(took).toBeLessThan(endMs);
      expect(await processesWith(markVariable, mark)).toEqual([]);
      expect(devloop.stderr()).toBe("");
    } else {
      expect(devloop.child.signalCode).toBe("SIGKILL");
      // A tool that it had started gets to its end.
      await until(async () => (await processesWith(markVariable, mark)).length === 0, "its children to end");
    }
    for (const port of Object.values(project.ports)) expect(await isFree(port)).toBe(true);
    await expectWholeState(project.root, { leftovers: signal === "SIGKILL" });
  }

  async function pods(): Promise<{ app: string | undefined; uid: string | undefined; restarts: number }[]> {
    const all = await until(async () => {
      const found = await api(cluster).pods(project.namespace);
      return found.length === 2 && found;
    }, "two pods");
    return all
      .map((pod) => {
        const { containerStatuses = [] } = pod["status"] as {
          containerStatuses?: { restartCount: number }[];
        };
        const restarts = containerStatuses.reduce((sum, { restartCount }) => sum + restartCount, 0);
        return { app: pod.metadata.labels?.["app"], uid: pod.metadata.uid, restarts };
      })
      .sort((a, b) => String(a.app).localeCompare(String(b.app)));
  }

  async function extrasThere(): Promise<string[]> {
    const path = `/api/v1/namespaces/${project.namespace}/configmaps`;
    const all =
      cluster.flavour === "docker"
        ? await recorded(project.namespace)
        : (await api(cluster).list(path)).map(({ metadata }) => metadata.name);
    return all.filter((name) => name.startsWith("extra-")).sort();
  }
});

describe.each(someTargets)("ctrl-c on %s", (_name, target) => {
  let cluster: TestCluster;
  let project: Scratch;
  beforeAll(async () => {
    cluster = target();
    project = await scratchProject(cluster, "ctrl-c");
  });
  afterAll(async () => {
    await project[Symbol.asyncDispose]();
  });

  it("says what keeps running", async () => {
    const { child, output, said } = plain([]);
    await said(/ready in/);
    child.kill("SIGINT");
    expect(await once(child, "close")).toEqual([130, null]);
    const where = cluster.flavour === "docker" ? "on the container engine" : "in the cluster";
    expect(output()).toMatch(new RegExp(`(web, api|api, web) keep running ${where}; devloop down removes`));
    expect(await api(cluster).pods(project.namespace)).toHaveLength(2);
  });

  it("does not wait for a reader that has stopped reading", async () => {
    const chatter = "while sleep 0.1; do seq 100000 102000; done &\n";
    await project.edit("api/start.sh", "echo started api\n", chatter);
    const { child, said } = plain([]);
    await said(/│ 10\d{4}$/m);
    child.stdout.pause();
    // By now the pipe is full, and whatever comes waits.
    await until(
      () => Promise.resolve(child.stdout.readableLength >= child.stdout.readableHighWaterMark),
      "a full pipe",
    );
    child.kill("SIGINT");
    const sentAt = Date.now();
    expect(await once(child, "exit")).toEqual([130, null]);
    expect(Date.now() - sentAt).toBeLessThan(endMs);
    await project.edit("api/start.sh", chatter, "echo started api\n");
  });

  it("twice ends at once; once with --cleanup removes what was deployed", async () => {
    const first = plain(["--cleanup"]);
    await first.said(/ready in/);
    const exited = once(first.child, "exit");
    first.child.kill("SIGINT");
    await first.said(/removing what was deployed/);
    first.child.kill("SIGINT");
    expect(await exited).toEqual([130, null]);
    // It may have begun to remove things; it did not get through, or it would have said so: it did not wait for it.
    expect(first.output()).not.toContain("removed ");

    const second = plain(["--cleanup"]);
    await second.said(/ready in/);
    second.child.kill("SIGINT");
    expect(await once(second.child, "close")).toEqual([130, null]);
    expect(second.output()).toContain("removed Deployment/web");
    expect(await api(cluster).pods(project.namespace)).toEqual([]);
  });

  /** `devloop up` without a terminal, and what it prints. */
  function plain(args: readonly string[]) {
    const child = launch({ cluster, cwd: project.root, args: ["up", ...args] });
    let text = "";
    const keep = (chunk: string): void => {
      text += chunk;
    };
    child.stdout.setEncoding("utf8").on("data", keep);
    child.stderr.setEncoding("utf8").on("data", keep);
    return {
      child,
      output: () => text,
      said: async (pattern: RegExp) => {
        try {
          await until(() => Promise.resolve(pattern.test(text)), String(pattern));
        } catch (error) {
          throw new Error(`it said instead:\n${text}`, { cause: error });
        }
      },
    };
  }
});

/** Objects beside the workloads, of which some go and others come. */
interface Extras {
  readonly before: string;
  readonly after: string;
  readonly namesAfter: readonly string[];
}

/** In a cluster enough to be caught in the act of applying them; without one, where nothing stands for ConfigMaps, CronJobs that never run. */
function extrasOf({ flavour }: TestCluster): Extras {
  const [one, from, to, end] =
    flavour === "docker" ? ([cronJob, 2, 4, 5] as const) : ([configMap, 30, 60, 70] as const);
  const all = (of: readonly string[]): string => of.map(one).join("---\n");
  const namesAfter = names(from, end);
  return { before: all(names(0, to)), after: all(namesAfter), namesAfter };
}

function configMap(name: string): string {
  return `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: ${name} }\ndata: { a: "1" }\n`;
}

function cronJob(name: string): string {
  const pod = `{ restartPolicy: Never, containers: [{ name: main, image: "busybox:1" }] }`;
  return `apiVersion: batch/v1
kind: CronJob
metadata: { name: ${name} }
spec: { schedule: "@yearly", jobTemplate: { spec: { template: { spec: ${pod} } } } }
`;
}

/** The workloads of a project that the engine holds without pods. */
async function recorded(project: string): Promise<string[]> {
  const filters = [
    "--filter",
    `label=devloop.dev/project=${project}`,
    "--filter",
    "label=devloop.dev/role=record",
  ];
  const owners = await shell("docker", "ps", "-a", ...filters, "--format", '{{.Label "devloop.dev/owner"}}');
  return owners.split("\n").map((owner) => owner.replace(/.*\//, ""));
}

/** `extra-<from>` to `extra-<to - 1>`. */
function names(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, index) => `extra-${String(from + index).padStart(2, "0")}`);
}

/** Every file in the project's state directory can be read whole, and is known. */
async function expectWholeState(root: string, { leftovers }: { readonly leftovers: boolean }): Promise<void> {
  const directory = join(root, ".state");
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => []);
  // What containers printed is the session's own: the next one removes it where this one could not.
  const files = entries.filter((entry) => entry.isFile() && !entry.parentPath.includes("/logs"));
  const known = leftovers ? /^(builds|layers)\.json(\.\d+)?$/ : /^(builds|layers)\.json$/;
  for (const file of files) {
    expect(file.name).toMatch(known);
    if (!file.name.endsWith(".json")) continue;
    const text = await readFile(join(file.parentPath, file.name), "utf8");
    expect(JSON.parse(text)).toMatchObject({ version: 1 });
  }
}

/** A server that takes connections and never says a word. */
async function silentServer() {
  let asked = false;
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    // Read, or its end would go unnoticed.
    socket.resume();
    asked = true;
  });
  const port = await freePort();
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return {
    port,
    asked: () => asked,
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.close(() => {
          resolve();
        });
      }),
  };
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const listening = new Promise<boolean>((resolve) => {
    server.on("error", () => {
      resolve(false);
    });
    server.on("listening", () => {
      resolve(true);
    });
  });
  server.listen({ port, host: "127.0.0.1", exclusive: true });
  const free = await listening;
  if (free) await new Promise((resolve) => server.close(resolve));
  return free;
}
