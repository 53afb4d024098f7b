import type { Failure } from "../lib/errors.js";

// ---- what a project is made of: made from devloop.yaml, replaced whole when it is edited -------------------------

/** One image to build, with every path absolute and every default filled in. */
export interface ImageSpec {
  /** The name as it stands in the manifests, without tag: `monitor-agent`, `ghcr.io/acme/web`. */
  readonly name: string;
  /** Absolute path of the build context's directory. */
  readonly context: string;
  readonly dockerfile: DockerfileSource;
  readonly target?: string;
  readonly args: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly network?: string;
  /** `host:ip` entries for /etc/hosts of RUN steps. */
  readonly extraHosts: readonly string[];
  /** By the id that steps mount them by. The values are read when a build needs them, and never kept. */
  readonly secrets: Readonly<Record<string, SecretSource>>;
  /** SSH agents by id: the socket that each listens on, or null for that of SSH_AUTH_SOCK. */
  readonly ssh: Readonly<Record<string, string | null>>;
  /** What the Dockerfile finds under further names, in place of an image or stage. */
  readonly contexts: Readonly<Record<string, NamedContext>>;
  /** `os/arch[/variant]`; left out: the cluster's. */
  readonly platform?: string;
  readonly cacheFrom: readonly string[];
  readonly noCache: boolean;
  /** Ask the registry for newer base images at every build. */
  readonly pullBases: boolean;
  /** Patterns in .dockerignore syntax, relative to the context: changes under them neither rebuild nor travel. */
  readonly ignore: readonly string[];
  /** Which changes go into the running containers instead of a new image. */
  readonly sync?: SyncSpec;
  /** Generated files that come back from the containers. */
  readonly pull: readonly PullRule[];
  /** Hash of all fields above but `sync` and `pull`: part of the build's input key. */
  readonly specHash: string;
}

/** As written, or as a Dockerfile's COPY and ADD lines tell them. Patterns are in .dockerignore syntax, relative to the context. */
export type SyncSpec = {
  /** Files under a rule that need a new image all the same. */
  readonly rebuild: readonly string[];
} & (
  | { readonly kind: "rules"; readonly rules: readonly SyncRule[] }
  | { readonly kind: "auto"; readonly ignore: readonly string[]; readonly then: SyncAction }
);

export interface SyncRule {
  /**
   * A directory, a file or a pattern, relative to the context, with forward slashes; `.` is the context. A directory's files keep
   * their paths below it, a pattern's those below its part without wildcards.
   */
  readonly src: string;
  /** An absolute path in the container: a directory, or for a `src` that is a file the file, unless it ends with a slash. */
  readonly dest: string;
  /** Relative to the context, as all patterns. These are not synced: a change of them builds the image. */
  readonly ignore: readonly string[];
  readonly then: SyncAction;
  /** Where the rule comes from when nobody wrote it: `COPY in Dockerfile:7`. */
  readonly origin?: string;
  /** It holds for a `src` that is a directory: where docker puts a file depends on what the image has at `dest`. */
  readonly onlyDirectory?: true;
}

/** What follows a change of a rule's files. */
export type SyncAction =
  | { readonly kind: "nothing" }
  /** The container's process starts anew; the container stays. */
  | { readonly kind: "restart" }
  | {
      readonly kind: "exec";
      readonly command: readonly string[];
      /** The container's own when it is left out. */
      readonly workdir?: string;
      /** Only when a file that matches one of these changed; always when empty. */
      readonly when: readonly string[];
    };

/** One way back: what appears below `src` in a container is written below `dest` here. */
export interface PullRule {
  /** An absolute path in the container. */
  readonly src: string;
  /** Absolute path of a directory here. */
  readonly dest: string;
}

/** The file, which may lie outside the context, or its text as it stands in devloop.yaml. Paths are absolute. */
export type DockerfileSource =
  { readonly kind: "file"; readonly path: string } | { readonly kind: "inline"; readonly text: string };

