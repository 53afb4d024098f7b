import type { State } from "../../src/engine/state.js";
import type { Attempt, RunningTask, StepProgress, SyncedContainer } from "../../src/engine/task.js";
import {
  sampleBuild,
  sampleHealth,
  sampleState,
  sampleTask,
  sampleTime,
  sampleWorkload,
  tasks,
} from "../fakes/state.js";

export const agent = "Deployment/monitor-dev/monitor-agent";

/** The state while monitor-agent builds. */
export function building(): State {
  const progress = { message: "step 4 of 9: RUN npm ci", done: 4, total: 9 };
  const running: RunningTask = {
    status: "running",
    key: "k2",
    attempt: 2,
    startedAt: sampleTime + 9000,
    progress,
  };
  const task = sampleTask("build:monitor-agent", sampleBuild("monitor-agent"));
  return sampleState({
    tasks: { ...sampleState().tasks, ...tasks({ ...task, running }) },
    loops: [{ number: 2, startedAt: sampleTime + 9000, changed: [] }],
  });
}

/** The same with its steps. */
export function buildingSteps(): State {
  const state = building();
  const task = state.tasks["build:monitor-agent"]!;
  const steps: readonly StepProgress[] = [
    {
      ...{ name: "load build context", status: "done", took: 210, lines: [] },
      transfer: { current: 48_000, total: 48_000 },
    },
    { name: "FROM node:20", place: "1/4", status: "cached", lines: [] },
    {
      ...{ name: "RUN npm ci", place: "2/4", status: "running", startedAt: sampleTime + 9500 },
      lines: ["npm warn deprecated rimraf@3.0.2", "added 112 packages"],
    },
    { name: "COPY src src", place: "3/4", status: "waiting", lines: [] },
  ];
  const running = { ...task.running!, progress: { message: "step 4 of 9: RUN npm ci", steps } };
  return { ...state, tasks: { ...state.tasks, ...tasks({ ...task, running }) } };
}

export function failedBuild(): State {
  const failure = {
    code: "BUILD_FAILED",
    message: "RUN npm ci failed with exit code 1 (services/monitor-agent/Dockerfile:7)",
    hint: "fix package.json: the build starts again by itself",
    detail: "npm error code ENOENT\nnpm error no package.json",
  } as const;
  const last: Attempt = {
    status: "failed",
    failure,
    key: "k2",
    attempt: 2,
    startedAt: sampleTime + 8000,
    endedAt: sampleTime + 9000,
  };
  const task = sampleTask("build:monitor-agent", sampleBuild("monitor-agent"));
  return sampleState({ tasks: { ...sampleState().tasks, ...tasks({ ...task, last }) } });
}

export const synced: SyncedContainer = {
  ...{ id: "c1", pod: "monitor-agent-7d9c5b8f6-x2x4q", container: "monitor-agent" },
  ...{ written: 1, removed: 0, bytes: 40, restarted: true, commands: 0 },
};

/** An image whose newest change went into its container. */
export function afterSync(output: Partial<SyncedContainer> = {}): State {
  const sample = sampleState();
  const image = sample.images["monitor-agent"]!;
  const source = { revision: "s2", changed: ["services/agent/src/main.js"], changedAt: sampleTime + 9000 };
  const task = sampleTask("sync:monitor-agent", {
    kind: "sync",
    containers: [{ ...synced, ...output }],
  });
  return {
    ...sample,
    images: { ...sample.images, "monitor-agent": { ...image, synced: source } },
    tasks: { ...sample.tasks, ...tasks(task) },
  };
}

export function failedSync(): State {
  const failure = {
    code: "SYNC_FAILED",
    message: "monitor-agent: make exited with 2 in monitor-agent-7d9c5b8f6-x2x4q",
    detail: "src/main.c:10: error: identifier expected",
  } as const;
  const state = afterSync();
  const task = state.tasks["sync:monitor-agent"]!;
  const last = { ...task.last!, status: "failed", failure } as const;
  return { ...state, tasks: { ...state.tasks, ...tasks({ ...task, last }) } };
}

export function crashed(): State {
  const { pod, container } = synced;
  return { ...afterSync(), crashed: { c1: { image: "monitor-agent", pod, container, exitCode: 1 } } };
}

export function crashLoop(): State {
  const health = sampleHealth("monitor-agent", {
    ...{ status: "failed", ready: 0, restarts: 4, message: "0 of 1 pods ready" },
    cause: {
      reason: "CrashLoop",
      message: "exits with code 1: Error: no metrics",
      lines: ["Error: no metrics"],
    },
  });
  const { workloads } = sampleState();
  return sampleState({ workloads: { ...workloads, [agent]: sampleWorkload("monitor-agent", { health }) } });
}
