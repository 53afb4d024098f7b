import type { WorkloadId } from "../engine/task.js";

/** What the screen cannot do by itself: whoever opens it brings these. All reject with what is to be told. */
export interface ScreenTools {
  /** Opens an address in the browser. */
  readonly open: (url: string) => Promise<void>;
  /** Writes lines to a new file whose name tells of `what`; gives back where. */
  readonly save: (what: string, lines: AsyncIterable<string>) => Promise<string>;
  /** Runs a shell in a container of the workload on this terminal, until it ends. Left out where there is no way to. */
  readonly shell?: (workload: WorkloadId) => Promise<void>;
  /** Writes what is needed to look into a problem; gives back where. */
  readonly bundle?: () => Promise<string>;
}
