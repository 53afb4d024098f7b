import type { Failure } from "../lib/errors.js";
import type { DeployId, DeploySpec, ImageSpec, Project } from "./project.js";
import type { RunningContainer } from "./container.js";

export type TaskKind = "build" | "load" | "render" | "deploy" | "sync" | "prune";
/** `build:web`, `load:web`, `render:k8s/overlays/dev`, `deploy:k8s/overlays/dev`, `sync:web`, `prune:removed`. */
export type TaskId = `${TaskKind}:${string}`;

/** What a task is to do, with its inputs: all that RunTask needs beside the adapters. */
export type TaskInput =
  | {
      readonly kind: "build";
      readonly image: ImageSpec;
      readonly bases: Readonly<Record<string, string>>;
      /** The revision of the files that are synced, where there are such. */
      readonly synced?: string;
      /** The key without that revision: an earlier build with the same basis serves, since what it lacks is synced. */
      readonly basis?: string;
      /** A person or a failed sync asked for it: no earlier build with the same basis serves. */
      readonly anew?: true;
    }
  | {
      readonly kind: "load";
      readonly image: string;
      readonly ref: string;
      readonly imageId: string;
      /** No manifest names the image: the load fails, with the names that stand there. */
      readonly unusedAmong?: readonly string[];
    }
  | { readonly kind: "render"; readonly deploy: DeploySpec; readonly images: readonly string[] }
  | {
      readonly kind: "deploy";
      readonly deploy: DeploySpec;
      /** The render's hash: names the rendered objects in the adapter's store. */
      readonly render: string;
      /** Image name to the reference to run. */
      readonly refs: Readonly<Record<string, string>>;
      /** Images that have none yet, since their first build failed: objects that need them wait. */
      readonly missing: readonly string[];
      /** What the containers of synced images need for it, by image. */
      readonly agents: Readonly<Record<string, AgentNeed>>;
      /** Workloads whose turn has not come, by name, with what each waits for: "db is ready". */
      readonly later: Readonly<Record<string, string>>;
      /** Workloads that were held back before have their turn now: what they waited for has only just got so far. */
      readonly freed: boolean;
      /** Workloads by name, and the ones whose new pods make new pods of them. */
      readonly restarts: Project["restarts"];
    }
  | {
      readonly kind: "sync";
      readonly image: ImageSpec;
      /** The reference that the containers run. */
      readonly ref: string;
      /** Of the synced files; left out where the containers are to get what others of `ref` got last. */
      readonly revision?: string;
      /** The image was built from this very revision: building again would not help. */
      readonly fresh: boolean;
      readonly containers: readonly RunningContainer[];
    }
  /** Remove what deploys that left devloop.yaml had applied. */
  | { readonly kind: "prune"; readonly keep: readonly DeployId[] };

/** What the agent is in a container for: files that come back, files that go in, or also to start its process anew. */
export type AgentNeed = "pull" | "files" | "process";

export interface BuildOutput {
  readonly kind: "build";
  /** `monitor-agent:devloop-<first 16 hex digits of the id>`. */
  readonly ref: string;
  /** The engine's image id, `sha256:…`. */
  readonly imageId: string;
  /** Not built at all: an earlier session built it from the same inputs, and the engine still has it. */
  readonly remembered: boolean;
  readonly cachedSteps: number;
  readonly steps: number;
  /** The revision of the synced files that it was built from. */
  readonly synced?: string;
}
export interface LoadOutput {
  readonly kind: "load";
  /** The reference that pods are to use: the engine's, or a registry's. */
  readonly ref: string;
  /** The nodes that have it now. */
  readonly nodes: readonly string[];
  /** Nodes that had it before. */
  readonly present: readonly string[];
  /** Bytes sent to the nodes, 0 when all had it. */
  readonly bytes: number;
}
export interface RenderOutput {
  readonly kind: "render";
  /** Hash of the rendered objects, images not yet replaced. */
  readonly hash: string;
  /** The project's images that the objects name. */
  readonly images: readonly string[];
  /** Every image name that stands in the objects. */
  readonly names: readonly string[];
  readonly objects: number;
}
export interface DeployOutput {
  readonly kind: "deploy";
  readonly created: number;
  readonly changed: number;
  readonly unchanged: number;
  readonly pruned: readonly string[];
  /** Deleted and made anew for an immutable field, with the field. */
  readonly replaced: readonly string[];
  /** Held back because an image of theirs is not built yet. */
  readonly waiting: readonly string[];
  /** Held back until another workload is so far. */
  readonly later: readonly LaterWorkload[];
  readonly workloads: readonly AppliedWorkload[];
}
export interface LaterWorkload {
  /** `Deployment/web`. */
  readonly title: string;
  readonly name: string;
  /** "db is ready". */
  readonly until: string;
}
/** `Deployment/monitor-dev/monitor-agent`. */
export type WorkloadId = string;

