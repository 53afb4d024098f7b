import { describe, expect, it } from "vitest";
import { startEngine } from "../../src/engine/engine.js";
import type { NewEvent } from "../../src/engine/event.js";
import type { SyncSpec } from "../../src/engine/project.js";
import type { SyncOutput } from "../../src/engine/task.js";
import { awaitsSync, taskHold } from "../../src/engine/plan.js";
import { initialState } from "../../src/engine/reduce.js";
import { createStore } from "../../src/engine/store.js";
import { deployChange, imageChange, imageSpec, sampleProject } from "../fakes/project.js";
import { handDriven, settledPromises } from "../fakes/run-task.js";
import { sampleHealth } from "../fakes/state.js";
import { cluster } from "./engine.test.js";
import type { NewContainer } from "../../src/engine/container.js";

const rules: SyncSpec = {
  kind: "rules",
  rebuild: [],
  rules: [{ src: "src", dest: "/app/src", ignore: [], then: { kind: "restart" } }],
};
const project = sampleProject({ images: [imageSpec("web", { sync: rules })] });
const overlay = "overlays/dev";

function container(id: string, image: string): NewContainer {
  return { id, namespace: "default", pod: `pod-${id}`, podUid: `uid-${id}`, container: "web", image };
}

/** A running engine whose work the test does, up to the first deploy. */
async function rig() {
  const store = createStore(initialState(project, 0), { now: () => 0 });
  const hand = handDriven();
  startEngine(store, hand.runTask);
  const dispatch = async (...events: NewEvent[]) => {
    for (const event of events) store.dispatch(event);
    await settledPromises();
  };
  const synced = (revision: string) => ({
    target: { sync: "web" },
    revision,
    changed: ["web/src/a.js"],
    changedAt: 0,
  });
  const edit = (revision: string) => dispatch({ type: "sources.changed", changes: [synced(revision)] });
  const runAll = async () => {
    while (hand.calls.length > 0) await hand.calls[0]!.succeed();
  };
  await dispatch(
    { type: "service.up", service: "engine" },
    { type: "cluster.connected", cluster },
    {
      type: "sources.changed",
      changes: [imageChange("web", "r1"), synced("s1"), deployChange(overlay, "r1")],
    },
  );
  const ids = () => hand.calls.map(({ task }) => task.id).sort();
  const ref = () => {
    const output = store.getSnapshot().tasks["load:web"]?.success?.output;
    return output?.kind === "load" ? output.ref : "";
  };
  const containers = (...names: string[]) =>
    dispatch({ type: "containers.changed", containers: names.map((id) => container(id, ref())) });
  return { ...hand, store, dispatch, edit, runAll, ids, ref, containers };
}

/** The same with everything built, deployed, and one container in step. */
async function running() {
  const all = await rig();
  await all.runAll();
  await all.containers("c1");
  await all.runAll();
  all.started.length = 0;
  return all;
}

const startedIds = (tasks: readonly { readonly id: string }[]) => tasks.map(({ id }) => id);

