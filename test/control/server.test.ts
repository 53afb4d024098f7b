import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { connect } from "node:net";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { controlClient } from "../../src/control/client.js";
import { findLoop } from "../../src/control/find-loop.js";
import { type EventLine, type PublicState, publicState } from "../../src/control/protocol.js";
import { remoteControl, remoteDetails } from "../../src/control/remote-control.js";
import { remoteLogs } from "../../src/control/remote-logs.js";
import { openRemoteStore } from "../../src/control/remote-store.js";
import { waitReady } from "../../src/control/wait-ready.js";
import type { LogView } from "../../src/engine/log-source.js";
import type { State } from "../../src/engine/state.js";
import { imageSpec } from "../fakes/project.js";
import { sampleHealth, sampleLogLine, sampleProject, sampleState } from "../fakes/state.js";
import { sampleEvents } from "../output/sample-events.js";
import { serveStore, type ServedStore } from "./rig.js";

const agent = "Deployment/monitor-dev/monitor-agent";
const { signal } = new AbortController();
let loop: ServedStore;
beforeEach(async () => {
  loop = await serveStore(sampleState());
});
afterEach(async () => {
  await loop[Symbol.asyncDispose]();
});

describe("questions to a loop", () => {
  it("tells its state as the schema says, and that everything is ready", async () => {
    const state = publicState.parse(await loop.client.get("/v1/state"));
    expect(state).toMatchObject({ phase: "ready", text: "ready in 3.2 s", problems: [] });
    expect(state.loop).toMatchObject({ pid: process.pid, project: "monitor", file: loop.file });
    expect(state.resources.map(({ id, status }) => `${id} ${status}`)).toContain(`${agent} ready`);
  });

  it("tells what is broken with its last lines, what others follow from first", async () => {
    loop.store.dispatch({ ...sampleEvents["task.started"] });
    loop.store.dispatch({ ...sampleEvents["task.failed"] });
    const cause = { reason: "CrashLoop", message: "exited with code 1", lines: ["boom"] } as const;
    loop.store.dispatch({
      type: "workload.changed",
      id: agent,
      health: sampleHealth("monitor-agent", { status: "failed", cause }),
    });
    const state = (await loop.client.get("/v1/state")) as PublicState;
    expect(state.phase).toBe("failed");
    expect(state.problems).toMatchObject([
      {
        resource: "image:monitor-agent",
        code: "BUILD_FAILED",
        hint: "fix package.json",
        lines: ["npm error"],
      },
      { resource: agent, reason: "CrashLoop", message: "exited with code 1", lines: ["boom"] },
    ]);
  });

  it("does what it is asked to, and names the nearest where a name is wrong", async () => {
    const { client, store } = loop;
    await client.ask("trigger", { resource: "monitor-agent" });
    expect(store.getSnapshot().images["monitor-agent"]?.triggers).toBe(1);
    expect(store.getSnapshot().images["monitor-test"]?.triggers).toBe(0);
    await client.ask("pause", {});
    expect(((await client.get("/v1/state")) as PublicState).paused).toBe(true);
    await client.ask("resume", {});
    await client.ask("focus", { images: ["monitor-test"] });
    await client.ask("sync", { on: false, image: "monitor-agent" });
    expect(await client.get("/v1/state")).toMatchObject({
      paused: false,
      focus: ["monitor-test"],
      syncOff: ["monitor-agent"],
    });
    await expect(client.ask("trigger", { resource: "monitor-agnt" })).rejects.toMatchObject({
      code: "NOT_FOUND",
      message: expect.stringContaining("did you mean monitor-agent?"),
    });
    await expect(client.ask("focus", { images: 3 } as never)).rejects.toMatchObject({ code: "USAGE" });
    await client.ask("stop", {});
    expect(loop.stopped()).toBe(true);
  });

  it("refuses what it does not know, and bodies beyond a bound", async () => {
    await expect(loop.client.get("/v2/state")).rejects.toMatchObject({ code: "NOT_FOUND" });
    await expect(loop.client.get("/v1/logs", { level: "loud" })).rejects.toMatchObject({ code: "USAGE" });
    await expect(loop.client.get("/v1/logs", { tail: "x" })).rejects.toMatchObject({ code: "USAGE" });
    await expect(loop.client.get("/v1/logs", { regex: "(" })).rejects.toMatchObject({ code: "USAGE" });
    const big = { resource: "x".repeat(70_000) };
    await expect(loop.client.ask("trigger", big)).rejects.toMatchObject({ code: "USAGE" });
    await expect(loop.client.get("/v1/state")).resolves.toBeDefined();
  });

  it("shows a screen of another version nothing, and tells it why; anybody may stop it", async () => {
    const asked = request({
      socketPath: loop.client.socket,
      path: "/v1/screen",
      headers: { "devloop-version": "0.0.1" },
    }).end();
    const [response] = (await once(asked, "response")) as [IncomingMessage];
    expect(response.statusCode).toBe(409);
    expect(response.headers["devloop-version"]).toBe("dev");
    const chunks: Buffer[] = [];
    for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
    expect(JSON.parse(Buffer.concat(chunks).toString())).toMatchObject({
      error: { code: "LOOP_VERSION", message: "the loop runs devloop dev, and this is 0.0.1" },
    });
  });
});

