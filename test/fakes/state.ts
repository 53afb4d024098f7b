import type { Project } from "../../src/engine/project.js";
import type { LogLine, State, WorkloadHealth, WorkloadState } from "../../src/engine/state.js";
import type { BuildOutput, DeployOutput, TaskId, TaskOutput, TaskState } from "../../src/engine/task.js";
import { imageSpec } from "./project.js";

/** A fixed moment: 2026-01-02 03:04:05 UTC, ms since the epoch. */
export const sampleTime = Date.UTC(2026, 0, 2, 3, 4, 5);

const overlay = "k8s/overlays/dev";

export const sampleProject: Project = {
  name: "monitor",
  root: "/project",
  cluster: { provider: "auto", namespace: "monitor-dev", create: false, allow: [] },
  images: [imageSpec("monitor-agent"), imageSpec("monitor-test")],
  deploys: [{ id: overlay, kind: "kustomize", path: `/project/${overlay}`, specHash: "overlay-spec" }],
  forwards: [forwardSpec("monitor-agent", 8888), forwardSpec("monitor-test", 3000)],
  maxBuilds: 2,
  order: {},
  restarts: {},
  keepImages: 3,
};

/**
 * A project of two images, one deploy, two workloads and two forwards, connected to a kind cluster; every task has
 * succeeded and everything is ready. Fields given replace the state's own.
 */
export function sampleState(overrides: Partial<State> = {}): State {
  const images = ["monitor-agent", "monitor-test"];
  return {
    project: sampleProject,
    configRevision: 1,
    cluster: {
      provider: "kind",
      context: "kind-monitor",
      name: "monitor",
      namespace: "monitor-dev",
      uid: "3f1c",
      nodes: ["monitor-control-plane"],
      platform: "linux/amd64",
    },
    services: { engine: { status: "up" }, cluster: { status: "up" } },
    images: Object.fromEntries(
      sampleProject.images.map((spec) => [
        spec.name,
        {
          spec,
          source: { revision: "r1", changed: [], changedAt: sampleTime },
          bases: [],
          triggers: 0,
          rebuilds: 0,
        },
      ]),
    ),
    deploys: Object.fromEntries(
      sampleProject.deploys.map((spec) => [
        spec.id,
        { spec, source: { revision: "r1", changed: [], changedAt: sampleTime }, triggers: 0 },
      ]),
    ),
    tasks: tasks(
      ...images.flatMap((image) => [
        sampleTask(`build:${image}`, sampleBuild(image)),
        sampleTask(`load:${image}`, {
          kind: "load",
          ref: `${image}:devloop-0123456789abcdef`,
          nodes: ["monitor-control-plane"],
          present: [],
          bytes: 1_200_000,
        }),
      ]),
      sampleTask(`render:${overlay}`, {
        kind: "render",
        hash: "render-1",
        images,
        names: images,
        objects: 8,
      }),
      sampleTask(`deploy:${overlay}`, sampleDeploy()),
    ),
    workloads: Object.fromEntries(images.map((name) => sampleWorkload(name)).map((each) => [each.id, each])),
    forwards: Object.fromEntries(
      sampleProject.forwards.map((spec) => [
        spec.id,
        {
          spec,
          state: { status: "listening", host: spec.host, port: spec.local, moved: false },
          serving: true,
          connections: 0,
        },
      ]),
    ),
    containers: [],
    crashed: {},
    paused: false,
    focus: [],
    startedAt: sampleTime,
    loops: [{ number: 1, startedAt: sampleTime, changed: [], endedAt: sampleTime + 3200, outcome: "ready" }],
    stopping: false,
    ...overrides,
  };
}

/** The state's tasks, keyed by id. */
export function tasks(...list: readonly TaskState[]): Readonly<Record<TaskId, TaskState>> {
  return Object.fromEntries(list.map((task) => [task.id, task]));
}

/** A task whose only attempt succeeded. */
export function sampleTask(id: TaskId, output: TaskOutput): TaskState {
  return {
    id,
    attempts: 1,
    last: {
      key: "k1",
      attempt: 1,
      startedAt: sampleTime,
      endedAt: sampleTime + 1900,
      status: "succeeded",
    },
    success: { key: "k1", output, at: sampleTime + 1900 },
  };
}

export function sampleBuild(image: string): BuildOutput {
  return {
    kind: "build",
    ref: `${image}:devloop-0123456789abcdef`,
    imageId: `sha256:0123456789abcdef${"0".repeat(48)}`,
    remembered: false,
    cachedSteps: 5,
    steps: 7,
  };
}

export function sampleDeploy(overrides: Partial<DeployOutput> = {}): DeployOutput {
  return {
    kind: "deploy",
    created: 0,
    changed: 1,
    unchanged: 7,
    pruned: [],
    replaced: [],
    waiting: [],
    later: [],
    workloads: [],
    ...overrides,
  };
}

export function sampleWorkload(name: string, overrides: Partial<WorkloadState> = {}): WorkloadState {
  return {
    id: `Deployment/monitor-dev/${name}`,
    kind: "Deployment",
    namespace: "monitor-dev",
    name,
    deploy: overlay,
    images: [name],
    uid: `uid-of-${name}`,
    expected: 1,
    health: sampleHealth(name),
    readyAt: sampleTime + 3200,
    ...overrides,
  };
}

/** One ready pod. */
export function sampleHealth(name: string, overrides: Partial<WorkloadHealth> = {}): WorkloadHealth {
  return {
    status: "ready",
    generation: 1,
    ready: 1,
    desired: 1,
    restarts: 0,
    message: "1 of 1 pods ready",
    pods: [
      {
        name: `${name}-7d9c5b8f6-x2x4q`,
        phase: "Running",
        ready: true,
        restarts: 0,
        node: "monitor-control-plane",
        createdAt: sampleTime,
        current: true,
        terminating: false,
      },
    ],
    createdAt: sampleTime,
    ...overrides,
  };
}

export function sampleLogLine(name: string, text: string, overrides: Partial<LogLine> = {}): LogLine {
  return {
    workload: `Deployment/monitor-dev/${name}`,
    pod: `${name}-7d9c5b8f6-x2x4q`,
    container: name,
    time: sampleTime,
    text,
    ...overrides,
  };
}

function forwardSpec(name: string, port: number): Project["forwards"][number] {
  return {
    id: `service/${name}:${port}`,
    kind: "service",
    name,
    host: "127.0.0.1",
    local: port,
    remote: port,
    strict: false,
  };
}
