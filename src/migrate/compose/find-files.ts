import { realpath, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { DevloopError } from "../../lib/errors.js";
import type { Environment } from "./environment.js";

const fileNames = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
const overrideNames = [
  "compose.override.yml",
  "compose.override.yaml",
  "docker-compose.override.yml",
  "docker-compose.override.yaml",
];

/**
 * The absolute paths of a project's files: those given, else COMPOSE_FILE's, else the first default name in the
 * directory or the nearest one above, with the override file beside it. Throws COMPOSE_NOT_FOUND.
 */
export async function findComposeFiles(options: {
  readonly files?: readonly string[] | undefined;
  readonly cwd: string;
  /** Where the search begins. */
  readonly directory: string;
  readonly environment: Environment;
}): Promise<readonly string[]> {
  const { cwd, environment } = options;
  const given = options.files?.length ? options.files : filesOf(environment);
  if (given) return given.map((file) => localFile(file, cwd));
  for (let directory = options.directory; ; directory = dirname(directory)) {
    const file = await composeFileIn(directory);
    if (file !== undefined) {
      const override = await firstThere(directory, overrideNames);
      return override === undefined ? [file] : [file, override];
    }
    if (directory === dirname(directory)) break;
  }
  throw new DevloopError("COMPOSE_NOT_FOUND", "there is no compose file here or in any directory above", {
    hint: `go to a project that has one (${fileNames.join(", ")}), or name it with -f`,
  });
}

/** The compose file of this very directory, by Compose's default names. */
export function composeFileIn(directory: string): Promise<string | undefined> {
  return firstThere(directory, fileNames);
}

function filesOf(environment: Environment): readonly string[] | undefined {
  const named = environment.get("COMPOSE_FILE");
  if (named === undefined) return undefined;
  return named.split(environment.get("COMPOSE_PATH_SEPARATOR") ?? ":");
}

function localFile(file: string, cwd: string): string {
  if (file === "-") throw new DevloopError("USAGE", "a compose file cannot be read from standard input here");
  refuseRemote(file);
  return resolve(cwd, file);
}

/** Throws COMPOSE_INVALID for what Compose would fetch from elsewhere. */
export function refuseRemote(file: string): void {
  if (!isRemote(file)) return;
  throw new DevloopError(
    "COMPOSE_INVALID",
    `${file} is not a file of this machine: it would have to be fetched`,
    {
      hint: "fetch it first, and name the local copy",
    },
  );
}

export function isRemote(file: string): boolean {
  return /^(?:https?|git|ssh|oci):\/\/|^git@|^github\.com\//.test(file);
}

async function firstThere(directory: string, names: readonly string[]): Promise<string | undefined> {
  for (const name of names) {
    const file = join(directory, name);
    try {
      await stat(file);
      return file;
    } catch {
      // The next name.
    }
  }
  return undefined;
}

/** A project's name as Compose makes it of any text: lower case, and only letters, digits, `-` and `_`. */
export function normalizeName(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9_-]/g, "")
    .replace(/^[_-]+/, "");
}

/** The name that a project without one has: its directory's. */
export async function directoryName(directory: string): Promise<string> {
  const name = normalizeName(basename(directory));
  if (name !== "" || directory === dirname(directory)) return name;
  return normalizeName(basename(await realpath(directory)));
}