describe("finding a loop", () => {
  it("finds it by its file, also where the project's name is not known any more", async () => {
    const found = await findLoop(loop.file, loop.env, () => Promise.reject(new Error("not asked")));
    expect(found.identity.pid).toBe(process.pid);
    await expect(
      findLoop("/elsewhere/devloop.yaml", loop.env, () => Promise.resolve("monitor")),
    ).rejects.toMatchObject({ code: "LOOP_NOT_RUNNING" });
  });

  it("lets a second one of the project know who runs", async () => {
    const second = await loop.serve(
      {
        store: loop.store,
        logs: loop.logs,
        control: undefined as never,
        details: undefined as never,
        redact: (text) => text,
      },
      { file: loop.file, env: loop.env, signal },
    );
    expect(second).toMatchObject({ kind: "running", loop: { identity: { project: "monitor" } } });
  });

  it("leaves no socket behind", async () => {
    const { env, client } = loop;
    const directory = join(env["XDG_RUNTIME_DIR"]!, "devloop");
    const other = await serveStore(sampleState());
    await other[Symbol.asyncDispose]();
    expect((await readdir(directory)).filter((name) => name.endsWith(".lock"))).toEqual([]);
    expect(await client.get("/v1/loop")).toBeDefined();
  });
});

describe("the events of a loop", () => {
  it("begin with the state and go on with every event, in order, numbered", async () => {
    const lines = loop.client.lines("/v1/events", {}, { signal });
    const first = (await lines.next()).value as EventLine;
    expect(first).toMatchObject({ type: "snapshot", seq: 0, missed: 0, state: { phase: "ready" } });
    loop.store.dispatch({ type: "loop.paused" });
    loop.store.dispatch({ type: "loop.resumed" });
    expect((await lines.next()).value).toMatchObject({ seq: 1, type: "loop.paused", v: 1 });
    expect((await lines.next()).value).toMatchObject({ seq: 2, type: "loop.resumed" });
    await lines.return(undefined);
  });

  it("hide secret values, and never hold build arguments", async () => {
    loop.redactor.add(["hunter2-hunter2"]);
    const lines = loop.client.lines("/v1/events", {}, { signal });
    await lines.next();
    loop.store.dispatch({ type: "sync.note", message: "password is hunter2-hunter2" });
    expect((await lines.next()).value).toMatchObject({ message: "password is (hidden)" });
    await lines.return(undefined);
  });

  it("are told anew to a client that stopped reading, and never wait for it", async () => {
    const slow = connect(loop.client.socket);
    slow.write("GET /v1/events HTTP/1.1\r\nhost: x\r\n\r\n");
    await once(slow, "readable");
    const line = "x".repeat(10_000);
    const attempt = { id: "build:monitor-agent", attempt: 2 } as const;
    for (let index = 0; index < 2_000; index += 1)
      loop.store.dispatch({ type: "task.output", ...attempt, lines: [line] });
    // Another one is served meanwhile.
    expect(await loop.client.get("/v1/loop")).toBeDefined();
    let text = "";
    for await (const chunk of slow.setEncoding("utf8") as AsyncIterable<string>) {
      text = (text + chunk).slice(-50_000);
      if (/"missed":[1-9]/.test(text)) break;
    }
    expect(text).toMatch(/"type":"snapshot","seq":2000,"missed":\d{3,}/);
  });
});

