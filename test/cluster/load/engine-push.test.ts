import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { classicDelta } from "../../../src/cluster/load/delta-classic.js";
import { containerdDelta } from "../../../src/cluster/load/delta-containerd.js";
import { type EnginePush, enginePush, isLoadingName } from "../../../src/cluster/load/engine-push.js";
import { LayerReader } from "../../../src/cluster/load/layer-reader.js";
import type { ContainerEngine } from "../../../src/engine/container-engine.js";
import { startDeadline } from "../../../src/lib/deadline.js";
import { DevloopError } from "../../../src/lib/errors.js";
import { failure, fakeEngine } from "./fake-nodes.js";

const { signal } = new AbortController();
const image = { ref: "web:devloop-1", imageId: `sha256:${"a".repeat(64)}` };
const nodes = [{ name: "a", role: "control-plane", running: true }] as const;
const options = { signal, onProgress: () => undefined, onNote: () => undefined };
const [there, added] = [`sha256:${"1".repeat(64)}`, `sha256:${"2".repeat(64)}`];
const learned = [{ compressed: `sha256:${"3".repeat(64)}`, digest: there, size: 10 }];
const memory = { read: () => Promise.resolve(learned), write: () => Promise.resolve() };

/** An engine that has the image, whose second layer the node lacks, and does not push it. */
class RefusingEngine {
  readonly asked: string[] = [];
  names: string[] = [];
  onTag = (): Promise<void> => Promise.resolve();
  onPush = (): Promise<void> => Promise.reject(new Error("no route to host"));
  readonly engine: ContainerEngine = fakeEngine(() => [], {
    exec: (_node, _argv, { stdin }) => {
      this.asked.push(stdin ? "import" : "contents");
      stdin?.on("error", () => undefined).resume();
      return { exitCode: 0, stdout: `${there}\n`, stderr: "" };
    },
    image: () =>
      Promise.resolve({
        id: image.imageId,
        tags: [],
        size: 20,
        platform: "linux/amd64",
        digests: [],
        entrypoint: [],
        command: [],
        layers: [there, added],
      }),
    tagImage: (_id, name) => {
      this.names.push(name);
      return this.onTag();
    },
    untagImage: () => Promise.resolve(),
    pushImage: () => {
      this.asked.push("push");
      return this.onPush();
    },
  });
}

describe("pushes of the engine", () => {
  let fake: RefusingEngine;
  let pushes: EnginePush;
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    fake = new RefusingEngine();
    pushes = enginePush(fake.engine);
  });
  afterEach(async () => {
    await pushes[Symbol.asyncDispose]();
    vi.useRealTimers();
  });

  async function push(): Promise<void> {
    using turn = await pushes.turn("load", { signal });
    using limit = startDeadline(1_000, signal);
    const reader = new LayerReader({ has: () => false, wants: () => true, keepBytes: 0 });
    await turn.push(image, reader, limit);
  }

  it.each([
    ["containerd", () => containerdDelta(fake.engine, pushes)],
    ["classic", () => classicDelta(fake.engine, pushes, memory)],
  ])("that wait for their turn are not late, and import nothing yet (%s store)", async (_store, open) => {
    await using sender = open();
    const earlier = await pushes.turn("load", { signal });
    const sent = failure(() => sender.send(nodes, image, options));
    await vi.advanceTimersByTimeAsync(400_000);
    expect(fake.asked).not.toContain("push");
    expect(fake.asked).not.toContain("import");
    earlier[Symbol.dispose]();
    expect(await sent).toMatchObject({ message: "no route to host" });
    expect(fake.asked).toContain("push");
  });

  it("wait no longer than their signal lets them, and those behind them wait on", async () => {
    const first = await pushes.turn("load", { signal });
    const controller = new AbortController();
    const second = failure(() => pushes.turn("load", { signal: controller.signal }));
    let came = false;
    const third = pushes.turn("load", { signal }).then((turn) => {
      came = true;
      return turn;
    });
    controller.abort(new Error("a newer edit"));
    expect(await second).toMatchObject({ message: "a newer edit" });
    await vi.advanceTimersByTimeAsync(1_000);
    expect(came).toBe(false);
    first[Symbol.dispose]();
    (await third)[Symbol.dispose]();
  });

  it("are given up when the engine does not get here, but not for an image that is gone or an engine that restarts", async () => {
    fake.onTag = () => Promise.reject(new Error("no such image"));
    expect(await failure(push)).toMatchObject({ message: "no such image" });
    fake.onTag = () => Promise.resolve();
    fake.onPush = () => Promise.reject(new DevloopError("ENGINE_UNREACHABLE", "gone"));
    expect(await failure(push)).toMatchObject({ code: "ENGINE_UNREACHABLE" });
    expect(pushes.outOfReach).toBe(false);
    fake.onPush = () => Promise.reject(new Error("no route to host"));
    expect(await failure(push)).toMatchObject({ message: "no route to host" });
    expect(pushes.outOfReach).toBe(true);
    await using sender = containerdDelta(fake.engine, pushes);
    expect(await sender.send(nodes, image, options)).toBeUndefined();
  });

  it("are tried again after one whose image was gone (classic store)", async () => {
    await using sender = classicDelta(fake.engine, pushes, memory);
    fake.onTag = () => Promise.reject(new Error("no such image"));
    expect(await failure(() => sender.send(nodes, image, options))).toMatchObject({
      message: "no such image",
    });
    fake.onTag = () => Promise.resolve();
    expect(await failure(() => sender.send(nodes, image, options))).toMatchObject({
      message: "no route to host",
    });
    // That was told, and is not another time.
    expect(await sender.send(nodes, image, options)).toBeUndefined();
  });

  it("that are refused in the background are told by the next load, once", async () => {
    vi.useRealTimers();
    await using sender = classicDelta(fake.engine, pushes, memory);
    sender.learn(image);
    await vi.waitUntil(() => fake.asked.includes("push"), { timeout: 30_000 });
    expect(await failure(() => sender.send(nodes, image, options))).toMatchObject({
      message: "no route to host",
    });
    expect(await sender.send(nodes, image, options)).toBeUndefined();
    expect(fake.asked).toEqual(["push"]);
  });

  it("have a name that is known for one", async () => {
    await failure(push);
    expect(fake.names.map(isLoadingName)).toEqual([true]);
    expect(["web:devloop-1", "127.0.0.1:5000/devloop/web:1"].map(isLoadingName)).toEqual([false, false]);
  });
});
