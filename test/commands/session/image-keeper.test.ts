import { describe, expect, it } from "vitest";
import type { Kube } from "../../../src/cluster/kube.js";
import { keepImages } from "../../../src/commands/session/image-keeper.js";
import type { RunTask, TaskContext } from "../../../src/engine/engine.js";
import type { Event } from "../../../src/engine/event.js";
import type { State } from "../../../src/engine/state.js";
import type { Task, TaskOutput } from "../../../src/engine/task.js";
import { fakeEngine } from "../../cluster/load/fake-nodes.js";
import { sampleState, sampleTime } from "../../fakes/state.js";
import { scriptedStore } from "../../fakes/scripted-store.js";

const output: TaskOutput = { kind: "load", ref: "r", nodes: [], present: [], bytes: 1 };
const loaded = {
  type: "task.succeeded",
  id: "load:monitor-agent",
  attempt: 1,
  output,
  at: sampleTime,
} as Event;
const working = sampleState({ loops: [{ number: 2, startedAt: sampleTime, changed: [] }] });

/** An engine with six builds of monitor-agent, the sixth the newest; `onUntag` is awaited before one goes. */
function rig(state: State = sampleState(), onUntag: () => Promise<void> = () => Promise.resolve()) {
  const ids = new Map(
    Array.from("123456").map((digit) => [
      `monitor-agent:devloop-${digit.repeat(16)}`,
      `sha256:${digit.repeat(64)}`,
    ]),
  );
  const asked: string[] = [];
  const store = scriptedStore(state);
  const engine = fakeEngine(() => [], {
    images: () => {
      asked.push("images");
      return Promise.resolve(
        [...ids].map(([ref, id]) => ({
          id,
          tags: [ref],
          size: 10,
          sharedSize: 7,
          createdAt: Number(id.at(-1)),
        })),
      );
    },
    image: (name) => {
      const id = ids.get(name) ?? name;
      const shared = {
        tags: [],
        digests: [],
        entrypoint: [],
        command: [],
        size: 10,
        platform: "linux/amd64",
      };
      return Promise.resolve({ ...shared, id, layers: ["base", id], taggedAt: Number(id.at(-1)) });
    },
    untagImage: async (ref) => {
      await onUntag();
      ids.delete(ref);
    },
  });
  const kube = { request: () => Promise.resolve({ items: [] }) } as unknown as Kube;
  const keeper = keepImages(store, {
    where: { disk: { engine, cluster: { kube, nodes: [] } } },
    newest: () => Promise.resolve(new Map()),
    waitsMs: [1],
  });
  const left = (): string => [...ids.keys()].map((ref) => ref.at(-1)).join("");
  return { store, keeper, left, asked };
}

const context = {} as TaskContext;
const task: Task = {
  id: "load:monitor-agent",
  key: "k",
  attempt: 1,
  input: { kind: "load", image: "monitor-agent", ref: "r", imageId: "i" },
};

describe("old builds", () => {
  it("go once a loop that loaded something has ended well, and it is told", async () => {
    const { store, keeper, left } = rig();
    await using _keeper = keeper;
    store.tell(loaded, working);
    expect(left()).toBe("123456");
    store.tell({ type: "workload.changed" } as Event, sampleState());
    await expect
      .poll(() => store.dispatched)
      .toEqual([{ type: "images.removed", builds: 3, bytes: 9, exact: true }]);
    expect(left()).toBe("456");
  });

  it("stay when nothing was loaded, when the loop failed, and when all are to be kept", async () => {
    const failed = sampleState({ loops: [{ ...sampleState().loops[0]!, outcome: "failed" }] });
    const all = sampleState({ project: { ...sampleState().project, keepImages: 0 } });
    for (const [event, state] of [
      [{ type: "workload.changed" } as Event, sampleState()],
      [loaded, failed],
    ] as const) {
      const { store, keeper, asked } = rig(state);
      store.tell(event, state);
      await keeper[Symbol.asyncDispose]();
      expect(asked).toEqual([]);
    }
    const { store, keeper, left } = rig(all);
    store.tell(loaded, all);
    await keeper.tidy({ signal: new AbortController().signal });
    expect(left()).toBe("123456");
  });

  it("go no more from the moment that a task is to run, and the rest after it", async () => {
    let release: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (release = resolve));
    let entered: () => void = () => undefined;
    const removing = new Promise<void>((resolve) => (entered = resolve));
    const { store, keeper, left } = rig(sampleState(), async () => {
      entered();
      await gate;
    });
    await using _keeper = keeper;
    store.tell(loaded);
    await removing;
    const seen: string[] = [];
    const run: RunTask = () => {
      seen.push(left());
      return Promise.resolve(output);
    };
    const ran = keeper.guard(run)(task, context);
    await Promise.resolve();
    // The one that is on its way goes first; the task does not run beside it.
    expect(seen).toEqual([]);
    release();
    await ran;
    expect(seen).toEqual(["23456"]);
    expect(left()).toBe("23456");
    store.tell({ type: "workload.changed" } as Event);
    await expect.poll(left).toBe("456");
  });

  it("that cannot be removed fail nothing", async () => {
    const { store, keeper, left } = rig(sampleState(), () => Promise.reject(new Error("no such engine")));
    store.tell(loaded);
    await keeper.tidy({ signal: new AbortController().signal });
    expect(left()).toBe("123456");
    expect(store.dispatched).toEqual([]);
    await keeper[Symbol.asyncDispose]();
  });
});