export type SecretSource =
  { readonly kind: "file"; readonly path: string } | { readonly kind: "env"; readonly name: string };

/** A directory by its absolute path, or an address: `docker-image://alpine:3.20`, `https://…`. */
export type NamedContext =
  | { readonly kind: "directory"; readonly path: string }
  | { readonly kind: "address"; readonly address: string };

/** One thing to render and apply. Paths are absolute. `specHash` covers every option. */
export type DeploySpec = { readonly id: DeployId; readonly specHash: string } & (
  | { readonly kind: "kustomize"; readonly path: string }
  | {
      readonly kind: "helm";
      readonly release: string;
      readonly chart: string;
      readonly values: readonly string[];
      readonly set: Readonly<Record<string, string>>;
      readonly namespace?: string;
    }
  | { readonly kind: "manifests"; readonly patterns: readonly string[]; readonly root: string }
);

export interface ForwardSpec {
  /** `service/monitor-agent:8888`: unique in a project. */
  readonly id: string;
  readonly kind: "service" | "deployment" | "statefulset" | "pod";
  readonly name: string;
  readonly namespace?: string;
  /** Address the local listener binds to; 127.0.0.1 unless the config says otherwise. */
  readonly host: string;
  readonly local: number;
  /** The Service's port, or the container's for other kinds; a number or a port's name. */
  readonly remote: number | string;
  /** A taken local port is an error instead of moving to the next free one. */
  readonly strict: boolean;
}

export interface ClusterSpec {
  readonly provider: "auto" | "kind" | "k3d" | "context" | "docker";
  readonly name?: string;
  readonly context?: string;
  readonly namespace?: string;
  readonly create: boolean;
  /** Contexts that are not local and that the user allows by name. */
  readonly allow: readonly string[];
  /** Directories that pods on the engine itself may mount, absolute; none where it is left out. */
  readonly hostPaths?: readonly string[];
}

/** How far a workload is to be: a pod of it runs, all are ready, or, of a job, it has ended well. */
export type Milestone = "started" | "ready" | "completed";

/** All of a project that the loop works on. */
export interface Project {
  readonly name: string;
  /** Absolute path of the directory that holds devloop.yaml. */
  readonly root: string;
  readonly cluster: ClusterSpec;
  readonly images: readonly ImageSpec[];
  readonly deploys: readonly DeploySpec[];
  readonly forwards: readonly ForwardSpec[];
  /** What a workload waits for before it is applied, by the names of both. */
  readonly order: Readonly<Record<string, Readonly<Record<string, Milestone>>>>;
  /** Workloads by name, and the ones whose new pods make new pods of them: all stand in `order`. */
  readonly restarts: Readonly<Record<string, readonly string[]>>;
  readonly maxBuilds: number;
  /** How many builds of each image stay in the engine and the nodes; 0 keeps all. */
  readonly keepImages: number;
}

// ---- tasks ------------------------------------------------------------------------------------------------------

export type DeployId = string;
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

// ---- what is observed -------------------------------------------------------------------------------------------

/** The outside services whose loss holds tasks back until they answer again. */
export type Service = "engine" | "cluster";
export type ServiceState =
  | { readonly status: "unknown" }
  | { readonly status: "up" }
  | { readonly status: "down"; readonly failure: Failure; readonly since: number };

/** A container that runs one of the project's images. */
export interface RunningContainer {
  /** The runtime's id: another after each restart by the kubelet. */
  readonly id: string;
  readonly namespace: string;
  readonly pod: string;
  readonly podUid: string;
  readonly container: string;
  /** As it stands in the pod's spec. */
  readonly image: string;
  /** How often the connection to its agent had to be made anew: what it holds is looked at again after each. */
  readonly reconnects: number;
}

export type NewContainer = Omit<RunningContainer, "reconnects">;

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

/** `Deployment/monitor-dev/monitor-agent`. */
export type WorkloadId = string;

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

// ---- events: the only way to change the state -------------------------------------------------------------------

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
