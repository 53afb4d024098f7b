import type { LoadOutput } from "../../engine/task.js";
import type { LoadImage, WorkOptions } from "../../engine/target.js";

/** Brings an image to where the cluster's pods start from. Disposing ends what it does in the background. */
export interface ImageLoader extends AsyncDisposable {
  /**
   * Resolves once every node has it, verified by digest. Throws LOAD_FAILED with the runtime's own words,
   * NODE_UNREACHABLE naming the nodes that do not answer, ENGINE_UNREACHABLE.
   */
  load(image: LoadImage, options: WorkOptions): Promise<LoadOutput>;
}
