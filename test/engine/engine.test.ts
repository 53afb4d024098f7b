import { describe, expect, it } from "vitest";
import { startEngine } from "../../src/engine/engine.js";
import type { NewEvent } from "../../src/engine/event.js";
import type { Project } from "../../src/engine/project.js";
import type { ClusterState, WorkloadHealth } from "../../src/engine/state.js";
import { plan, taskHold } from "../../src/engine/plan.js";
import { initialState } from "../../src/engine/reduce.js";
import { createStore } from "../../src/engine/store.js";
import { DevloopError } from "../../src/lib/errors.js";
import { deployChange, imageChange, imageSpec, kustomizeDeploy, sampleProject } from "../fakes/project.js";
import { handDriven, settledPromises } from "../fakes/run-task.js";

export const cluster: ClusterState = {
  provider: "kind",
  context: "kind-test",
  name: "test",
  namespace: "default",
  uid: "uid",
  nodes: ["node"],
  platform: "linux/amd64",
};

const overlay = "overlays/dev";

/** A running engine over a project, its work done by the test. */
function rig(project: Project = sampleProject()) {
  const clock = { ms: 0 };
  const store = createStore(initialState(project, 0), { now: () => clock.ms });
  const hand = handDriven();
  const events: NewEvent[] = [];
  store.subscribe((event) => events.push(event));
  const engine = startEngine(store, hand.runTask);
  const dispatch = async (event: NewEvent) => {
    store.dispatch(event);
    await settledPromises();
  };
  /** Engine, cluster and every file are there. */
  const begin = async () => {
    await dispatch({ type: "service.up", service: "engine" });
    await dispatch({ type: "cluster.connected", cluster });
    await dispatch({
      type: "sources.changed",
      changes: [
        ...project.images.map((image) => imageChange(image.name, "r1")),
        ...project.deploys.map((deploy) => deployChange(deploy.id, "r1")),
      ],
    });
  };
  /** Lets everything that runs succeed until nothing runs. */
  const runAll = async () => {
    while (hand.calls.length > 0) await hand.calls[0]!.succeed();
  };
  return {
    clock,
    store,
    engine,
    events,
    dispatch,
    begin,
    runAll,
    ...hand,
    hold: (id: `build:${string}`) => taskHold(store.getSnapshot(), id),
  };
}

const ids = (tasks: readonly { readonly task: { readonly id: string } }[]) =>
  tasks.map(({ task }) => task.id).sort();

