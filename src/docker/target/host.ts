import type { EngineContainers } from "../engine-containers.js";
import type { PodDialer, Programs } from "./dial.js";
import type { ContainerSpec, FindConfig } from "./objects.js";
import type { ObjectStore } from "./object-store.js";

/** The engine's machine, as pods are told of it. */
export interface Machine {
  readonly cpus: number;
  /** In bytes. */
  readonly memory: number;
  /** Where pods reach it. */
  readonly address: string;
}

/** What all pods of a project share. */
export interface PodHost {
  readonly project: string;
  readonly network: string;
  readonly machine: Machine;
  /** The image of the pods' own program. */
  readonly podImage: string;
  readonly containers: EngineContainers;
  readonly store: ObjectStore;
  readonly find: FindConfig;
  /** For pods of older templates: what they were made with as well. */
  readonly findFormer: FindConfig;
  /** Paths of the engine's machine that pods may have. */
  readonly hostPaths: readonly string[];
  /** Whether the engine mounts a part of a volume (`subPath`); one that does not know how mounts the whole, without a word. */
  readonly mountsParts: boolean;
  /**
   * Fetches an image as the policy says; left out: when the engine does not have it. Returns the user that it runs as, as the image says
   * it. Throws PodConfigError with the registry's words.
   */
  ensureImage(
    ref: string,
    policy: ContainerSpec["imagePullPolicy"],
    options: { readonly signal: AbortSignal },
  ): Promise<{ readonly user: string }>;
  readonly programs: Programs;
  /** Connections to ports of pods, from here. */
  readonly dialer: PodDialer;
}

/** The start of all names that a project's things have on the engine. */
export function prefixOf(project: string): string {
  return `devloop-${project}`;
}
