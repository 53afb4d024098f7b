import type { Failure } from "../lib/errors.js";
import type { DeployId, DeploySpec, ForwardSpec, ImageSpec, Project } from "./project.js";
import type { RunningContainer } from "./container.js";
import type { Service, TaskId, TaskState, WorkloadId } from "./task.js";

// What is observed, and the one snapshot of all of it.

export type ServiceState =
  | { readonly status: "unknown" }
  | { readonly status: "up" }
  | { readonly status: "down"; readonly failure: Failure; readonly since: number };

/** A process that devloop started anew has ended, and is started again by its agent. */
export interface CrashedProcess {
  readonly image: string;
  readonly pod: string;
  readonly container: string;
  readonly exitCode: number;
}

/** The contents of an image's context, or of the files a deploy reads, as last seen. */
export interface SourceState {
  /** Hash over path, bytes, mode and link target of every file. */
  readonly revision: string;
  /** The paths changed last, relative to the project's root, at most 100. */
  readonly changed: readonly string[];
  /** When the last change was noticed, in ms since the epoch; the start of "save to serving". */
  readonly changedAt: number;
}

export interface ImageState {
  readonly spec: ImageSpec;
  /** Of the files that need a new image. */
  readonly source?: SourceState;
  /** Of the files that are synced; left out for an image without rules. */
  readonly synced?: SourceState;
  /** Other images of the project that its Dockerfile builds FROM or copies from. */
  readonly bases: readonly string[];
  /** Raised by each "rebuild" a person asks for. */
  readonly triggers: number;
  /** Raised by each sync that could not be done. */
  readonly rebuilds: number;
  /** A person has switched it off: edits of its synced files wait. */
  readonly syncOff?: true;
}

export interface DeployState {
  readonly spec: DeploySpec;
  readonly source?: SourceState;
  readonly triggers: number;
}

/** The one line that says why a workload is not well, with what stands behind it. */
export interface RootCause {
  /** A stable word: ImagePull, CrashLoop, Probe, Unschedulable, Config, Exited, OutOfMemory, Deadline, Volume, Other. */
  readonly reason:
    | "ImagePull"
    | "CrashLoop"
    | "Probe"
    | "Unschedulable"
    | "Config"
    | "Exited"
    | "OutOfMemory"
    | "Deadline"
    | "Quota"
    | "Volume"
    | "Other";
  /** One line: the thing, what happened, the reply or exit code. */
  readonly message: string;
  readonly pod?: string;
  readonly container?: string;
  /** The container's last lines, control sequences stripped. */
  readonly lines?: readonly string[];
}

export interface PodSummary {
  readonly name: string;
  readonly phase: string;
  readonly ready: boolean;
  readonly restarts: number;
  readonly node?: string;
  readonly createdAt: number;
  /** Belongs to the newest revision of its workload. */
  readonly current: boolean;
  readonly terminating: boolean;
}

/** What the cluster says of one workload, of its newest revision only. */
export interface WorkloadHealth {
  readonly status: "progressing" | "ready" | "failed" | "gone";
  /** The `metadata.generation` that the controller has seen. */
  readonly generation: number;
  readonly ready: number;
  readonly desired: number;
  readonly restarts: number;
  /** What it is doing or waiting for, in words. */
  readonly message: string;
  readonly cause?: RootCause;
  readonly pods: readonly PodSummary[];
  readonly createdAt: number;
}

export interface WorkloadState {
  readonly id: WorkloadId;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly deploy: DeployId;
  readonly images: readonly string[];
  readonly uid: string;
  /** The generation that the last apply made; health of an older one does not count as ready. */
  readonly expected: number;
  readonly health?: WorkloadHealth;
  readonly readyAt?: number;
}

export type ForwardStatus =
  | { readonly status: "starting" }
  | { readonly status: "listening"; readonly host: string; readonly port: number; readonly moved: boolean }
  | { readonly status: "failed"; readonly failure: Failure };

export interface ForwardState {
  readonly spec: ForwardSpec;
  readonly state: ForwardStatus;
  /** A pod is ready to take a connection now. */
  readonly serving: boolean;
  readonly connections: number;
}

export interface ClusterState {
  readonly provider: "kind" | "k3d" | "context" | "docker";
  readonly context: string;
  readonly name: string;
  readonly namespace: string;
  /** UID of the kube-system namespace: the cluster's identity for this session. */
  readonly uid: string;
  /** Names of the node containers that images are loaded into; empty when a registry serves them. */
  readonly nodes: readonly string[];
  readonly registry?: string;
  /** `linux/amd64`. */
  readonly platform: string;
}

/** One line that a container printed. */
export interface LogLine {
  readonly workload: WorkloadId;
  readonly pod: string;
  readonly container: string;
  /** The kubelet's time stamp, ms since the epoch. */
  readonly time: number;
  readonly text: string;
  /** From the container's last run before it crashed. */
  readonly previous?: true;
}

/** A save and its way to serving, for the waterfall: times in ms since the epoch. */
export interface Loop {
  readonly number: number;
  readonly startedAt: number;
  readonly changed: readonly string[];
  readonly endedAt?: number;
  readonly outcome?: "ready" | "failed";
  /** How long after its start each resource that it touched was done, in ms, by the resource's id. */
  readonly took?: Readonly<Record<string, number>>;
}

/** Everything there is to know, at one moment. Immutable: a change is a new object along its path. */
export interface State {
  readonly project: Project;
  /** Raised with every config taken up. */
  readonly configRevision: number;
  /** The config on disk cannot be used: the last good one stays in force. */
  readonly configFailure?: Failure;
  readonly cluster?: ClusterState;
  readonly services: Readonly<Record<Service, ServiceState>>;
  readonly images: Readonly<Record<string, ImageState>>;
  readonly deploys: Readonly<Record<DeployId, DeployState>>;
  readonly tasks: Readonly<Record<TaskId, TaskState>>;
  readonly workloads: Readonly<Record<WorkloadId, WorkloadState>>;
  readonly forwards: Readonly<Record<string, ForwardState>>;
  /** Those that run now, of the workloads that were applied. */
  readonly containers: readonly RunningContainer[];
  /** By the container's id. */
  readonly crashed: Readonly<Record<string, CrashedProcess>>;
  readonly paused: boolean;
  /** The images that follow edits, with what has them; all when empty. */
  readonly focus: readonly string[];
  readonly startedAt: number;
  readonly loops: readonly Loop[];
  readonly stopping: boolean;
}
