import { createHash } from "node:crypto";
import { mkdir, readdir, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { homeDirectory } from "../../lib/home.js";
import type { Environment } from "./adapters.js";

/** Where a session keeps something about the project at `root` for later ones. */
export function statePath(root: string, env: Environment, name: string): string {
  return join(stateDirectory(env), projectDirectory(root), name);
}

/** The file of that name of every project that has one. */
export async function stateFiles(
  name: string,
  env: Environment,
): Promise<readonly { readonly project: string; readonly path: string }[]> {
  const directory = stateDirectory(env);
  const projects = await readdir(directory).catch(() => []);
  return projects.map((project) => ({
    project: project.replace(/-[0-9a-f]{12}$/, ""),
    path: join(directory, project, name),
  }));
}

/** Writes JSON, whole or not at all. */
export async function writeState(path: string, content: object): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${process.pid}`;
  await writeFile(temporary, JSON.stringify(content), { mode: 0o600 });
  await rename(temporary, path);
}

/** https://specifications.freedesktop.org/basedir-spec: state that survives restarts and is of no use elsewhere. */
function stateDirectory(env: Environment): string {
  return join(
    env["XDG_STATE_HOME"] ? env["XDG_STATE_HOME"] : join(homeDirectory(env), ".local", "state"),
    "devloop",
  );
}

function projectDirectory(root: string): string {
  const name = root.split(/[/\\]/).at(-1) ?? "project";
  return `${name}-${createHash("sha256").update(root).digest("hex").slice(0, 12)}`;
}
