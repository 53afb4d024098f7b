import { describe, expect, it } from "vitest";
import { startEngine } from "../../src/engine/engine.js";
import type { NewEvent } from "../../src/engine/event.js";
import type { SyncSpec } from "../../src/engine/project.js";
import { taskHold } from "../../src/engine/plan.js";
import { initialState } from "../../src/engine/reduce.js";
import { createStore } from "../../src/engine/store.js";
import { deployChange, imageChange, imageSpec, kustomizeDeploy, sampleProject } from "../fakes/project.js";
import { handDriven, settledPromises } from "../fakes/run-task.js";
import { cluster } from "./engine.test.js";

const rules: SyncSpec = {
  kind: "rules",
  rebuild: [],
  rules: [{ src: "src", dest: "/app/src", ignore: [], then: { kind: "nothing" } }],
};
const project = sampleProject({
  images: [imageSpec("web", { sync: rules }), imageSpec("api")],
  deploys: [kustomizeDeploy("overlays/dev")],
});

const synced = (revision: string) => ({
  target: { sync: "web" },
  revision,
  changed: ["web/src/a.js"],
  changedAt: 0,
});

/** An engine whose work the test does, with everything built and deployed unless `initial` says what of the files is known. */
async function rig({ focus = [] }: { readonly focus?: readonly string[] } = {}) {
  const store = createStore(initialState(project, 0), { now: () => 0 });
  const hand = handDriven();
  startEngine(store, hand.runTask);
  const dispatch = async (...events: NewEvent[]) => {
    for (const event of events) store.dispatch(event);
    await settledPromises();
  };
  const runAll = async () => {
    while (hand.calls.length > 0) await hand.calls[0]!.succeed();
  };
  if (focus.length > 0) await dispatch({ type: "focus.changed", images: focus });
  await dispatch(
    { type: "service.up", service: "engine" },
    { type: "cluster.connected", cluster },
    {
      type: "sources.changed",
      changes: [
        imageChange("web", "r1"),
        imageChange("api", "r1"),
        synced("s1"),
        deployChange("overlays/dev", "r1"),
      ],
    },
  );
  await runAll();
  const output = store.getSnapshot().tasks["load:web"]?.success?.output;
  const container = {
    id: "c1",
    namespace: "default",
    pod: "web-1",
    podUid: "u",
    container: "web",
    image: output?.kind === "load" ? output.ref : "",
  };
  await dispatch({ type: "containers.changed", containers: [container] });
  await runAll();
  const ran = hand.started.map(({ id }) => id);
  hand.started.length = 0;
  const edit = (image: string, revision: string) =>
    dispatch({ type: "sources.changed", changes: [imageChange(image, revision)] });
  const startedIds = () => hand.started.map(({ id }) => id);
  return { ...hand, store, dispatch, runAll, edit, startedIds, ran, synced };
}

describe("focus", () => {
  it("lets only its images follow edits; the others wait, and are no reason not to be ready", async () => {
    const { dispatch, edit, runAll, startedIds, store } = await rig();
    await dispatch({ type: "focus.changed", images: ["api"] });
    await edit("web", "r2");
    await runAll();
    expect(startedIds()).toEqual([]);
    expect(taskHold(store.getSnapshot(), "build:web")).toEqual({ reason: "unfocused" });
    await edit("api", "r2");
    await runAll();
    expect(startedIds()).toEqual(["build:api", "load:api", "deploy:overlays/dev"]);
    expect(store.getSnapshot().loops.at(-1)?.outcome).toBe("ready");
  });

  it("brings what waited once it is over", async () => {
    const { dispatch, edit, runAll, startedIds } = await rig();
    await dispatch({ type: "focus.changed", images: ["api"] });
    await edit("web", "r2");
    await dispatch({ type: "focus.changed", images: [] });
    await runAll();
    expect(startedIds()).toContain("build:web");
  });

  it("stops no build that runs, and starts none that was never asked for", async () => {
    const { ran, store } = await rig({ focus: ["api"] });
    expect(ran).not.toContain("build:web");
    expect(ran).toContain("deploy:overlays/dev");
    expect(store.getSnapshot().loops.at(-1)?.outcome).toBe("ready");
  });

  it("leaves out what is no image of the project", async () => {
    const { dispatch, store } = await rig();
    await dispatch({ type: "focus.changed", images: ["api", "gone"] });
    expect(store.getSnapshot().focus).toEqual(["api"]);
    await dispatch({
      type: "config.loaded",
      project: { ...project, images: project.images.slice(0, 1) },
      files: [],
    });
    expect(store.getSnapshot().focus).toEqual([]);
  });
});

describe("sync that is switched off", () => {
  it("lets edits of synced files wait, and brings them when it is on again", async () => {
    const { dispatch, runAll, startedIds, store, synced: change } = await rig();
    await dispatch({ type: "sync.switched", on: false, image: "web" });
    await dispatch({ type: "sources.changed", changes: [change("s2")] });
    expect(startedIds()).toEqual([]);
    expect(taskHold(store.getSnapshot(), "sync:web")).toEqual({ reason: "sync-off" });
    expect(store.getSnapshot().loops.at(-1)?.outcome).toBe("ready");
    await dispatch({ type: "sync.switched", on: true });
    await runAll();
    expect(startedIds()).toEqual(["sync:web"]);
  });

  it("still builds what needs an image", async () => {
    const { dispatch, edit, runAll, startedIds } = await rig();
    await dispatch({ type: "sync.switched", on: false });
    await edit("web", "r2");
    await runAll();
    expect(startedIds()).toEqual(["build:web", "load:web", "deploy:overlays/dev"]);
  });
});
