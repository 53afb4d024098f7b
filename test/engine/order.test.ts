import { describe, expect, it } from "vitest";
import { startEngine } from "../../src/engine/engine.js";
import type { NewEvent } from "../../src/engine/event.js";
import type { WorkloadHealth } from "../../src/engine/state.js";
import type { AppliedWorkload, DeployOutput } from "../../src/engine/task.js";
import { initialState } from "../../src/engine/reduce.js";
import { createStore } from "../../src/engine/store.js";
import { deployChange, sampleProject } from "../fakes/project.js";
import { defaultOutput, handDriven, settledPromises } from "../fakes/run-task.js";
import { sampleHealth } from "../fakes/state.js";
import { cluster } from "./engine.test.js";

const overlay = "overlays/dev";
const deployId = `deploy:${overlay}` as const;
const order = { web: { migrate: "completed", db: "started" }, migrate: { db: "ready" } } as const;

function workload(name: string, generation = 1): AppliedWorkload {
  const kind = name === "migrate" ? "Job" : "Deployment";
  return {
    id: `${kind}/default/${name}`,
    kind,
    namespace: "default",
    name,
    uid: name,
    generation,
    images: [],
  };
}

/** A running engine over a project without images, whose deploys the test answers. */
async function rig() {
  const project = sampleProject({ images: [], order });
  const store = createStore(initialState(project, 0), { now: () => 0 });
  const hand = handDriven();
  startEngine(store, hand.runTask);
  const dispatch = async (...events: NewEvent[]) => {
    for (const event of events) store.dispatch(event);
    await settledPromises();
  };
  const render = async (revision: string) => {
    await dispatch({ type: "sources.changed", changes: [deployChange(overlay, revision)] });
    await hand.call(`render:${overlay}`).succeed();
  };
  /** What the running deploy holds back. */
  const held = () => {
    const { input } = hand.call(deployId).task;
    return input.kind === "deploy" ? input.later : {};
  };
  /** Whether what it waited for has only just got so far: it goes a moment later then. */
  const freed = () => {
    const { input } = hand.call(deployId).task;
    return input.kind === "deploy" && input.freed;
  };
  const succeed = async (...workloads: AppliedWorkload[]) => {
    const call = hand.call(deployId);
    const later = Object.entries(held()).map(([name, until]) => ({ title: `X/${name}`, name, until }));
    await call.succeed({ ...(defaultOutput(call.task) as DeployOutput), later, workloads });
  };
  const health = (of: AppliedWorkload, status: WorkloadHealth["status"], pods = "Running") =>
    dispatch({
      type: "workload.changed",
      id: of.id,
      health: sampleHealth(of.name, {
        status,
        generation: of.generation,
        pods: sampleHealth(of.name).pods.map((pod) => ({ ...pod, phase: pods })),
      }),
    });
  const finish = async () => {
    while (hand.calls.length > 0) await hand.calls[0]!.succeed();
  };
  await dispatch({ type: "service.up", service: "engine" }, { type: "cluster.connected", cluster });
  await render("r1");
  return { ...hand, store, dispatch, render, held, freed, succeed, health, finish };
}

const deploying = (calls: readonly { readonly task: { readonly id: string } }[]) =>
  calls.some(({ task }) => task.id === deployId);

describe("the order of workloads", () => {
  it("applies each once what it waits for is so far", async () => {
    const { calls, held, freed, succeed, health, store, finish } = await rig();
    const [db, migrate, web] = [workload("db"), workload("migrate"), workload("web")];
    expect(held()).toEqual({ web: "migrate has completed", migrate: "db is ready" });
    expect(freed()).toBe(false);
    await succeed(db);
    expect(deploying(calls)).toBe(false);
    await health(db, "progressing");
    expect(deploying(calls)).toBe(false);
    expect(store.getSnapshot().loops.at(-1)?.outcome).toBeUndefined();
    await health(db, "ready");
    expect(held()).toEqual({ web: "migrate has completed" });
    expect(freed()).toBe(true);
    await succeed(db, migrate);
    await health(migrate, "progressing");
    expect(deploying(calls)).toBe(false);
    await health(migrate, "ready");
    expect(held()).toEqual({});
    await succeed(db, migrate, web);
    await finish();
    await health(web, "ready");
    expect(store.getSnapshot().loops.at(-1)?.outcome).toBe("ready");
  });

  it("holds back again after a change, and keeps what ran before in sight", async () => {
    const { held, succeed, health, render, store } = await rig();
    const [db, migrate, web] = [workload("db"), workload("migrate"), workload("web")];
    await succeed(db);
    await health(db, "ready");
    await succeed(db, migrate);
    await health(migrate, "ready");
    await succeed(db, migrate, web);
    await health(web, "ready");
    await render("r2");
    expect(held()).toEqual({ web: "migrate has completed", migrate: "db is ready" });
    await succeed(workload("db", 2));
    expect(Object.keys(store.getSnapshot().workloads).sort()).toEqual([db.id, web.id, migrate.id].sort());
    await health(db, "ready");
    // Ready as it was before the change does not count.
    expect(store.getSnapshot().tasks[deployId]?.running).toBeUndefined();
    await health(workload("db", 2), "ready");
    expect(held()).toEqual({});
  });

  it("lets what only needs a start go on with the first pod that runs", async () => {
    const { held, succeed, health } = await rig();
    const db = workload("db");
    await succeed(db);
    await health(db, "ready");
    await succeed(db, workload("migrate"));
    await health(workload("migrate"), "ready");
    expect(held()).toEqual({});
  });

  it("ends a loop as failed when what is waited for fails, and says what no manifest has", async () => {
    const { succeed, health, store, finish } = await rig();
    const db = workload("db");
    await succeed(db);
    await finish();
    await health(db, "failed");
    expect(store.getSnapshot().loops.at(-1)?.outcome).toBe("failed");
  });
});
