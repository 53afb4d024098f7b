import type { ContainerEngine } from "../engine/container-engine.js";
import type { LoadOutput, TaskProgress } from "../engine/model.js";
import type { LayerMemory } from "./load-delta.js";
import { nodeLoader } from "./load-nodes.js";
import { registryLoader } from "./load-registry.js";
import type { NodeRef } from "./nodes.js";
import type { LocalRegistry } from "./registry.js";

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

/** The way images take into a resolved cluster: its registry, else its nodes, else the engine that both share. */
export function imageLoader(
  engine: ContainerEngine,
  cluster: {
    readonly nodes: readonly NodeRef[];
    readonly registry?: LocalRegistry;
    readonly runtime?: string;
  },
  memory?: LayerMemory,
): ImageLoader {
  if (cluster.registry) return registryLoader(engine, cluster.registry);
  if (cluster.nodes.length > 0) return nodeLoader(engine, cluster.nodes, memory);
  return noLoader(cluster.runtime);
}

/**
 * For contexts whose runtime is the engine itself (Docker Desktop, minikube's docker-env): nothing to do.
 * A runtime that does not share the engine's images gets a note, since its pods will not find them.
 */
export function noLoader(runtime?: string): ImageLoader {
  return {
    load(image, { onNote, signal }) {
      signal.throwIfAborted();
      if (runtime !== undefined && !runtime.startsWith("docker:")) {
        onNote(
          `${image.ref} was not loaded: this cluster's runtime (${runtime}) may not see the engine's images; give it a registry (KEP-1755)`,
        );
      }
      return Promise.resolve({ kind: "load", ref: image.ref, nodes: [], present: [], bytes: 0 });
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
