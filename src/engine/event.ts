import type { Failure } from "../lib/errors.js";
import type { DeployId, Project } from "./project.js";
import type { ClusterState, CrashedProcess, ForwardStatus, WorkloadHealth } from "./state.js";
import type { Task, TaskId, TaskOutput, TaskProgress, Service, WorkloadId } from "./task.js";
import type { NewContainer } from "./container.js";

// The only way to change the state.

/** What happened. The names and fields are public: `--output json` prints them (docs/events.md). */
export type Event = { readonly at: number } & (
  | { readonly type: "config.loaded"; readonly project: Project; readonly files: readonly string[] }
  | { readonly type: "config.failed"; readonly failure: Failure }
  | { readonly type: "cluster.connected"; readonly cluster: ClusterState }
  | { readonly type: "service.up"; readonly service: Service }
  | { readonly type: "service.down"; readonly service: Service; readonly failure: Failure }
  | { readonly type: "sources.changed"; readonly changes: readonly SourceChange[] }
  | { readonly type: "task.started"; readonly task: Task }
  | {
      readonly type: "task.progress";
      readonly id: TaskId;
      readonly attempt: number;
      readonly progress: TaskProgress;
    }
  | {
      readonly type: "task.output";
      readonly id: TaskId;
      readonly attempt: number;
      readonly lines: readonly string[];
    }
  | { readonly type: "task.note"; readonly id: TaskId; readonly attempt: number; readonly message: string }
  | { readonly type: "task.superseded"; readonly id: TaskId; readonly attempt: number }
  | {
      readonly type: "task.succeeded";
      readonly id: TaskId;
      readonly attempt: number;
      readonly output: TaskOutput;
    }
  | { readonly type: "task.failed"; readonly id: TaskId; readonly attempt: number; readonly failure: Failure }
  | { readonly type: "task.cancelled"; readonly id: TaskId; readonly attempt: number }
  /** A failure that passes by itself is to be tried again. */
  | { readonly type: "task.due"; readonly id: TaskId }
  | { readonly type: "workload.changed"; readonly id: WorkloadId; readonly health: WorkloadHealth }
  | {
      readonly type: "forward.changed";
      readonly id: string;
      readonly state: ForwardStatus;
      readonly serving: boolean;
      readonly connections: number;
    }
  /** Containers started or ended. */
  | { readonly type: "containers.changed"; readonly containers: readonly NewContainer[] }
  /** The connection to a container's agent broke off, and was made anew. */
  | { readonly type: "container.reconnected"; readonly container: string }
  /** Something about files that are synced is not as one may think, and nothing fails for it. */
  | { readonly type: "sync.note"; readonly message: string }
  /** A process that devloop started anew has ended by itself, or runs again. */
  | { readonly type: "process.crashed"; readonly container: string; readonly process: CrashedProcess }
  | { readonly type: "process.running"; readonly container: string }
  /** A container's process has ended, and a new one has begun in its place. */
  | { readonly type: "process.restarted"; readonly container: string }
  | { readonly type: "trigger.requested"; readonly image?: string; readonly deploy?: DeployId }
  | { readonly type: "loop.paused" }
  | { readonly type: "loop.resumed" }
  /** Of one image, or of all. */
  | { readonly type: "sync.switched"; readonly on: boolean; readonly image?: string }
  | { readonly type: "focus.changed"; readonly images: readonly string[] }
  | { readonly type: "restart.requested"; readonly workload: WorkloadId }
  /** What a person asked for could not be done, and it is no task's failure. */
  | { readonly type: "request.failed"; readonly failure: Failure }
  /** Files are watched with less than before, such as by polling. */
  | { readonly type: "watch.problem"; readonly failure: Failure }
  /** Old builds of the project's images went from the engine and the nodes; `exact` unless it may be less bytes. */
  | {
      readonly type: "images.removed";
      readonly builds: number;
      readonly bytes: number;
      readonly exact: boolean;
    }
  | { readonly type: "session.stopping"; readonly reason: string }
);
export type EventType = Event["type"];
/** Every event but the time, which the store adds. */
export type NewEvent = Event extends infer E
  ? E extends Event
    ? Omit<E, "at"> & { readonly at?: number }
    : never
  : never;

/** New contents of an image's context or of a deploy's files. */
export interface SourceChange {
  /** `sync`: an image's files that are synced. */
  readonly target: { readonly image: string } | { readonly sync: string } | { readonly deploy: DeployId };
  readonly revision: string;
  readonly changed: readonly string[];
  readonly changedAt: number;
  /** For an image: the project's images that its Dockerfile builds on. */
  readonly bases?: readonly string[];
}
