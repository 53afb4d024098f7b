import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { controlClient, type ControlClient } from "../../src/control/client.js";
import type { EventLine, PublicState } from "../../src/control/protocol.js";
import { api, someTargets, type TestCluster } from "./clusters.js";
import { cli, page, runToEnd, until } from "./devloop.js";
import { scratchProject, type Scratch } from "./scratch.js";
import { openTerminal, type Terminal } from "./tmux.js";

/** What a Secret of the project holds, and a container prints. */
const token = "walnut-lantern";
const secret = `apiVersion: v1\nkind: Secret\nmetadata: { name: extra }\nstringData: { token: ${token} }\n`;

// One project for all of them: each goes on from what the one before it left, as a day's work does.
describe.each(someTargets)("a loop on %s and those who look at it from elsewhere", (_name, target) => {
  let cluster: TestCluster;
  let project: Scratch;
  /** A runtime directory of its own: nobody else's loop is found in it. */
  let runtime: string;
  let terminal: Terminal;
  const signal = new AbortController().signal;

  beforeAll(async () => {
    cluster = target();
    project = await scratchProject(cluster, "control");
    await project.edit("api/start.sh", "echo started api", `echo started api with ${token}`);
    await project.write("k8s/base/extra.yaml", secret);
    runtime = await mkdtemp(join(tmpdir(), "dl-"));
    terminal = await openTerminal(project.root, { KUBECONFIG: cluster.kubeconfig, XDG_RUNTIME_DIR: runtime });
  });
  afterAll(async () => {
    await devloop("stop").catch(() => undefined);
    await terminal[Symbol.asyncDispose]();
    await project[Symbol.asyncDispose]();
    await rm(runtime, { recursive: true, force: true });
  });

  const devloop = (...args: string[]) =>
    runToEnd({ cluster, cwd: project.root, args, env: { XDG_RUNTIME_DIR: runtime } });
  const socket = async (): Promise<string> => {
    const directory = join(runtime, "devloop");
    const names = (await readdir(directory)).filter((name) => name.endsWith(".sock"));
    expect(names).toHaveLength(1);
    return join(directory, names[0]!);
  };
  const client = async (): Promise<ControlClient> => controlClient(await socket());
  const state = async (): Promise<PublicState> => (await (await client()).get("/v1/state")) as PublicState;
  const socketAnswers = async (): Promise<boolean> =>
    (await client()).get("/v1/loop").then(
      () => true,
      () => false,
    );
  /** Names of the pods, and how often their containers started anew. */
  const pods = async (): Promise<string[]> =>
    (await api(cluster).pods(project.namespace)).map(podLine).sort();

  it("says that none runs, and how to start one", async () => {
    for (const args of [["attach"], ["wait"], ["trigger"], ["events"], ["stop"]]) {
      const { code, stderr } = await devloop(...args);
      expect(code).toBe(1);
      expect(stderr).toMatch(/no loop of .* runs\n→ devloop up starts one/);
    }
  });

  it("shows what keeps a loop in the background from starting, and exits as it does", async () => {
    const DOCKER_HOST = "unix:///nowhere/engine.sock";
    const { code, stderr } = await runToEnd({
      ...{ cluster, cwd: project.root, args: ["up", "--detach"] },
      env: { XDG_RUNTIME_DIR: runtime, DOCKER_HOST },
    });
    expect(stderr).toContain(`the container engine does not answer at ${DOCKER_HOST}`);
    expect(code).toBe(1);
  });

  it("starts in the background, is waited for, and shows itself", async () => {
    const started = await devloop("up", "--detach");
    expect(started.stdout).toContain("runs in the background: process");
    expect(started.code).toBe(0);
    const waited = await devloop("wait", "--for=ready", "--timeout", "4m");
    expect(waited.stdout).toMatch(/^ready in /);
    expect(waited.code).toBe(0);
    expect(await until(() => page(project.ports.web), "the page")).toBe("web version 1\n");
    const status = await devloop("status");
    expect(status.stdout).toMatch(/web +ready +1\/1/);
    const json = JSON.parse((await devloop("status", "--json")).stdout) as { loop: PublicState };
    expect(json.loop).toMatchObject({ phase: "ready", problems: [] });
    // A line may come after the pod is known to be ready.
    const lastLine = async () => (await devloop("logs", "web", "--tail", "1")).stdout;
    await until(async () => (await lastLine()) === "web │ started web\n", "the log line");
  });

  it("is one for a project: a second one says who runs", async () => {
    const { pid } = (await state()).loop;
    const second = await devloop("up");
    expect(second.code).toBe(1);
    expect(second.stderr).toContain(`runs in process ${pid}`);
    expect(second.stderr).toContain("devloop attach");
    expect((await devloop("up", "--detach")).stderr).toContain(`runs in process ${pid}`);
    expect((await state()).loop.pid).toBe(pid);
  });

  it("is shown by a second up in a terminal, takes keys from it, and goes on after it", async () => {
    const { pid } = (await state()).loop;
    await terminal.type("node $CLI up\n");
    await terminal.see(bothReady);
    await project.write("web/www/index.html", "web version 2\n");
    await until(async () => (await page(project.ports.web)) === "web version 2\n", "the edit");
    await terminal.see(bothReady);
    // The key does what the screen says it does: pressed again before that says "go on", it would pause once more.
    await terminal.type("p");
    await until(async () => (await state()).paused, "the pause");
    await terminal.see((text) => text.includes("p go on"));
    await terminal.type("p");
    await until(async () => !(await state()).paused, "its end");
    await terminal.type("q");
    await terminal.see((text) => text.includes("goes on"));
    expect(await terminal.state()).toEqual({
      exitCode: 0,
      echo: true,
      lines: true,
      cursor: true,
      alternate: false,
    });
    expect((await state()).loop.pid).toBe(pid);
  });

  it("serves ten at once, of which one reads nothing, without being slower for it", async () => {
    await devloop("wait");
    const path = await socket();
    await using idle = disposable(connect(path));
    idle.socket.write("GET /v1/events HTTP/1.1\r\nhost: x\r\n\r\n");
    await once(idle.socket, "readable");
    const seen = await Promise.all(
      Array.from({ length: 9 }, async () => {
        const lines = controlClient(path).lines("/v1/events", {}, { signal }) as AsyncGenerator<EventLine>;
        await lines.next();
        return lines;
      }),
    );
    const ended = Promise.all(
      seen.map(async (lines) => {
        for await (const line of lines) if (line.type === "loop.ended" && line.outcome === "ready") return;
      }),
    );
    await project.write("api/www/index.html", "api version 2\n");
    await ended;
    await until(async () => (await page(project.ports.api)) === "api version 2\n", "the edit");
    expect((await devloop("wait")).code).toBe(0);
  });

  it("waits for what is paused, out of focus, or asked for by name", async () => {
    expect((await devloop("focus", "api")).code).toBe(0);
    await project.write("web/www/index.html", "web version 3\n");
    const image = (found: PublicState) => found.resources.find(({ id }) => id === "image:web");
    await until(async () => image(await state())?.text === "not in focus", "the hold");
    expect(await until(() => page(project.ports.web), "the page")).toBe("web version 2\n");
    expect((await devloop("focus")).code).toBe(0);
    await until(async () => (await page(project.ports.web)) === "web version 3\n", "the edit");
    const { code, stderr } = await devloop("trigger", "wbe");
    expect([code, stderr]).toEqual([1, expect.stringContaining("did you mean web?")]);
    expect((await devloop("wait")).code).toBe(0);
  });

  it("starts a workload's processes anew", async () => {
    await settled();
    const before = await pods();
    expect((await devloop("restart", "api")).code).toBe(0);
    const apiPod = (all: readonly string[]) => all.filter((pod) => pod.startsWith("api-"));
    await until(async () => {
      const now = apiPod(await pods());
      return now.length === 1 && !before.includes(now[0]!);
    }, "another pod");
    expect((await pods()).filter((pod) => pod.startsWith("web-"))).toEqual(
      before.filter((pod) => pod.startsWith("web-")),
    );
    expect((await devloop("wait")).code).toBe(0);
  });

  it("tells why it is not ready, with the lines of the step that failed", async () => {
    await project.edit("web/Dockerfile", "COPY www /www", "RUN echo no luck; exit 7");
    await until(async () => (await state()).phase === "failed", "the failure");
    const { code, stderr } = await devloop("wait");
    expect(code).toBe(1);
    expect(stderr).toMatch(/image:web: web: step .* failed \(exit code 7\)/);
    expect(stderr).toContain("no luck");
    await project.edit("web/Dockerfile", "RUN echo no luck; exit 7", "COPY www /www");
    await until(async () => (await state()).phase === "ready", "its mending");
  });

  it("leaves what is deployed after a kill, and the next one takes it over without a pod's restart", async () => {
    await settled();
    const before = await pods();
    const { pid } = (await state()).loop;
    process.kill(pid, "SIGKILL");
    await until(async () => !(await socketAnswers()), "its end");
    expect((await devloop("status")).stdout).toContain("none runs");
    // Its containers' lines are the cluster's to tell.
    const logs = await devloop("logs", "web", "--tail", "1");
    expect([logs.code, logs.stdout]).toEqual([0, "web │ started web\n"]);
    expect(logs.stderr).toContain("no loop of");
    expect((await devloop("logs", "api")).stdout).toContain("api │ started api with (hidden)\n");
    const wrong = await devloop("logs", "wbe");
    expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringContaining("did you mean web?")]);
    expect((await devloop("up", "--detach")).code).toBe(0);
    expect((await devloop("wait")).code).toBe(0);
    expect((await state()).loop.pid).not.toBe(pid);
    expect(await pods()).toEqual(before);
  });

  it("ends when it is told to, and leaves no socket", async () => {
    const { stdout, code } = await devloop("stop");
    expect([code, stdout]).toEqual([0, expect.stringContaining("what is deployed keeps running")]);
    await until(async () => (await readdir(join(runtime, "devloop"))).length === 0, "no socket");
    expect((await pods()).length).toBeGreaterThan(0);
  });

  it("is one when two start at once", async () => {
    const both = await Promise.all([devloop("up", "--detach"), devloop("up", "--detach")]);
    expect(both.map(({ code }) => code).sort()).toEqual([0, 1]);
    expect(both.map(({ stderr }) => stderr).join("")).toContain("runs in process");
    await devloop("stop");
  });

  it("goes on when its terminal goes away, and then ends as any other", async () => {
    await terminal.type("clear; node $CLI up\n");
    await terminal.see(bothReady);
    const { pid } = (await state()).loop;
    await terminal[Symbol.asyncDispose]();
    await project.write("web/www/index.html", "web version 4\n");
    await until(async () => (await page(project.ports.web)) === "web version 4\n", "the edit");
    expect((await state()).loop.pid).toBe(pid);
    expect((await devloop("stop")).code).toBe(0);
    const log = join(project.root, ".state", "devloop", await stateName(), "loop.log");
    // Its end is one in order: the last word is its own.
    const lastWord =
      /keep running (in the cluster|on the container engine); devloop down removes what was deployed\n$/;
    await until(async () => lastWord.test(await readFile(log, "utf8")), "its last word");
    expect(await readFile(log, "utf8")).toContain("the terminal is gone: the loop goes on without a screen");
    terminal = await openTerminal(project.root, { KUBECONFIG: cluster.kubeconfig, XDG_RUNTIME_DIR: runtime });
  });

  it("exits with 0 without a terminal too", async () => {
    const up = spawn(process.execPath, [cli, "up"], {
      cwd: project.root,
      env: {
        ...process.env,
        KUBECONFIG: cluster.kubeconfig,
        XDG_RUNTIME_DIR: runtime,
        XDG_STATE_HOME: `${project.root}/.state`,
      },
      stdio: "ignore",
    });
    const exited = once(up, "exit");
    await until(async () => (await state()).phase === "ready", "a ready loop");
    await (await client()).ask("stop", {}, { signal });
    expect(await exited).toEqual([0, null]);
  });

  /** No pod of an earlier rollout is on its way out. */
  async function settled(): Promise<void> {
    await until(async () => (await pods()).length === 2, "the old pods to go");
  }
  async function stateName(): Promise<string> {
    const names = await readdir(join(project.root, ".state", "devloop"));
    return names.find((name) => name.startsWith("devloop-e2e-control"))!;
  }
});

function podLine(pod: {
  readonly metadata: { readonly name: string };
  readonly [field: string]: unknown;
}): string {
  const { containerStatuses = [] } = (pod["status"] ?? {}) as {
    containerStatuses?: readonly { restartCount: number }[];
  };
  return `${pod.metadata.name} ${containerStatuses.map(({ restartCount }) => restartCount).join(",")}`;
}

function bothReady(screen: string): boolean {
  return ["web", "api"].every((name) => new RegExp(`${name} .*ready .*1/1`).test(screen));
}

function disposable(socket: ReturnType<typeof connect>) {
  return {
    socket,
    [Symbol.asyncDispose]: () => {
      socket.destroy();
      return Promise.resolve();
    },
  };
}
