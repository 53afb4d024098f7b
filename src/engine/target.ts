import type { Readable, Writable } from "node:stream";
import type { Failure } from "../lib/errors.js";
import type { KubeObject } from "./kube-object.js";
import type { DeployId } from "./project.js";
import type { ClusterState, WorkloadState } from "./state.js";
import type { AppliedWorkload, DeployOutput, LoadOutput, TaskProgress } from "./task.js";

/**
 * Where the containers run: a Kubernetes cluster, or the container engine itself. All that the loop asks of it; nothing above
 * knows which of them it is.
 */
export interface Target extends PodAccess, AsyncDisposable {
  /** What is fixed for the session. */
  readonly cluster: ClusterState;
  /** The address that answers for it. */
  readonly address: string;
  /** Brings an image of the engine's to where pods start from. Throws LOAD_FAILED, NODE_UNREACHABLE, ENGINE_UNREACHABLE. */
  load(image: LoadImage, options: WorkOptions): Promise<LoadOutput>;
  /**
   * Makes what there is of a deploy what was rendered, and removes what it made earlier and renders no more.
   * Throws APPLY_FAILED, APPLY_CONFLICT, TIMEOUT, CLUSTER_UNREACHABLE.
   */
  apply(request: ApplyRequest, options: WorkOptions): Promise<DeployOutput>;
  /** Removes what the deploys that are no longer in devloop.yaml made. Returns `Kind/name` of what was removed. */
  prune(
    request: { readonly project: string; readonly keep: readonly DeployId[] },
    options: WorkOptions,
  ): Promise<readonly string[]>;
  /** Removes what a project deployed, and nothing else, and waits until it is gone. Throws APPLY_FAILED. */
  remove(
    request: RemoveRequest,
    options: Pick<WorkOptions, "signal" | "onNote">,
  ): Promise<{ readonly removed: readonly string[]; readonly kept: readonly string[] }>;
  /** Starts a workload's pods anew, with the manifest that they have. Throws APPLY_FAILED where that is not possible. */
  restart(workload: WorkloadName, options: { readonly signal: AbortSignal }): Promise<void>;
  /** A workload as it stands, its pods, and their newest events, in words. Throws NOT_FOUND. */
  describe(workload: WorkloadState, options: { readonly signal: AbortSignal }): Promise<string>;
  /** What a project has deployed. */
  deployed(project: string, options: { readonly signal: AbortSignal }): Promise<Deployed>;
  /** Watches whether it answers, and is the one whose identity was pinned. */
  watchHealth(options: HealthOptions): HealthWatch;
}

export type WorkloadName = Pick<WorkloadState, "kind" | "namespace" | "name">;

/** An image of the engine's. */
export interface LoadImage {
  /** `monitor-agent:devloop-0123456789abcdef`. */
  readonly ref: string;
  /** The engine's id, `sha256:…`. */
  readonly imageId: string;
}
export interface WorkOptions {
  readonly onProgress: (progress: TaskProgress) => void;
  readonly onNote: (message: string) => void;
  readonly signal: AbortSignal;
}

export interface ApplyRequest {
  readonly project: string;
  readonly deploy: DeployId;
  /** For objects that name none. */
  readonly namespace: string;
  /** Rendered, with images replaced. */
  readonly objects: readonly KubeObject[];
  /** The project's images, by which workloads are told apart. */
  readonly imageNames: readonly string[];
  /** Held back: not applied, and not pruned either. */
  readonly waiting: readonly KubeObject[];
  readonly later: readonly HeldObject[];
}
/** A workload whose turn has not come. */
export interface HeldObject {
  readonly object: KubeObject;
  /** "db is ready". */
  readonly until: string;
}

export interface RemoveRequest {
  readonly project: string;
  /** Only say what would be removed. */
  readonly dryRun: boolean;
  readonly includeNamespaces?: boolean;
  readonly includeVolumes?: boolean;
}

/** What a project has, by what was noted when it was applied. */
export interface Deployed {
  /** By id, in order. Which of the project's images they run is not looked up. */
  readonly workloads: readonly AppliedWorkload[];
  /** `Kind/name` of what was deployed and is not there any more. */
  readonly missing: readonly string[];
}

// ---- health -----------------------------------------------------------------------------------------------------

