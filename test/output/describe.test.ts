import { describe, expect, it } from "vitest";
import type { Event } from "../../src/engine/event.js";
import type { State } from "../../src/engine/state.js";
import { describeEvent, describeLoopEnd } from "../../src/output/describe.js";
import {
  sampleBuild,
  sampleDeploy,
  sampleHealth,
  sampleProject,
  sampleState,
  sampleTask,
  sampleTime,
  sampleWorkload,
  tasks,
} from "../fakes/state.js";
import { sampleEvents } from "./sample-events.js";

const id = "build:monitor-agent";

function lines(
  event: Event,
  { state = sampleState(), before = sampleState() }: { state?: State; before?: State } = {},
) {
  const description = describeEvent(event, state, before);
  return (
    description && [`${description.label}: ${description.lines[0] ?? ""}`, ...description.lines.slice(1)]
  );
}

/** The state while the build of monitor-agent has run since 1.9 s before the sample events. */
function building(status: "running" | "cancelling" = "running"): State {
  const task = sampleTask(id, { ...sampleBuild("monitor-agent"), imageId: "sha256:before" });
  const running = { status, key: "k2", attempt: 2, startedAt: sampleTime + 3100 } as const;
  return sampleState({ tasks: tasks({ ...task, running }) });
}

describe("describeEvent", () => {
  it("says what was edited when it builds again", () => {
    expect(lines(sampleEvents["task.started"])).toEqual(["monitor-agent: building"]);
    const spec = sampleProject.images[0]!;
    const source = { revision: "r2", changed: ["src/a.js", "src/b.js"], changedAt: sampleTime + 4000 };
    const state = sampleState({
      images: { "monitor-agent": { spec, source, bases: [], triggers: 0, rebuilds: 0 } },
    });
    expect(lines(sampleEvents["task.started"], { state })).toEqual([
      "monitor-agent: building (src/a.js and 1 more changed)",
    ]);
  });

  it("says how long a build took and what came from the cache", () => {
    expect(lines(sampleEvents["task.succeeded"], { before: building() })).toEqual([
      "monitor-agent: built in 1.9 s (5 of 7 steps cached)",
    ]);
  });

  it("says when a build made the same image as before", () => {
    const output = { ...sampleBuild("monitor-agent"), imageId: "sha256:before" };
    expect(lines({ ...sampleEvents["task.succeeded"], output }, { before: building() })).toEqual([
      "monitor-agent: built in 1.9 s (the image is the same as before)",
    ]);
  });

  it("says that a build was made before", () => {
    const output = { ...sampleBuild("monitor-agent"), remembered: true };
    expect(lines({ ...sampleEvents["task.succeeded"], output })).toEqual([
      "monitor-agent: built before from the same files",
    ]);
  });

  it("says nothing of the end of the session, which whoever ends it knows", () => {
    expect(lines(sampleEvents["session.stopping"])).toBeUndefined();
  });

  it("says what was loaded and applied", () => {
    const loaded = { kind: "load", ref: "r", nodes: ["a", "b"], present: ["b"], bytes: 1_200_000 } as const;
    expect(lines({ ...sampleEvents["task.succeeded"], id: "load:monitor-agent", output: loaded })).toEqual([
      "monitor-agent: loaded into 1 node in 0 ms (1.2 MB)",
    ]);
    const applied = sampleDeploy({ created: 2, pruned: ["Service/monitor-dev/old"] });
    expect(
      lines({ ...sampleEvents["task.succeeded"], id: "deploy:k8s/overlays/dev", output: applied }),
    ).toEqual([
      "deploy: applied in 0 ms: 2 created, 1 changed, 1 removed, 7 unchanged",
      "removed Service/monitor-dev/old",
    ]);
  });

  it.each([
    ["a load into nodes that have it", { kind: "load", ref: "r", nodes: ["a"], present: ["a"], bytes: 0 }],
    ["an apply that changed nothing", sampleDeploy({ changed: 0 })],
    ["a prune of nothing", { kind: "prune", pruned: [] }],
  ] as const)("says nothing of %s", (_, output) => {
    expect(lines({ ...sampleEvents["task.succeeded"], output })).toBeUndefined();
  });

  it("tells a failure with its detail and what to do now", () => {
    expect(lines(sampleEvents["task.failed"], { before: building() })).toEqual([
      "monitor-agent: build failed after 1.9 s",
      "RUN npm ci failed",
      "  npm error",
      "→ fix package.json",
    ]);
  });

  it("tells what is tried again by itself once, as long as it fails in the same words", () => {
    const { id, failure } = sampleEvents["task.failed"];
    const attempt = { key: "k", attempt: 1, startedAt: 0, endedAt: 1, status: "failed", failure } as const;
    const before = sampleState({ tasks: { [id]: { id, attempts: 1, retrying: attempt } } });
    expect(lines(sampleEvents["task.failed"], { before })).toBeUndefined();
    const other = { ...failure, message: "another thing" };
    expect(lines({ ...sampleEvents["task.failed"], failure: other }, { before })).toHaveLength(4);
  });

  it("tells the loss of a service once, not for every task that needs it", () => {
    const failure = { code: "ENGINE_UNREACHABLE", message: "the engine does not answer" } as const;
    const down = { status: "down", failure, since: sampleTime } as const;
    const before = sampleState({ services: { engine: down, cluster: { status: "up" } } });
    expect(lines({ ...sampleEvents["task.failed"], failure }, { before })).toBeUndefined();
    expect(lines({ ...sampleEvents["service.down"], failure }, { before })).toBeUndefined();
    expect(lines(sampleEvents["service.down"])).toEqual(expect.arrayContaining(["  npm error"]));
    expect(lines(sampleEvents["service.up"], { before })).toEqual([
      "devloop: the container engine answers again",
    ]);
    expect(lines(sampleEvents["service.up"])).toBeUndefined();
  });

  it("has one line for a superseded build", () => {
    expect(lines(sampleEvents["task.superseded"])).toEqual([
      "monitor-agent: build stopped: a newer change is here",
    ]);
    expect(lines(sampleEvents["task.cancelled"], { before: building("cancelling") })).toBeUndefined();
    expect(lines(sampleEvents["task.cancelled"], { before: building() })).toEqual([
      "monitor-agent: build stopped",
    ]);
  });

  describe("of a workload", () => {
    const workloadId = "Deployment/monitor-dev/monitor-agent";
    const told = (health: Parameters<typeof sampleHealth>[1], before: State, expected = 1) =>
      lines(
        {
          ...sampleEvents["workload.changed"],
          id: workloadId,
          health: sampleHealth("monitor-agent", health),
        },
        {
          state: sampleState({ workloads: { [workloadId]: sampleWorkload("monitor-agent", { expected }) } }),
          before,
        },
      );
    const starting = sampleState({
      workloads: {
        [workloadId]: sampleWorkload("monitor-agent", {
          health: sampleHealth("monitor-agent", { status: "progressing" }),
        }),
      },
    });

    it("says when it is ready, once", () => {
      expect(told({}, starting)).toEqual(["monitor-agent: ready: 1 of 1 pods"]);
      expect(told({}, sampleState())).toBeUndefined();
    });

    it("does not call it ready on what ran before the last apply", () => {
      expect(told({}, starting, 2)).toBeUndefined();
    });

    it("says why it fails, with its last lines, once", () => {
      const cause = { reason: "CrashLoop", message: "exits with code 1", lines: ["Error: no"] } as const;
      const failing = { status: "failed", restarts: 2, cause } as const;
      expect(told(failing, starting)).toEqual([
        "monitor-agent: failing, 2 restarts: exits with code 1",
        "Error: no",
      ]);
      const workload = sampleWorkload("monitor-agent", { health: sampleHealth("monitor-agent", failing) });
      expect(told(failing, sampleState({ workloads: { [workloadId]: workload } }))).toBeUndefined();
    });
  });

  it("says where a forward listens, and that its port was taken", () => {
    expect(lines(sampleEvents["forward.changed"])).toEqual([
      "forward: http://localhost:8889 → service/monitor-agent:8888 (port 8888 is taken)",
    ]);
  });

  it("names the cluster", () => {
    expect(lines(sampleEvents["cluster.connected"])).toEqual([
      "devloop: cluster kind-monitor (kind, 1 node), namespace monitor-dev",
    ]);
  });
});

describe("describeLoopEnd", () => {
  it("says how long it took from the save to ready, once", () => {
    const loop = { number: 2, startedAt: sampleTime, changed: [] };
    const under = sampleState({ loops: [loop] });
    const ended = sampleState({ loops: [{ ...loop, endedAt: sampleTime + 1800, outcome: "ready" }] });
    expect(describeLoopEnd(ended, under)?.lines).toEqual(["ready in 1.8 s"]);
    expect(describeLoopEnd(ended, ended)).toBeUndefined();
    expect(describeLoopEnd(under, under)).toBeUndefined();
  });
});