describe("a screen in another process", () => {
  const secret: State["project"] = {
    ...sampleProject,
    images: [imageSpec("monitor-agent", { args: { TOKEN: "hunter2-hunter2" } }), imageSpec("monitor-test")],
    deploys: [
      {
        id: "chart",
        kind: "helm",
        release: "r",
        chart: "/c",
        values: [],
        set: { password: "hunter2-hunter2" },
        specHash: "h",
      },
    ],
  };

  it("has the same state as the loop, after every kind of event, but for secret values", async () => {
    const remote = await openRemoteStore(loop.client, { signal });
    loop.store.dispatch({ type: "config.loaded", project: secret, files: [] });
    for (const event of Object.values(sampleEvents)) {
      if (event.type !== "config.loaded") loop.store.dispatch(event);
    }
    await until(() => remote.getSnapshot().stopping);
    const text = JSON.stringify(remote.getSnapshot());
    expect(text).not.toContain("hunter2");
    const { project: _p, images, deploys: _d, ...rest } = remote.getSnapshot();
    const { project: _q, images: own, deploys: _e, ...ownRest } = loop.store.getSnapshot();
    expect(rest).toEqual(JSON.parse(JSON.stringify(ownRest)));
    expect(Object.keys(images)).toEqual(Object.keys(own));
    expect(images["monitor-agent"]?.spec.args["TOKEN"]).toMatch(/^\(hidden [0-9a-f]{12}\)$/);
  });

  it("hears of an edit of a value that it cannot see", async () => {
    loop.store.dispatch({ type: "config.loaded", project: secret, files: [] });
    const remote = await openRemoteStore(loop.client, { signal });
    const token = (): string | undefined => remote.getSnapshot().images["monitor-agent"]?.spec.args["TOKEN"];
    const before = token();
    const [first, ...others] = secret.images;
    const images = [{ ...first!, args: { TOKEN: "another-one" } }, ...others];
    loop.store.dispatch({ type: "config.loaded", project: { ...secret, images }, files: [] });
    await until(() => token() !== before);
  });

  it("reads, filters, searches and follows the lines that the loop keeps", async () => {
    loop.logs.append([line("one"), line("ERROR two"), line("three")]);
    const logs = remoteLogs(loop.client, { signal });
    const view = logs.view({ resources: [agent] });
    await until(() => view.end === 3);
    expect((await view.lines(0, 3)).map(({ text }) => text)).toEqual(["one", "ERROR two", "three"]);
    expect(await view.find({ kind: "text", text: "two" }, 2, "back")).toBe(1);
    expect(await view.find({ kind: "text", text: "nowhere" }, 0, "forth")).toBeUndefined();
    const grave = logs.view({ level: "error" });
    await until(() => !grave.reading && grave.end === 1);
    expect((await grave.lines(0, 1))[0]).toMatchObject({ text: "ERROR two", level: "error" });
    loop.logs.append([line("four")]);
    await changed(view, () => view.end === 4);
    await using nothing = logs.view({ resources: [] });
    await changed(nothing, () => !nothing.reading);
    expect([nothing.end, await nothing.lines(0, 9)]).toEqual([0, []]);
    await view[Symbol.asyncDispose]();
    await grave[Symbol.asyncDispose]();
  });

  it("asks, and sees manifests and descriptions", async () => {
    const problems: unknown[] = [];
    const control = remoteControl(loop.client, { signal, onProblem: (error) => problems.push(error) });
    control.pause();
    await until(() => loop.store.getSnapshot().paused);
    control.trigger("nothing-like-it");
    await until(() => problems.length > 0);
    expect(problems).toMatchObject([{ code: "NOT_FOUND" }]);
    const details = remoteDetails(loop.client);
    expect(await details.manifest("monitor-agent", { signal })).toEqual({ text: "kind: Deployment\n" });
    expect(await details.describe(agent, { signal })).toBe(`described ${agent}`);
    expect(await details.previousLogs("monitor-agent", { signal })).toBe(`before ${agent}`);
  });

  it("ends with the loop", async () => {
    const other = await serveStore(sampleState());
    const remote = await openRemoteStore(other.client, { signal });
    other.store.dispatch({ type: "session.stopping", reason: "quit" });
    await other[Symbol.asyncDispose]();
    await remote.ended;
    expect(remote.getSnapshot().stopping).toBe(true);
    await expect(controlClient(other.client.socket).get("/v1/loop")).rejects.toMatchObject({
      code: "LOOP_NOT_RUNNING",
    });
  });
});