describe("an image whose files are synced", () => {
  it("is built before its synced files are known to lie still, and deployed with the agent", async () => {
    const { ids, call, runAll, started } = await rig();
    expect(ids()).toEqual(["build:web", `render:${overlay}`]);
    expect(call("build:web").task.input).toMatchObject({ synced: "s1", basis: expect.any(String) });
    await runAll();
    const deploy = started.find(({ id }) => id === `deploy:${overlay}`);
    expect(deploy?.input).toMatchObject({ agents: { web: "process" } });
  });

  it("is not built for a change of these: its containers get it", async () => {
    const { edit, ids, call, started } = await running();
    await edit("s2");
    expect(ids()).toEqual(["sync:web"]);
    expect(call("sync:web").task.input).toMatchObject({ revision: "s2", containers: [{ id: "c1" }] });
    await call("sync:web").succeed();
    expect(startedIds(started)).toEqual(["sync:web"]);
  });

  it("is built for a change of others, and synced only then", async () => {
    const { dispatch, edit, ids, call, runAll, store } = await running();
    await dispatch({ type: "sources.changed", changes: [imageChange("web", "r2")] });
    await edit("s2");
    expect(ids()).toEqual(["build:web"]);
    expect(taskHold(store.getSnapshot(), "sync:web")).toEqual({ reason: "dependency", on: "build:web" });
    expect(call("build:web").task.input).toMatchObject({ synced: "s1" });
    await runAll();
    expect(ids()).toEqual([]);
  });

  it("brings a container that comes while the next image is built, or fails, what the others got last", async () => {
    const { dispatch, edit, call, containers, ids, store } = await running();
    await edit("s2");
    await call("sync:web").succeed();
    await dispatch({ type: "sources.changed", changes: [imageChange("web", "r2")] });
    await edit("s3");
    expect(ids()).toEqual(["build:web"]);
    await containers("c1", "c2");
    expect(
      awaitsSync(store.getSnapshot(), { id: "c2", image: store.getSnapshot().containers[0]!.image }),
    ).toBe(true);
    expect(call("sync:web").task.input).toMatchObject({ containers: [{ id: "c1" }, { id: "c2" }] });
    expect(call("sync:web").task.input).not.toHaveProperty("revision");
    await call("sync:web").succeed();
    expect(ids()).toEqual(["build:web"]);
    await call("build:web").fail(new Error("no luck"));
    // It had begun before s3.
    await call("build:web").fail(new Error("no luck"));
    expect(ids()).toEqual([]);
    await containers("c1", "c3");
    expect(ids()).toEqual(["sync:web"]);
    await call("sync:web").succeed();
    expect(ids()).toEqual([]);
  });

  it("goes on with a build that a change of these comes into, and syncs it after", async () => {
    const { edit, ids, call, runAll, containers } = await rig();
    await edit("s2");
    expect(ids()).toEqual(["build:web", `render:${overlay}`]);
    await runAll();
    await containers("c1");
    expect(call("sync:web").task.input).toMatchObject({ revision: "s2", fresh: false });
  });

  it("is built anew after a failed build when only these change", async () => {
    const { call, edit, ids } = await rig();
    await call("build:web").fail(new Error("src/a.js does not compile"));
    expect(ids()).toEqual([`render:${overlay}`]);
    await edit("s2");
    expect(ids()).toEqual(["build:web", `render:${overlay}`]);
    expect(call("build:web").task.input).toMatchObject({ synced: "s2" });
  });

  it("is built when a sync cannot be done, and not again for the same", async () => {
    const { edit, call, ids, runAll, containers, started } = await running();
    await edit("s2");
    const refused: SyncOutput = { kind: "sync", containers: [], rebuild: "/app is read-only" };
    await call("sync:web").succeed(refused);
    expect(ids()).toEqual(["build:web"]);
    // Later sessions find it by its basis, before the older ones: these would have to be built anew again.
    expect(call("build:web").task.input).toMatchObject({
      synced: "s2",
      basis: expect.any(String),
      anew: true,
    });
    await runAll();
    await containers("c2");
    expect(call("sync:web").task.input).toMatchObject({ fresh: true });
    await runAll();
    expect(startedIds(started).filter((id) => id === "build:web")).toHaveLength(1);
  });

  it("syncs a container that comes, and looks at one again whose connection was lost", async () => {
    const { containers, dispatch, ids, call, runAll, store, ref } = await running();
    await containers("c1", "c2");
    expect(ids()).toEqual(["sync:web"]);
    expect(awaitsSync(store.getSnapshot(), { id: "c2", image: ref() })).toBe(true);
    expect(awaitsSync(store.getSnapshot(), { id: "c1", image: ref() })).toBe(false);
    await call("sync:web").succeed();
    expect(awaitsSync(store.getSnapshot(), { id: "c2", image: ref() })).toBe(false);
    await dispatch({ type: "container.reconnected", container: "c1" });
    expect(ids()).toEqual(["sync:web"]);
    await runAll();
    // One that leaves is no work for the others.
    await containers("c2");
    await runAll();
    expect(store.getSnapshot().loops).toHaveLength(1);
  });

  it("leaves containers of other references alone: they are on their way out", async () => {
    const { dispatch, ids } = await running();
    await dispatch({ type: "containers.changed", containers: [container("old", "web:devloop-old")] });
    expect(ids()).toEqual([]);
  });

  it("is built when nothing of it runs that could take the change", async () => {
    const { dispatch, containers, edit, call, ids, runAll } = await running();
    await containers();
    await edit("s2");
    expect(ids()).toEqual([]);
    await runAll();
    const { kind, namespace, name } = { kind: "Deployment", namespace: "default", name: "web" };
    const id = `${kind}/${namespace}/${name}`;
    await dispatch({ type: "trigger.requested", deploy: overlay });
    await call(`render:${overlay}`).succeed();
    await call(`deploy:${overlay}`).succeed({
      kind: "deploy",
      created: 0,
      changed: 0,
      unchanged: 1,
      pruned: [],
      replaced: [],
      waiting: [],
      later: [],
      workloads: [{ id, kind, namespace, name, uid: "u", generation: 1, images: ["web"] }],
    });
    // Killed, say: it is started again, and gets its files then.
    const once = { reason: "Exited", message: "container web was killed" } as const;
    const killed = sampleHealth("web", { status: "failed", cause: once });
    await dispatch({ type: "workload.changed", id, health: killed });
    expect(ids()).toEqual([]);
    await dispatch({ type: "workload.changed", id, health: sampleHealth("web", { status: "failed" }) });
    expect(call("sync:web").task.input).toMatchObject({ containers: [], fresh: false });
  });

  it("keeps a loop from ending well while a process that was started anew has crashed", async () => {
    const { edit, call, dispatch, store } = await running();
    await edit("s2");
    const process = { image: "web", pod: "pod-c1", container: "web", exitCode: 1 };
    await dispatch({ type: "process.crashed", container: "c1", process });
    await call("sync:web").succeed();
    expect(store.getSnapshot().loops.at(-1)).toMatchObject({ outcome: "failed" });
    await dispatch({ type: "process.running", container: "c1" });
    expect(store.getSnapshot().loops.at(-1)).toMatchObject({ outcome: "ready" });
  });
});
