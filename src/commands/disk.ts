import type { Amount } from "../cluster/disk/image-store.js";
import type { PlaceSurvey, SurveyRequest } from "../cluster/disk/survey.js";
import { inRegistry } from "../cluster/load/registry.js";
import type { LocalRegistry } from "../cluster/providers/local-registry.js";
import type { ClusterSpec, ImageSpec } from "../engine/project.js";
import { DevloopError, toFailure } from "../lib/errors.js";
import { describeFailure } from "../lib/failure-lines.js";
import { bytes, count } from "../lib/format.js";
import { openTarget, type EngineAdapter, type Environment, type TargetAdapter } from "./session/adapters.js";

/**
 * The project's cluster as it is; one that is not there is not made. Undefined with a note where it is not found or does
 * not answer, so that a command can do the rest.
 */
export async function findTarget(
  spec: ClusterSpec,
  options: {
    readonly project: string;
    readonly engine: EngineAdapter;
    readonly env: Environment;
    readonly onNote: (message: string) => void;
    readonly signal: AbortSignal;
  },
): Promise<TargetAdapter | undefined> {
  try {
    return await openTarget(spec, { ...options, onlyExisting: true });
  } catch (error) {
    options.signal.throwIfAborted();
    if (!(error instanceof DevloopError) || error.code === "ENGINE_UNREACHABLE") throw error;
    options.onNote(describeFailure(toFailure(error)).join("\n"));
    return undefined;
  }
}

/** All names that the project's images go by: their own, and those in the cluster's registry. */
export function imageNames(
  images: readonly Pick<ImageSpec, "name">[],
  registry: LocalRegistry | undefined,
): NonNullable<SurveyRequest["names"]> {
  const hosts = registry ? [registry.host, registry.hostFromContainerRuntime ?? registry.host] : [];
  return images.flatMap(({ name }) => [name, ...new Set(hosts.map((host) => inRegistry(host, name)))]);
}

/** How many builds of each image stay, as the config has it: 0 is all of them. */
export function keptBuilds(keepImages: number): number {
  return keepImages === 0 ? Infinity : keepImages;
}

/** What a place holds, and what of it can go, in a line. */
export function placeLine({ place, choices, held, freed }: PlaceSurvey): string {
  const going = choices.filter(({ keptFor }) => keptFor === undefined).length;
  const can = going === 0 ? "none can go" : `${going} can go, which frees ${amount(freed)}`;
  return `${place}: ${count(choices.length, "build")}, ${amount(held)} that no other image has; ${can}`;
}

/** An amount in words: one that is not exact is the most that it can be. */
export function amount({ bytes: size, exact }: Amount): string {
  return exact ? bytes(size) : `up to ${bytes(size)}`;
}
