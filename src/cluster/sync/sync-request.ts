import type { RunningContainer } from "../../engine/container.js";
import type { SyncTree } from "./tree.js";

export interface SyncRequest {
  readonly image: string;
  /** As it is now: it may change while it is sent. */
  readonly tree: () => SyncTree;
  readonly containers: readonly RunningContainer[];
  /** The names of all files that may have come into the containers since their image was built, or with it. */
  readonly former: Iterable<string>;
  /** The image was built from these very files: building it again would not help. */
  readonly fresh: boolean;
}

export interface SyncContext {
  readonly signal: AbortSignal;
  readonly onOutput: (lines: readonly string[]) => void;
  readonly onNote: (message: string) => void;
}
