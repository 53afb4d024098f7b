import type { Duplex } from "node:stream";
import type { EngineContainers } from "../engine-containers.js";
import type { FindConfig } from "./objects.js";
import type { ObjectStore } from "./object-store.js";

/** What all pods of a project share. */
export interface PodHost {
  readonly project: string;
  readonly network: string;
  /** The image of the pods' own program. */
  readonly podImage: string;
  readonly containers: EngineContainers;
  readonly store: ObjectStore;
  readonly find: FindConfig;
  /** Fetches an image that the engine does not have. Throws with the registry's words. */
  ensureImage(ref: string, options: { readonly signal: AbortSignal }): Promise<void>;
  exec(
    container: string,
    argv: readonly string[],
    options: { readonly signal: AbortSignal },
  ): Promise<{ readonly exitCode: number; readonly output: string }>;
  /** A connection to a port of a pod, from here. */
  dial(
    to: { readonly hold: string; readonly address: string; readonly port: number },
    options: { readonly signal: AbortSignal },
  ): Promise<Duplex>;
}

/** The start of all names that a project's things have on the engine. */
export function prefixOf(project: string): string {
  return `devloop-${project}`;
}
