import { relative, sep } from "node:path";
import { inferSync, type InferredSync } from "../../build/infer-sync.js";
import { readDockerfile } from "../../build/read-dockerfile.js";
import type { ImageSpec } from "../../engine/project.js";

/** The sync rules in force for an image, ready for `compileSync`. */
export type ImageSync = InferredSync;

/**
 * An image's sync rules: those of devloop.yaml, or those that its Dockerfile tells now. Undefined where nothing is synced.
 * Throws DOCKERFILE_INVALID for a Dockerfile that cannot be read.
 */
export async function imageSync(
  image: ImageSpec,
  options: { readonly signal?: AbortSignal } = {},
): Promise<ImageSync | undefined> {
  const { sync, context, dockerfile, target, args, contexts } = image;
  if (sync === undefined) return undefined;
  if (sync.kind === "rules") return { rules: sync.rules, rebuild: sync.rebuild, notes: [] };
  const inferred = inferSync(await readDockerfile(image, options), {
    args,
    contexts,
    ...(target === undefined ? {} : { target }),
    ignore: sync.ignore,
    then: sync.then,
    dockerfileName:
      dockerfile.kind === "inline"
        ? "dockerfileInline"
        : relative(context, dockerfile.path).split(sep).join("/"),
  });
  return { ...inferred, rebuild: [...sync.rebuild, ...inferred.rebuild] };
}
