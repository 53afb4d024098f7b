import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { loadConfig, type LoadConfigOptions, type LoadedConfig } from "../../src/config/load.js";
import { DevloopError } from "../../src/lib/errors.js";

export interface TempProject extends AsyncDisposable {
  readonly directory: string;
  load(options?: Partial<LoadConfigOptions>): Promise<LoadedConfig>;
  /** The DevloopError that loading ends with. */
  failure(options?: Partial<LoadConfigOptions>): Promise<DevloopError>;
}

/** A directory with these files; a text alone is devloop.yaml. */
export async function project(files: string | Readonly<Record<string, string>>): Promise<TempProject> {
  const directory = await mkdtemp(join(tmpdir(), "devloop-config-"));
  for (const [path, text] of Object.entries(typeof files === "string" ? { "devloop.yaml": files } : files)) {
    await mkdir(dirname(join(directory, path)), { recursive: true });
    await writeFile(join(directory, path), text);
  }
  const load = (options: Partial<LoadConfigOptions> = {}): Promise<LoadedConfig> =>
    loadConfig({ cwd: directory, profiles: [], env: {}, ...options });
  return {
    directory,
    load,
    failure: (options) => failureOf(load(options)),
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  };
}

/** The DevloopError that a promise rejects with; anything else fails the test. */
export async function failureOf(promise: Promise<unknown>): Promise<DevloopError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof DevloopError) return error;
    throw error;
  }
  throw new Error("expected a failure");
}

/** devloop.yaml with what every one needs, on lines 1 and 2. */
export function yaml(rest: string): string {
  return `version: 1\nname: demo\n${rest}`;
}
