import { readFile } from "node:fs/promises";
import type { ImageSpec, SecretSource } from "../engine/project.js";
import { DevloopError, errorText } from "../lib/errors.js";

/** The values of an image's build secrets, by id. Throws BUILD_FAILED for one that is not there. */
export async function readSecrets(
  { name, secrets }: ImageSpec,
  options: {
    /** A variable's value: of the environment, else of `.env`. */
    readonly variable: (name: string) => string | undefined;
    readonly signal: AbortSignal;
  },
): Promise<ReadonlyMap<string, Buffer>> {
  const read = Object.entries(secrets).map(async ([id, source]) => {
    return [id, await readSecret(`${name}: secret ${id}`, source, options)] as const;
  });
  return new Map(await Promise.all(read));
}

async function readSecret(
  what: string,
  source: SecretSource,
  { variable, signal }: Parameters<typeof readSecrets>[1],
): Promise<Buffer> {
  if (source.kind === "env") {
    const value = variable(source.name);
    if (value !== undefined) return Buffer.from(value);
    throw new DevloopError("BUILD_FAILED", `${what}: ${source.name} is not set`, {
      hint: `export ${source.name}=…, or put it into .env beside devloop.yaml`,
    });
  }
  try {
    return await readFile(source.path, { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw new DevloopError("BUILD_FAILED", `${what}: ${source.path} cannot be read: ${errorText(error)}`, {
      cause: error,
      hint: "is the secret's `file` in devloop.yaml right? it is relative to devloop.yaml",
    });
  }
}
