import type { WorkloadId } from "./task.js";

/** What a person may ask of a running loop, be it by a key, a command, or the socket. Each becomes an event. */
export interface LoopControl {
  /** Builds an image anew, or applies a deploy again; everything without a name. */
  trigger(resource?: string): void;
  /** Starts a workload's processes anew: in place where the agent is their parent, else by a rollout. */
  restart(workload: WorkloadId): void;
  pause(): void;
  resume(): void;
  /** Off: edits of synced files wait, and are told as waiting. On: they are brought. Of all images without a name. */
  setSync(on: boolean, image?: string): void;
  /** Only these images, and the deploys and workloads that have them, follow edits; the others wait. Empty: all. */
  focus(images: readonly string[]): void;
  /** Ends the loop; what is deployed keeps running. */
  stop(): void;
}

/** What a person looks at, and the state does not hold. All texts have their secrets hidden. */
export interface ResourceDetails {
  /** A workload's manifest as it was last applied, in YAML, and before that; undefined when this session applied none. */
  manifest(
    workload: WorkloadId,
    options: { readonly signal: AbortSignal },
  ): Promise<{ readonly text: string; readonly before?: string } | undefined>;
  /** What `kubectl describe` would tell: the object, its pods and their newest events. */
  describe(workload: WorkloadId, options: { readonly signal: AbortSignal }): Promise<string>;
  /** What its containers printed before their last restart, a line each; empty when none was started anew. */
  previousLogs(workload: WorkloadId, options: { readonly signal: AbortSignal }): Promise<string>;
}