export interface AppliedWorkload {
  readonly id: WorkloadId;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly generation: number;
  /** The project's images it runs. */
  readonly images: readonly string[];
}
export interface SyncOutput {
  readonly kind: "sync";
  /** The containers that hold the truth now. */
  readonly containers: readonly SyncedContainer[];
  /** The files could not be brought into the containers: the image is built instead. */
  readonly rebuild?: string;
}
export interface SyncedContainer {
  /** The runtime's id. */
  readonly id: string;
  readonly pod: string;
  readonly container: string;
  /** Files and links written and removed. */
  readonly written: number;
  readonly removed: number;
  readonly bytes: number;
  /** Its process was started anew. */
  readonly restarted: boolean;
  /** Commands that were run. */
  readonly commands: number;
}
export interface PruneOutput {
  readonly kind: "prune";
  readonly pruned: readonly string[];
}
export type TaskOutput = BuildOutput | LoadOutput | RenderOutput | DeployOutput | SyncOutput | PruneOutput;

/** How far a running task is; shown, never decided on. */
export interface TaskProgress {
  /** What is going on, in words: "step 4 of 9: RUN npm ci". */
  readonly message: string;
  readonly done?: number;
  readonly total?: number;
  /** A build's steps, in the order in which they became known. */
  readonly steps?: readonly StepProgress[];
}
export interface StepProgress {
  /** `RUN npm ci`; BuildKit's own are in its words: `load build context`. */
  readonly name: string;
  /** Its stage, where the Dockerfile has several, and its place there: `build 2/4`. */
  readonly place?: string;
  readonly status: "waiting" | "running" | "done" | "cached" | "failed";
  /** Ms since the epoch. */
  readonly startedAt?: number;
  /** Ms from its start to its end. */
  readonly took?: number;
  /** Bytes sent or fetched for it so far; the total where it is known. */
  readonly transfer?: { readonly current: number; readonly total?: number };
  /** The last lines that it printed, while it runs. */
  readonly lines: readonly string[];
}

export interface Task {
  readonly id: TaskId;
  readonly key: string;
  readonly attempt: number;
  readonly input: TaskInput;
}

/** A task's running attempt. `cancelling` has been told to stop and has not settled. */
export interface RunningTask {
  readonly status: "running" | "cancelling";
  readonly key: string;
  readonly attempt: number;
  readonly startedAt: number;
  readonly progress?: TaskProgress;
}

export type Attempt = {
  readonly key: string;
  readonly attempt: number;
  readonly startedAt: number;
  readonly endedAt: number;
} & ({ readonly status: "succeeded" } | { readonly status: "failed"; readonly failure: Failure });

export interface TaskState {
  readonly id: TaskId;
  readonly running?: RunningTask;
  /** The last attempt that ran to its end; a superseded one leaves no trace here. */
  readonly last?: Attempt;
  /** The attempt that failed before, while the same is tried again by itself. */
  readonly retrying?: Attempt;
  /** The newest output, and the key it came from: what later tasks build on, also while a newer attempt runs or has failed. */
  readonly success?: { readonly key: string; readonly output: TaskOutput; readonly at: number };
  readonly attempts: number;
}

/** The outside services whose loss holds tasks back until they answer again. */
export type Service = "engine" | "cluster";

/** Why a task that has something to do does not run. */
export type Hold =
  | { readonly reason: "paused" }
  | { readonly reason: "starting"; readonly on: string }
  | { readonly reason: "dependency"; readonly on: TaskId }
  | { readonly reason: "failed-input"; readonly on: TaskId }
  | { readonly reason: "slot"; readonly limit: number }
  /** A person looks at other images only. */
  | { readonly reason: "unfocused" }
  /** A person has switched the image's sync off. */
  | { readonly reason: "sync-off" }
  | { readonly reason: "unreachable"; readonly service: Service };
