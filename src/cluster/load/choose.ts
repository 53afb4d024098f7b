import type { ContainerEngine } from "../../engine/container-engine.js";
import type { LocalRegistry } from "../providers/local-registry.js";
import type { NodeRef } from "../providers/nodes.js";
import type { LayerMemory } from "./known-layers.js";
import type { ImageLoader } from "./loader.js";
import { nodeLoader } from "./nodes.js";
import { registryLoader } from "./registry.js";

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
