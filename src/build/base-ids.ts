import type { ContainerEngine } from "../engine/container-engine.js";
import { type BaseOptions, dockerfileReferences } from "./dockerfile.js";

/**
 * The images from outside that a Dockerfile builds on, each with its id in the engine, or undefined when the engine does
 * not have it. Two builds of the same files with the same ids give the same image. Throws ENGINE_UNREACHABLE.
 */
export async function externalBaseIds(
  dockerfile: string,
  options: BaseOptions,
  engine: Pick<ContainerEngine, "image">,
  { signal }: { readonly signal: AbortSignal },
): Promise<Readonly<Record<string, string | undefined>>> {
  const refs = dockerfileReferences(dockerfile, options);
  const ids = await Promise.all(
    refs.map(async (ref) => [ref, (await engine.image(ref, { signal }))?.id] as const),
  );
  return Object.fromEntries(ids);
}
