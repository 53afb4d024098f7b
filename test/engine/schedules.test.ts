import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { startEngine } from "../../src/engine/engine.js";
import type { NewEvent } from "../../src/engine/event.js";
import type { TaskId } from "../../src/engine/task.js";
import { plan } from "../../src/engine/plan.js";
import { initialState, reduce } from "../../src/engine/reduce.js";
import { createStore } from "../../src/engine/store.js";
import { DevloopError } from "../../src/lib/errors.js";
import { deployChange, imageChange, imageSpec, kustomizeDeploy, sampleProject } from "../fakes/project.js";
import { handDriven, settledPromises } from "../fakes/run-task.js";

const images = ["base", "web", "api"];
const deploys = ["overlays/dev", "extra"];
const project = sampleProject({
  images: images.map((name) => imageSpec(name)),
  deploys: deploys.map((path) => kustomizeDeploy(path)),
  maxBuilds: 2,
});

/** One step of a random session. `pick` chooses among what runs at that moment. */
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant("edit" as const), target: fc.nat(4), same: fc.boolean() }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("succeed" as const), pick: fc.nat(9) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("fail" as const), pick: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("lose" as const), pick: fc.nat(9) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constantFrom("pause" as const, "resume" as const, "recover" as const) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("trigger" as const), target: fc.nat(2) }) },
);

describe("over any schedule of edits, failures and cancellations", () => {
  it("no edit is lost, nothing runs twice on one key or beside itself, and the loop comes to rest", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const store = createStore(initialState(project, 0), { now: () => 0 });
        const hand = handDriven();
        const revisions = new Map<string, number>();
        const attempts = new Map<TaskId, { key: string; ended?: "done" | "cancelled" | "lost" }[]>();
        const log: NewEvent[] = [];
        store.subscribe((event) => {
          log.push(event);
          if (event.type === "task.started") {
            const before = attempts.get(event.task.id) ?? [];
            expect(before.every((attempt) => attempt.ended)).toBe(true);
            const previous = before.at(-1);
            if (previous?.ended === "done") expect(event.task.key).not.toBe(previous.key);
            attempts.set(event.task.id, [...before, { key: event.task.key }]);
          }
          if (
            event.type === "task.succeeded" ||
            event.type === "task.failed" ||
            event.type === "task.cancelled"
          ) {
            const lost = event.type === "task.failed" && event.failure.code.endsWith("_UNREACHABLE");
            attempts.get(event.id)!.at(-1)!.ended =
              event.type === "task.cancelled" ? "cancelled" : lost ? "lost" : "done";
          }
        });
        startEngine(store, hand.runTask);
        const dispatch = async (event: NewEvent) => {
          store.dispatch(event);
          await settledPromises();
        };
        const edit = async (target: number, same: boolean) => {
          const name = [...images, ...deploys][target]!;
          const revision = (revisions.get(name) ?? 0) + (same ? 0 : 1);
          revisions.set(name, revision);
          const bases = name === "web" ? ["base"] : [];
          const change = images.includes(name)
            ? imageChange(name, `r${revision};`, bases)
            : deployChange(name, `r${revision};`);
          await dispatch({ type: "sources.changed", changes: [change] });
        };
        const recover = async () => {
          await dispatch({ type: "service.up", service: "engine" });
          await dispatch({ type: "service.up", service: "cluster" });
        };
        const finish = async (how: "succeed" | "fail" | "lose", pick: number) => {
          const call = hand.calls[pick % Math.max(1, hand.calls.length)];
          if (!call) return;
          if (call.context.signal.aborted) await call.obeyAbort();
          else if (how === "succeed") await call.succeed();
          else if (how === "fail") await call.fail(new DevloopError("BUILD_FAILED", "no"));
          else {
            const engine = call.task.input.kind === "build";
            await call.fail(new DevloopError(engine ? "ENGINE_UNREACHABLE" : "CLUSTER_UNREACHABLE", "gone"));
          }
        };

        await recover();
        await dispatch({
          type: "cluster.connected",
          cluster: {
            provider: "kind",
            context: "c",
            name: "n",
            namespace: "d",
            uid: "u",
            nodes: ["n"],
            platform: "p",
          },
        });
        for (let target = 0; target < 5; target += 1) await edit(target, false);
        for (const each of steps) {
          if (each.do === "edit") await edit(each.target, each.same);
          else if (each.do === "trigger")
            await dispatch({ type: "trigger.requested", image: images[each.target]! });
          else if (each.do === "pause") await dispatch({ type: "loop.paused" });
          else if (each.do === "resume") await dispatch({ type: "loop.resumed" });
          else if (each.do === "recover") await recover();
          else if ("pick" in each) await finish(each.do, each.pick);
          expect(new Set(hand.calls.map((call) => call.task.id)).size).toBe(hand.calls.length);
          expect(hand.calls.filter((call) => call.task.input.kind === "build").length).toBeLessThanOrEqual(2);
        }
        await dispatch({ type: "loop.resumed" });
        await recover();
        for (let turns = 0; hand.calls.length > 0; turns += 1) {
          expect(turns).toBeLessThan(200);
          await finish("succeed", 0);
        }

        const state = store.getSnapshot();
        expect(plan(state).start).toEqual([]);
        for (const name of images) {
          const wanted = `r${revisions.get(name)!};`;
          const base = state.tasks["build:base"]?.success;
          if (name !== "web" || base) expect(state.tasks[`build:${name}`]!.last!.key).toContain(wanted);
        }
        for (const name of deploys) {
          expect(state.tasks[`render:${name}`]!.last!.key).toContain(`r${revisions.get(name)!};`);
        }
        // What was applied last is the newest of everything that succeeded.
        for (const name of deploys) {
          const deployed = state.tasks[`deploy:${name}`]?.last;
          const render = state.tasks[`render:${name}`]?.last;
          if (render?.status !== "succeeded" || !deployed) continue;
          for (const image of images) {
            const load = state.tasks[`load:${image}`]?.success?.output;
            if (load?.kind === "load") expect(deployed.key).toContain(load.ref);
          }
        }
        // Every observer that reduces the same events holds the same state.
        expect(log.reduce((so, event) => reduce(so, event as never), initialState(project, 0))).toEqual(
          state,
        );
      }),
      { numRuns: 400 },
    );
  });
});