describe("the loop", () => {
  it("builds every image and renders at once, then loads, then deploys, then rests", async () => {
    const { begin, calls, call, started, runAll, store } = rig();
    await begin();
    expect(ids(calls)).toEqual(["build:api", "build:web", `render:${overlay}`]);
    await call("build:web").succeed();
    expect(ids(calls)).toEqual(["build:api", `render:${overlay}`]);
    await call(`render:${overlay}`).succeed();
    expect(ids(calls)).toEqual(["build:api", "load:web"]);
    await call("load:web").succeed();
    await call("build:api").succeed();
    await call("load:api").succeed();
    expect(ids(calls)).toEqual([`deploy:${overlay}`]);
    expect(call(`deploy:${overlay}`).task.input).toMatchObject({
      refs: { web: expect.stringContaining("web:") },
    });
    await runAll();
    expect(started.map((task) => task.id)).toContain("prune:removed");
    expect(plan(store.getSnapshot())).toMatchObject({ start: [], cancel: [] });
    expect(store.getSnapshot().loops.at(-1)).toMatchObject({ outcome: "ready" });
  });

  it("tells how long a save took until each resource that it touched was done", async () => {
    const { clock, begin, dispatch, call, runAll, store } = rig();
    await begin();
    await runAll();
    clock.ms = 1000;
    await dispatch({
      type: "sources.changed",
      changes: [{ ...imageChange("web", "r2"), changedAt: 990 }],
    });
    clock.ms = 1300;
    await call("build:web").succeed();
    clock.ms = 1500;
    await call("load:web").succeed();
    clock.ms = 1700;
    await runAll();
    expect(store.getSnapshot().loops.at(-1)).toMatchObject({ number: 2, outcome: "ready", startedAt: 990 });
    expect(store.getSnapshot().loops.at(-1)?.took).toEqual({ "image:web": 510, [`deploy:${overlay}`]: 710 });
  });

  it("an edit while its image is building aborts that build, keeps the other, and builds once more", async () => {
    const { begin, dispatch, call, calls, started } = rig();
    await begin();
    const first = call("build:web");
    await dispatch({ type: "sources.changed", changes: [imageChange("web", "r2")] });
    expect(first.context.signal.aborted).toBe(true);
    expect(call("build:api").context.signal.aborted).toBe(false);
    expect(started.filter((task) => task.id === "build:web")).toHaveLength(1);
    await first.obeyAbort();
    expect(ids(calls)).toContain("build:web");
    expect(call("build:web").task.key).toContain("r2");
    expect(started.filter((task) => task.id === "build:api")).toHaveLength(1);
  });

  it("drops the outcome of a build that ended although it was aborted", async () => {
    const { begin, dispatch, call, store } = rig();
    await begin();
    const first = call("build:web");
    await dispatch({ type: "sources.changed", changes: [imageChange("web", "r2")] });
    await first.succeed();
    expect(store.getSnapshot().tasks["build:web"]?.success).toBeUndefined();
    expect(call("build:web").task.key).toContain("r2");
  });

  it("a load is not interrupted: it ends, and runs again for the newer image", async () => {
    const { begin, dispatch, call } = rig();
    await begin();
    await call(`render:${overlay}`).succeed();
    await call("build:web").succeed();
    const load = call("load:web");
    await dispatch({ type: "sources.changed", changes: [imageChange("web", "r2")] });
    await call("build:web").succeed();
    expect(load.context.signal.aborted).toBe(false);
    await load.succeed();
    expect(call("load:web").task.key).toContain("r2");
  });

  it("a rebuild that gives the same image neither loads nor deploys", async () => {
    const { begin, dispatch, call, runAll, started } = rig();
    await begin();
    await runAll();
    const before = started.length;
    await dispatch({ type: "sources.changed", changes: [imageChange("web", "r2")] });
    await call("build:web").succeed({ ref: "web:spec-web|r1|0", imageId: "sha256:spec-web|r1|0" });
    expect(started.slice(before).map((task) => task.id)).toEqual(["build:web"]);
  });

  it("a change of the overlay only renders and applies", async () => {
    const { begin, dispatch, runAll, started } = rig();
    await begin();
    await runAll();
    const before = started.length;
    await dispatch({ type: "sources.changed", changes: [deployChange(overlay, "r2")] });
    await runAll();
    expect(started.slice(before).map((task) => task.id)).toEqual([`render:${overlay}`, `deploy:${overlay}`]);
  });

  it("equal content starts nothing", async () => {
    const { begin, dispatch, runAll, started } = rig();
    await begin();
    await runAll();
    const before = started.length;
    await dispatch({
      type: "sources.changed",
      changes: [imageChange("web", "r1"), deployChange(overlay, "r1")],
    });
    expect(started).toHaveLength(before);
  });

  it("a failed build waits for the next edit, and does not keep the other image back", async () => {
    const { begin, dispatch, call, calls, started, runAll } = rig();
    await begin();
    await runAll();
    await dispatch({
      type: "sources.changed",
      changes: [imageChange("web", "r2"), imageChange("api", "r2")],
    });
    await call("build:web").fail(new DevloopError("BUILD_FAILED", "web: step failed"));
    expect(ids(calls)).toEqual(["build:api"]);
    await call("build:api").succeed();
    await call("load:api").succeed();
    const { input } = call(`deploy:${overlay}`).task;
    expect(input).toMatchObject({
      refs: { api: expect.stringContaining("r2"), web: expect.stringContaining("r1") },
    });
    await runAll();
    const before = started.length;
    await dispatch({ type: "sources.changed", changes: [imageChange("web", "r3")] });
    await runAll();
    expect(started.slice(before).map((task) => task.id)).toEqual([
      "build:web",
      "load:web",
      `deploy:${overlay}`,
    ]);
  });

  it("a first build that fails leaves its own objects out of the deploy", async () => {
    const { begin, call, runAll } = rig();
    await begin();
    await call(`render:${overlay}`).succeed();
    await call("build:web").fail(new DevloopError("BUILD_FAILED", "web: step failed"));
    await call("build:api").succeed();
    await call("load:api").succeed();
    expect(Object.keys((call(`deploy:${overlay}`).task.input as { refs: object }).refs)).toEqual(["api"]);
    await runAll();
  });

  it("new manifests wait for an image on its way; an image alone does not wait for the other", async () => {
    const { begin, dispatch, call, calls, runAll } = rig();
    await begin();
    await runAll();
    await dispatch({
      type: "sources.changed",
      changes: [imageChange("web", "r2"), imageChange("api", "r2")],
    });
    await call("build:api").succeed();
    await call("load:api").succeed();
    expect(ids(calls)).toEqual(["build:web", `deploy:${overlay}`]);
    await call(`deploy:${overlay}`).succeed();
    await dispatch({ type: "sources.changed", changes: [deployChange(overlay, "r2")] });
    await call(`render:${overlay}`).succeed();
    expect(ids(calls)).toEqual(["build:web"]);
    await runAll();
  });

  it("images that build on another image of the project are ordered by it and rebuilt with it", async () => {
    const project = sampleProject({ images: [imageSpec("web"), imageSpec("base")] });
    const { begin, dispatch, call, calls, hold, runAll, started } = rig(project);
    await dispatch({ type: "sources.changed", changes: [imageChange("web", "r1", ["base"])] });
    await begin();
    expect(ids(calls)).toEqual(["build:base", `render:${overlay}`]);
    expect(hold("build:web")).toEqual({ reason: "dependency", on: "build:base" });
    await call("build:base").succeed();
    expect(call("build:web").task.input).toMatchObject({ bases: { base: expect.stringContaining("base:") } });
    await runAll();
    const before = started.length;
    await dispatch({ type: "sources.changed", changes: [imageChange("base", "r2")] });
    await call("build:base").succeed();
    await runAll();
    expect(started.slice(before).map((task) => task.id)).toEqual(
      expect.arrayContaining(["build:base", "build:web", "load:web", `deploy:${overlay}`]),
    );
  });

  it("an image that only others build on is not loaded", async () => {
    const project = sampleProject({ images: [imageSpec("web"), imageSpec("base")] });
    const { begin, dispatch, call, runAll, started } = rig(project);
    await dispatch({ type: "sources.changed", changes: [imageChange("web", "r1", ["base"])] });
    await begin();
    await call(`render:${overlay}`).succeed({ kind: "render", images: ["web"], names: ["web"] });
    await runAll();
    expect(started.map((task) => task.id)).not.toContain("load:base");
  });

  it("an image that no manifest names fails its load, with the names that stand there", async () => {
    const { begin, call } = rig();
    await begin();
    await call("build:web").succeed();
    await call("build:api").succeed();
    await call(`render:${overlay}`).succeed({ kind: "render", images: ["api"], names: ["api", "wep"] });
    expect(call("load:web").task.input).toMatchObject({ unusedAmong: ["api", "wep"] });
  });

  it("runs as many builds as allowed and says what the others wait for", async () => {
    const { begin, call, calls, hold } = rig(sampleProject({ maxBuilds: 1 }));
    await begin();
    expect(ids(calls)).toEqual(["build:web", `render:${overlay}`]);
    expect(hold("build:api")).toEqual({ reason: "slot", limit: 1 });
    await call("build:web").succeed();
    expect(ids(calls)).toContain("build:api");
  });

  it("holds everything back while paused, and goes on where it was", async () => {
    const { begin, dispatch, runAll, calls, hold } = rig();
    await begin();
    await runAll();
    await dispatch({ type: "loop.paused" });
    await dispatch({ type: "sources.changed", changes: [imageChange("web", "r2")] });
    expect(calls).toEqual([]);
    expect(hold("build:web")).toEqual({ reason: "paused" });
    await dispatch({ type: "loop.resumed" });
    expect(ids(calls)).toEqual(["build:web"]);
  });

  it("a rebuild that is asked for runs again on the same files", async () => {
    const { begin, dispatch, runAll, calls } = rig();
    await begin();
    await runAll();
    await dispatch({ type: "trigger.requested", image: "web" });
    expect(ids(calls)).toEqual(["build:web"]);
  });

  it("a task that lost the container engine runs again when it answers, others likewise", async () => {
    const { begin, dispatch, call, calls, hold } = rig();
    await begin();
    await call("build:web").fail(new DevloopError("ENGINE_UNREACHABLE", "gone"));
    expect(hold("build:web")).toEqual({ reason: "unreachable", service: "engine" });
    expect(ids(calls)).toEqual(["build:api", `render:${overlay}`]);
    await dispatch({ type: "service.up", service: "engine" });
    expect(ids(calls)).toContain("build:web");
  });

  it("what is tried again by itself belongs to the loop that it failed in", async () => {
    const { store, begin, runAll, call, dispatch, events } = rig();
    await begin();
    await call("build:web").succeed();
    await call("build:api").succeed();
    await call("render:overlays/dev").succeed();
    const failed = new DevloopError("NODE_UNREACHABLE", "node is paused");
    await call("load:web").fail(failed);
    await call("load:api").succeed();
    for (let tries = 0; tries < 3; tries += 1) {
      await dispatch({ type: "task.due", id: "load:web" });
      await call("load:web").fail(failed);
    }
    expect(store.getSnapshot().loops).toHaveLength(1);
    await dispatch({ type: "task.due", id: "load:web" });
    await runAll();
    expect(store.getSnapshot().tasks["load:web"]).not.toHaveProperty("retrying");
    expect(events.filter(({ type }) => type === "task.failed")).toHaveLength(4);
  });

  it("a bug in a task fails that task with code INTERNAL, and the loop goes on", async () => {
    const { begin, call, store, calls } = rig();
    await begin();
    await call("build:web").fail(new TypeError("undefined is not a function"));
    expect(store.getSnapshot().tasks["build:web"]?.last).toMatchObject({
      status: "failed",
      failure: { code: "INTERNAL" },
    });
    expect(ids(calls)).toContain("build:api");
  });

  it("an image that leaves the config has its build aborted and is forgotten", async () => {
    const { begin, dispatch, call, store } = rig();
    await begin();
    const build = call("build:api");
    await dispatch({
      type: "config.loaded",
      files: [],
      project: sampleProject({ images: [imageSpec("web")] }),
    });
    expect(build.context.signal.aborted).toBe(true);
    await build.obeyAbort();
    expect(Object.keys(store.getSnapshot().tasks)).not.toContain("build:api");
  });

  it("a config edit of one image rebuilds that image alone", async () => {
    const { begin, dispatch, runAll, calls } = rig();
    await begin();
    await runAll();
    const images = [imageSpec("web", { specHash: "other", labels: { a: "1" } }), imageSpec("api")];
    await dispatch({ type: "config.loaded", files: [], project: sampleProject({ images }) });
    expect(ids(calls)).toEqual(["build:web"]);
  });

  it("an edit of what decides an image's bases waits for what is read of them", async () => {
    const { begin, runAll, dispatch, started } = rig();
    await begin();
    await runAll();
    const before = started.length;
    const web = imageSpec("web", { target: "other", specHash: "spec-web-2" });
    await dispatch({
      type: "config.loaded",
      project: sampleProject({ images: [web, imageSpec("api")] }),
      files: [],
    });
    expect(started.slice(before)).toEqual([]);
    await dispatch({ type: "sources.changed", changes: [imageChange("web", "r1", ["api"])] });
    await runAll();
    const build = started.slice(before).find(({ id }) => id === "build:web");
    expect(build?.input).toMatchObject({ bases: { api: expect.any(String) as string } });
  });

  it("a deploy that leaves the config is pruned once the others have been applied", async () => {
    const two = sampleProject({ deploys: [kustomizeDeploy(overlay), kustomizeDeploy("extra")] });
    const { begin, dispatch, runAll, started } = rig(two);
    await begin();
    await runAll();
    const before = started.length;
    await dispatch({ type: "config.loaded", files: [], project: sampleProject() });
    await runAll();
    expect(started.slice(before).map((task) => task.input)).toEqual([{ kind: "prune", keep: [overlay] }]);
  });

  it("the loop is ready only when each workload is, in the generation that was applied", async () => {
    const { begin, dispatch, call, runAll, store } = rig();
    await begin();
    const id = "Deployment/default/web";
    const workload = {
      id,
      kind: "Deployment",
      namespace: "default",
      name: "web",
      uid: "u",
      generation: 2,
      images: ["web"],
    };
    while (!store.getSnapshot().tasks[`deploy:${overlay}`]?.running) await firstCall().succeed();
    await call(`deploy:${overlay}`).succeed({
      kind: "deploy",
      workloads: [workload],
    });
    await runAll();
    const last = () => store.getSnapshot().loops.at(-1);
    await dispatch({ type: "workload.changed", id, health: health("ready", 1) });
    expect(last()?.outcome).toBeUndefined();
    await dispatch({ type: "workload.changed", id, health: health("ready", 2) });
    expect(last()?.outcome).toBe("ready");
    function firstCall() {
      return store.getSnapshot().tasks["build:web"]?.running ? call("build:web") : anyCall();
    }
    function anyCall() {
      const running = Object.values(store.getSnapshot().tasks).find((task) => task.running);
      return call(running!.id);
    }
  });

  it("stopping aborts builds, lets short tasks end, and starts nothing more", async () => {
    const { begin, call, calls, engine, started } = rig();
    await begin();
    const stopped = engine.stop();
    await settledPromises();
    expect(call("build:web").context.signal.aborted).toBe(true);
    expect(call(`render:${overlay}`).context.signal.aborted).toBe(false);
    const before = started.length;
    await call("build:web").obeyAbort();
    await call("build:api").obeyAbort();
    await call(`render:${overlay}`).succeed();
    await stopped;
    expect(calls).toEqual([]);
    expect(started).toHaveLength(before);
  });
});

function health(status: WorkloadHealth["status"], generation: number): WorkloadHealth {
  return { status, generation, ready: 1, desired: 1, restarts: 0, message: "", pods: [], createdAt: 0 };
}
