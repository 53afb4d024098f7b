import type { Event, EventType } from "../../src/engine/event.js";
import {
  sampleBuild,
  sampleDeploy,
  sampleHealth,
  sampleProject,
  sampleState,
  sampleTime,
} from "../fakes/state.js";

const id = "build:monitor-agent";
const attempt = 2;
const failure = {
  code: "BUILD_FAILED",
  message: "RUN npm ci failed",
  hint: "fix package.json",
  detail: "npm error",
} as const;

/** One event of every type, as the loop makes them; the compiler asks for new ones. */
export const sampleEvents: { readonly [T in EventType]: Extract<Event, { type: T }> } = {
  "config.loaded": at({ type: "config.loaded", project: sampleProject, files: ["/project/devloop.yaml"] }),
  "config.failed": at({ type: "config.failed", failure }),
  "cluster.connected": at({ type: "cluster.connected", cluster: sampleState().cluster! }),
  "service.up": at({ type: "service.up", service: "engine" }),
  "service.down": at({ type: "service.down", service: "engine", failure }),
  "sources.changed": at({
    type: "sources.changed",
    changes: [
      {
        target: { image: "monitor-agent" },
        revision: "r2",
        changed: ["services/monitor-agent/src/server.js"],
        changedAt: sampleTime,
        bases: [],
      },
    ],
  }),
  "task.started": at({
    type: "task.started",
    task: { id, key: "k2", attempt, input: { kind: "build", image: sampleProject.images[0]!, bases: {} } },
  }),
  "task.progress": at({
    type: "task.progress",
    id,
    attempt,
    progress: { message: "step 4 of 9: RUN npm ci", done: 4, total: 9 },
  }),
  "task.output": at({ type: "task.output", id, attempt, lines: ["added 3 packages"] }),
  "task.note": at({ type: "task.note", id, attempt, message: "the base image is pulled" }),
  "task.superseded": at({ type: "task.superseded", id, attempt }),
  "task.succeeded": at({ type: "task.succeeded", id, attempt, output: sampleBuild("monitor-agent") }),
  "task.failed": at({ type: "task.failed", id, attempt, failure }),
  "task.cancelled": at({ type: "task.cancelled", id, attempt }),
  "task.due": at({ type: "task.due", id }),
  "workload.changed": at({
    type: "workload.changed",
    id: "Deployment/monitor-dev/monitor-agent",
    health: sampleHealth("monitor-agent", {
      status: "failed",
      cause: { reason: "CrashLoop", message: "exits with code 1", lines: ["Error: no such file"] },
    }),
  }),
  "forward.changed": at({
    type: "forward.changed",
    id: "service/monitor-agent:8888",
    state: { status: "listening", host: "127.0.0.1", port: 8889, moved: true },
    serving: true,
    connections: 1,
  }),
  "containers.changed": at({
    type: "containers.changed",
    containers: [
      {
        id: "containerd://1f",
        namespace: "monitor-dev",
        pod: "monitor-agent-7d9f-x",
        podUid: "u1",
        container: "agent",
        image: "monitor-agent:devloop-0123456789abcdef",
      },
    ],
  }),
  "container.reconnected": at({ type: "container.reconnected", container: "containerd://1f" }),
  "sync.note": at({ type: "sync.note", message: "/app/out/a is not brought back: it is larger than 64 MB" }),
  "process.crashed": at({
    type: "process.crashed",
    container: "containerd://1f",
    process: { image: "monitor-agent", pod: "monitor-agent-7d9f-x", container: "agent", exitCode: 1 },
  }),
  "process.running": at({ type: "process.running", container: "containerd://1f" }),
  "process.restarted": at({ type: "process.restarted", container: "containerd://1f" }),
  "trigger.requested": at({ type: "trigger.requested", image: "monitor-agent" }),
  "loop.paused": at({ type: "loop.paused" }),
  "loop.resumed": at({ type: "loop.resumed" }),
  "sync.switched": at({ type: "sync.switched", on: false, image: "monitor-agent" }),
  "focus.changed": at({ type: "focus.changed", images: ["monitor-agent"] }),
  "restart.requested": at({ type: "restart.requested", workload: "Deployment/monitor-dev/monitor-agent" }),
  "request.failed": at({ type: "request.failed", failure }),
  "images.removed": at({ type: "images.removed", builds: 2, bytes: 2_100_000, exact: false }),
  "watch.problem": at({ type: "watch.problem", failure }),
  "session.stopping": at({ type: "session.stopping", reason: "ctrl-c" }),
};

/** Outputs of every kind of task beside a build's. */
export const sampleOutputs = [
  sampleDeploy({ pruned: ["Service/monitor-dev/old"], replaced: [], waiting: [] }),
  { kind: "render", hash: "h", images: ["monitor-agent"], names: ["monitor-agent"], objects: 8 },
  { kind: "load", ref: "r", nodes: ["n"], present: [], bytes: 12 },
  {
    kind: "sync",
    containers: [
      {
        id: "containerd://1f",
        pod: "monitor-agent-7d9f-x",
        container: "agent",
        written: 2,
        removed: 1,
        bytes: 300,
        restarted: true,
        commands: 0,
      },
    ],
  },
  { kind: "prune", pruned: ["Service/monitor-dev/old"] },
] as const;

function at<E extends { readonly type: EventType }>(event: E): E & { readonly at: number } {
  return { ...event, at: sampleTime + 5000 };
}
