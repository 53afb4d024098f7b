import { readFile, stat } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { DevloopError, errorText } from "../lib/errors.js";

const fileNames = ["devloop.yaml", "devloop.yml"];

/**
 * The absolute path of the project's file: `file` when given, else devloop.yaml (or .yml) in `cwd` or the nearest
 * directory above it. Throws CONFIG_NOT_FOUND.
 */
export async function findConfig({
  file,
  cwd,
}: {
  readonly file?: string | undefined;
  readonly cwd: string;
}): Promise<string> {
  if (file !== undefined) {
    const named = resolve(cwd, file);
    if (await isFile(named)) return named;
    throw new DevloopError("CONFIG_NOT_FOUND", `there is no file ${file}`, {
      hint: "name an existing devloop.yaml, or leave --file out to find one here or in a directory above",
    });
  }
  for (let directory = resolve(cwd); ; directory = dirname(directory)) {
    const found = await configIn(directory);
    if (found !== undefined) return found;
    if (directory === dirname(directory)) break;
  }
  throw new DevloopError("CONFIG_NOT_FOUND", "there is no devloop.yaml here or in any directory above", {
    hint: "devloop init writes one for the project in this directory; or name one with --file",
  });
}

/** The path of the project's file in this very directory. */
export async function configIn(directory: string): Promise<string | undefined> {
  for (const name of fileNames) {
    const candidate = join(directory, name);
    if (await isFile(candidate)) return candidate;
  }
  return undefined;
}

/** A file's text. Throws CONFIG_INVALID when it cannot be read; `absent` is the answer for a file that is not there. */
export async function readText(
  file: string,
  { cwd, absent }: { readonly cwd: string; readonly absent?: string },
): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    // A directory called .env (a Python environment, say) is not ours to read.
    if (absent !== undefined && (code === "ENOENT" || code === "EISDIR")) return absent;
    throw new DevloopError(
      code === "ENOENT" ? "CONFIG_NOT_FOUND" : "CONFIG_INVALID",
      `could not read ${relative(cwd, file)}: ${errorText(error)}`,
      { cause: error },
    );
  }
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch {
    // Not there, or not ours to look at: either way not the project's file.
    return false;
  }
}
