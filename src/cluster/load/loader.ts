import type { LoadOutput, TaskProgress } from "../../engine/model.js";

/** An image of the engine's. */
export interface LoadImage {
  /** `monitor-agent:devloop-0123456789abcdef`. */
  readonly ref: string;
  /** The engine's id, `sha256:…`. */
  readonly imageId: string;
}
export interface LoadOptions {
  readonly onProgress: (progress: TaskProgress) => void;
  readonly onNote: (message: string) => void;
  readonly signal: AbortSignal;
}

/** Brings an image to where the cluster's pods start from. Disposing ends what it does in the background. */
export interface ImageLoader extends AsyncDisposable {
  /**
   * Resolves once every node has it, verified by digest. Throws LOAD_FAILED with the runtime's own words,
   * NODE_UNREACHABLE naming the nodes that do not answer, ENGINE_UNREACHABLE.
   */
  load(image: LoadImage, options: LoadOptions): Promise<LoadOutput>;
}