export type Health = { readonly status: "up" } | { readonly status: "down"; readonly failure: Failure };
export interface HealthOptions {
  /** Time between probes while all is well, in ms. While it is not, the next follows after half a second. */
  readonly intervalMs?: number;
  /** How long an answer may take, in ms. */
  readonly timeoutMs?: number;
  /** Called with the first result, and then only when it turns. */
  readonly onChange: (health: Health) => void;
  readonly signal: AbortSignal;
}
/** A watch that runs until its signal aborts. */
export interface HealthWatch {
  /** Asks now instead of at the next turn: for a caller that has just failed to reach the service. */
  readonly probe: () => void;
  /** Settles after the signal's abort; never rejects. */
  readonly ended: Promise<void>;
}

// ---- pods: as Kubernetes' own objects, with their status -----------------------------------------------------------

/** A way to the pods: what they are, what they print, and into them. */
export interface PodAccess {
  /** Follows objects, in Kubernetes' own form, from when they are asked for. */
  watch(options: CollectionsOptions): Collections;
  /** A log, each line behind its time stamp (RFC 3339); undefined while there is none to be read. Destroying it ends the reading. */
  openLog(container: LogTarget, query: LogQuery): Promise<Readable | undefined>;
  /** What the clock that stamps logs says now, ms since the epoch, in whole seconds; 0 when it is not known. */
  clock(options: { readonly signal: AbortSignal }): Promise<number>;
  /** One connection to a port of a pod. Throws when it is refused before it stands. */
  openTunnel(pod: PodName, port: number, options: TunnelOptions): Promise<Tunnel>;
  /** Runs a program in a container without a shell; whether it could be started shows in its output. */
  openExec(
    container: ExecTarget,
    argv: readonly string[],
    options: { readonly signal: AbortSignal },
  ): Promise<ExecStream>;
}

export type ChangeType = "ADDED" | "MODIFIED" | "DELETED";

/** One kind in one namespace, kept equal to what is there. */
export interface Collection {
  readonly kind: string;
  readonly namespace: string;
  /** By uid. */
  readonly objects: ReadonlyMap<string, KubeObject>;
  /** The first list has arrived. */
  readonly synced: boolean;
}
export interface CollectionsOptions {
  /** An object came, changed or went; `initial` for those of a first list. */
  readonly onObject: (
    type: ChangeType,
    object: KubeObject,
    previous: KubeObject | undefined,
    initial: boolean,
  ) => void;
  readonly onSync: (collection: Collection) => void;
  readonly onState: (state: "up" | "down", error?: unknown) => void;
  readonly signal: AbortSignal;
}
export interface Collections extends AsyncDisposable {
  /** Follows exactly these from now on: starts what is new, stops and forgets what is not wanted any more. */
  set(wanted: readonly { readonly kind: string; readonly namespace: string }[]): void;
  get(kind: string, namespace: string): Collection | undefined;
}

export interface PodName {
  readonly namespace: string;
  readonly name: string;
}
export interface ExecTarget {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
}
export interface LogTarget extends ExecTarget {
  /** The runtime's id of the run that is read. */
  readonly run: string;
}
export interface LogQuery {
  /** The run is the one before that which is there now. */
  readonly previous: boolean;
  readonly follow: boolean;
  readonly tailLines?: number;
  /** Only lines that are so old at most. */
  readonly sinceSeconds?: number;
  /** Only lines from then on: RFC 3339, in whole seconds. */
  readonly sinceTime?: string;
  readonly signal: AbortSignal;
}

/** One TCP connection to a port of a pod. */
export interface Tunnel {
  /** Returns false when the sender should wait for `onDrain`. */
  write(data: Buffer): boolean;
  pause(): void;
  resume(): void;
  close(): void;
}
export interface TunnelOptions {
  readonly onData: (data: Buffer) => void;
  readonly onDrain: () => void;
  /** Told once, whatever ended it. `error`: why the pod's side failed; left out when it closed in order. */
  readonly onClose: (error: Error | undefined) => void;
  readonly signal: AbortSignal;
}

/** A program that runs in a container, by its standard streams. */
export interface ExecStream extends Disposable {
  readonly input: Writable;
  /** Ends when the program does; fails with what broke the connection, or with why it could not be started. */
  readonly output: Readable;
}
