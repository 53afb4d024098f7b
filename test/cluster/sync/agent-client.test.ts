import { PassThrough } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Agent, openAgent, type TreeChange } from "../../../src/cluster/sync/agent-client.js";
import { frame, u64 } from "../../../src/cluster/sync/agent-wire.js";
import { type Connected, connect, makePlace, type Place } from "./agent-rig.js";
import { eventually } from "../../eventually.js";

const signal = new AbortController().signal;
const hello = frame("h", Buffer.from([1]), 0, 0, Buffer.from([0]));

/** A channel whose other side is the test: for what no agent does. */
async function openFake(): Promise<{ agent: Agent; input: PassThrough; output: PassThrough }> {
  const input = new PassThrough();
  const output = new PassThrough();
  output.write(hello);
  return { agent: await openAgent({ input, output }, { signal }), input, output };
}

describe("a channel to an agent", () => {
  it.each([
    ["an answer that nobody asked for", frame("n", 99)],
    ["another type of answer than was asked for", frame("q", 1, 0)],
    ["an answer that is too short", frame("n")],
    ["an answer that is too long", frame("n", 1, 2)],
    ["a frame of no length", Buffer.alloc(4)],
  ])("is closed by %s", async (_, bytes) => {
    const { agent, output } = await openFake();
    const asked = agent.ping({ signal });
    output.write(bytes);
    await expect(asked).rejects.toThrow(RangeError);
    expect(await agent.closed).toBeInstanceOf(RangeError);
    await expect(agent.query("/", ["x"], { signal })).rejects.toBe(await agent.closed);
  });

  it.each([
    ["too few results", frame("c", 1, 1, Buffer.from([0]))],
    ["too many results", frame("c", 1, 3, Buffer.from([0, 0, 0]))],
    ["an outcome that is none", frame("c", 1, 2, Buffer.from([9, 0]))],
  ])("takes no %s for a batch", async (_, bytes) => {
    const { agent, output } = await openFake();
    const remove = { kind: "remove", root: "/r", path: "x" } as const;
    const applied = agent.apply([remove, remove], { signal });
    await sleep(5);
    output.write(bytes);
    await expect(applied).rejects.toThrow(RangeError);
  });

  it("is closed by an agent that neither answers nor gives a sign of life", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "Date"] });
    try {
      const { agent, input, output } = await openFake();
      const walk = agent.walk("/", { signal });
      vi.advanceTimersByTime(15_000);
      // A long answer is well, as long as it gives one.
      output.write(frame("n", 2));
      await eventually(() => {
        expect((input.read() as Buffer | null)?.includes("N")).toBe(true);
      });
      vi.advanceTimersByTime(15_000);
      const asked = agent.walk("/", { signal });
      vi.advanceTimersByTime(10_000);
      await expect(walk).rejects.toThrow("the agent has not answered for 25 s");
      await expect(asked).rejects.toThrow("the agent has not answered");
    } finally {
      vi.useRealTimers();
    }
  });

  it("opens to nothing but an agent of this version", async () => {
    const open = async (bytes: Buffer): Promise<Agent> => {
      const output = new PassThrough();
      output.end(bytes);
      return await openAgent({ input: new PassThrough(), output }, { signal });
    };
    await expect(open(frame("h", Buffer.from([2]), 0, 0, Buffer.from([0])))).rejects.toThrow("version 2");
    await expect(open(frame("n", 1))).rejects.toThrow("not devloop's agent");
    await expect(open(Buffer.from("sh: agent: not found\n"))).rejects.toThrow(RangeError);
    await expect(open(Buffer.alloc(0))).rejects.toThrow("the agent has ended");
  });

  it("to a supervised process knows how that is, whether or not anybody is told", async () => {
    const output = new PassThrough();
    const state = [Buffer.from([1]), 7, Buffer.alloc(4, 0xff), u64(1234), 1];
    output.write(frame("h", Buffer.from([1]), 5, 6, Buffer.from([1])));
    output.write(frame("s", ...state));
    using agent = await openAgent({ input: new PassThrough(), output }, { signal });
    expect(agent.hello).toEqual({ uid: 5, gid: 6, supervised: true });
    expect(agent.process()).toEqual({ state: "running", pid: 7, startedAt: 1234, runs: 1 });
  });

  it("is closed by its signal, before it opens and after", async () => {
    const reason = new Error("the session is over");
    const before = new AbortController();
    const opening = openAgent(
      { input: new PassThrough(), output: new PassThrough() },
      { signal: before.signal },
    );
    before.abort(reason);
    await expect(opening).rejects.toBe(reason);
    await expect(
      openAgent({ input: new PassThrough(), output: new PassThrough() }, { signal: before.signal }),
    ).rejects.toBe(reason);

    const after = new AbortController();
    const [input, output] = [new PassThrough(), new PassThrough()];
    output.write(hello);
    const agent = await openAgent({ input, output }, { signal: after.signal });
    const asked = agent.ping({ signal });
    after.abort(reason);
    await expect(asked).rejects.toBe(reason);
    expect(await agent.closed).toBe(reason);
    expect(input.destroyed).toBe(true);
  });

  it("that ends fails all that wait for it with one error, and all that ask later", async () => {
    const { agent, output } = await openFake();
    const asked = [agent.ping({ signal }), agent.walk("/", { signal }), agent.fetch("/", "x", { signal })];
    output.end();
    const outcomes = await Promise.allSettled(asked);
    const reasons = outcomes.map((one) => (one.status === "rejected" ? (one.reason as unknown) : undefined));
    const error = await agent.closed;
    expect(error).toBeInstanceOf(Error);
    expect(reasons).toEqual([error, error, error]);
    expect(reasons.every((reason) => reason === error)).toBe(true);
    await expect(agent.apply([{ kind: "remove", root: "/", path: "x" }], { signal })).rejects.toBe(error);
  });

  it("that is disposed ends the agent's input, and is closed for no reason", async () => {
    const { agent, input } = await openFake();
    agent[Symbol.dispose]();
    agent[Symbol.dispose]();
    expect(await agent.closed).toBeUndefined();
    expect(input.writableEnded).toBe(true);
    await expect(agent.ping({ signal })).rejects.toThrow("closed");
  });

  it("sends a small batch in one write", async () => {
    const { agent, input } = await openFake();
    const writes: Buffer[] = [];
    input.on("data", (chunk: Buffer) => writes.push(chunk));
    const change = (path: string): TreeChange => ({
      kind: "file",
      root: "/r",
      path,
      mode: 0o644,
      content: Buffer.from(path),
    });
    agent.apply([change("a"), change("b"), change("c")], { signal }).catch(() => undefined);
    await sleep(20);
    expect(writes).toHaveLength(1);
    agent[Symbol.dispose]();
  });

  it("does not hang on a batch that nobody takes, once it is closed", async () => {
    const { agent, output } = await openFake();
    const content = Buffer.alloc(5_000_000);
    const applied = agent.apply([{ kind: "file", root: "/r", path: "x", mode: 0o644, content }], { signal });
    await sleep(10);
    output.destroy(new Error("cut"));
    await expect(applied).rejects.toThrow("cut");
  });
});