describe("log lines", () => {
  const texts = async (query: Record<string, string | number>): Promise<string[]> => {
    const found: string[] = [];
    for await (const each of loop.client.lines("/v1/logs", query, { signal }))
      found.push((each as { text: string }).text);
    return found;
  };

  it("are those asked for: of a resource by its name, the newest, at least as grave, holding a text", async () => {
    const other = { ...line("other"), workload: "Deployment/monitor-dev/monitor-test" };
    loop.logs.append([
      line("one"),
      other,
      line("WARN two"),
      { ...line("step 1"), workload: "build:monitor-agent" },
    ]);
    expect(await texts({})).toEqual(["one", "other", "WARN two", "step 1"]);
    expect(await texts({ resource: "monitor-agent" })).toEqual(["one", "WARN two"]);
    expect(await texts({ resource: "image:monitor-agent" })).toEqual(["step 1"]);
    expect(await texts({ tail: 1, resource: "monitor-test" })).toEqual(["other"]);
    expect(await texts({ level: "warn" })).toEqual(["WARN two"]);
    expect(await texts({ text: "ot" })).toEqual(["other"]);
    expect(await texts({ since: line("").time + 1 })).toEqual([]);
    await expect(texts({ resource: "monitr-agent" })).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  it("go on as they come", async () => {
    loop.logs.append([line("one")]);
    const lines = loop.client.lines("/v1/logs", { follow: 1 }, { signal });
    expect((await lines.next()).value).toMatchObject({ text: "one", resource: agent, order: 1 });
    loop.logs.append([line("two")]);
    expect((await lines.next()).value).toMatchObject({ text: "two", order: 2 });
    await lines.return(undefined);
  });
});

describe("waiting", () => {
  it("ends when everything is ready, and not before", async () => {
    const health = (status: "progressing" | "ready") =>
      ({ type: "workload.changed", id: agent, health: sampleHealth("monitor-agent", { status }) }) as const;
    loop.store.dispatch(health("progressing"));
    let done = false;
    const waiting = waitReady(loop.client, { healMs: 0, signal }).finally(() => (done = true));
    await loop.client.get("/v1/state");
    expect(done).toBe(false);
    loop.store.dispatch(health("ready"));
    expect(await waiting).toMatchObject({ outcome: "ready" });
  });

  it("ends when something has failed for good, with what it was", async () => {
    loop.store.dispatch({ ...sampleEvents["task.started"] });
    loop.store.dispatch({ ...sampleEvents["task.failed"] });
    expect(await waitReady(loop.client, { healMs: 60_000, signal })).toMatchObject({
      outcome: "failed",
      state: { problems: [{ code: "BUILD_FAILED" }] },
    });
  });
});

function line(text: string) {
  return sampleLogLine("monitor-agent", text);
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 5));
}

function changed(view: LogView, isSo: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (!isSo()) return;
      stop();
      resolve();
    };
    const stop = view.subscribe(look);
    look();
  });
}
