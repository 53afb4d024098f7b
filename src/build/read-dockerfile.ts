import { readFile } from "node:fs/promises";
import type { ImageSpec } from "../engine/project.js";
import { DevloopError, errorText } from "../lib/errors.js";

/** The text of an image's Dockerfile. Throws DOCKERFILE_INVALID for one that cannot be read. */
export async function readDockerfile(
  { name, dockerfile }: ImageSpec,
  options: { readonly signal?: AbortSignal } = {},
): Promise<string> {
  if (dockerfile.kind === "inline") return dockerfile.text;
  try {
    return await readFile(dockerfile.path, { encoding: "utf8", ...options });
  } catch (error) {
    options.signal?.throwIfAborted();
    const { path } = dockerfile;
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    throw new DevloopError(
      "DOCKERFILE_INVALID",
      `${name}: ${missing ? `there is no Dockerfile at ${path}` : `${path} cannot be read: ${errorText(error)}`}`,
      { cause: error, hint: "the image's `dockerfile` in devloop.yaml is relative to its context" },
    );
  }
}