describe.runIf(process.platform === "linux")("a call that is aborted", () => {
  let place: Place;
  let connected: Connected;
  beforeEach(async () => {
    place = await makePlace();
    connected = await connect(place);
  });
  afterEach(async () => {
    await connected[Symbol.asyncDispose]();
    await place[Symbol.asyncDispose]();
  });
  const file = (path: string): TreeChange => ({
    ...{ kind: "file", root: place.root, path, mode: 0o644 },
    content: Buffer.from(path),
  });

  it("rejects with the reason, and the next one is answered", async () => {
    const { agent } = connected;
    const controller = new AbortController();
    const reason = new Error("not wanted");
    const calls = [
      agent.query(place.root, ["x"], { signal: controller.signal }),
      agent.walk(place.root, { signal: controller.signal }),
      agent.apply([file("a")], { signal: controller.signal }),
    ];
    controller.abort(reason);
    for (const call of calls) await expect(call).rejects.toBe(reason);
    await expect(agent.ping({ signal: controller.signal })).rejects.toBe(reason);
    expect(await agent.apply([file("b")], { signal })).toMatchObject([{ kind: "done" }]);
  });

  it("ends its batch where it stands: no file is written whose bytes had not all come", async () => {
    const { agent } = connected;
    const controller = new AbortController();
    const hanging = async function* (): AsyncGenerator<Buffer> {
      yield await Promise.resolve(Buffer.alloc(300_000));
      controller.abort(new Error("not wanted"));
      await new Promise(() => undefined);
    };
    const content = { size: 400_000, sha256: Buffer.alloc(32).toString("base64"), chunks: hanging() };
    const changes: TreeChange[] = [
      file("before"),
      { kind: "file", root: place.root, path: "half", mode: 0o644, content },
      file("after"),
    ];
    await expect(agent.apply(changes, { signal: controller.signal })).rejects.toThrow("not wanted");
    expect(await agent.apply([file("next")], { signal })).toMatchObject([{ kind: "done" }]);
    const names = (await agent.walk(place.root, { signal })).map(({ path }) => path);
    expect(names.sort()).toEqual(["before", "next"]);
  });

  it("that waits for another batch is not sent at all", async () => {
    const { agent } = connected;
    const controller = new AbortController();
    const first = agent.apply([file("first")], { signal });
    const second = agent.apply([file("second")], { signal: controller.signal });
    controller.abort(new Error("not wanted"));
    await expect(second).rejects.toThrow("not wanted");
    await first;
    await agent.apply([file("third")], { signal });
    expect((await agent.walk(place.root, { signal })).map(({ path }) => path).sort()).toEqual([
      "first",
      "third",
    ]);
  });

  it("and a change that cannot be sent leave the channel as it was", async () => {
    const { agent } = connected;
    const content = { size: 1, sha256: "short", chunks: (async function* () {})() };
    const bad: TreeChange = { kind: "file", root: place.root, path: "bad", mode: 0o644, content };
    await expect(agent.apply([file("a"), bad], { signal })).rejects.toThrow(RangeError);
    expect(await agent.apply([file("b")], { signal })).toMatchObject([{ kind: "done" }]);
    expect(await agent.apply([], { signal })).toEqual([]);
  });
});
