import { readdir } from "node:fs/promises";
import { join } from "node:path";

/** What tools fill and people do not write; a project's own manifests do not lie there. */
const skipped: ReadonlySet<string> = new Set([
  "node_modules",
  "vendor",
  "dist",
  "target",
  "coverage",
  "testdata",
  "venv",
  "__pycache__",
]);
/** Deep enough for any layout that people keep in their heads. */
const maxDepth = 8;

/**
 * The files of a project, relative to it with slashes, sorted. Hidden directories, those that tools fill and links are
 * not entered; what cannot be read is as if it were not there.
 */
export async function listFiles(
  root: string,
  { signal }: { readonly signal: AbortSignal },
): Promise<readonly string[]> {
  const files: string[] = [];
  async function enter(directory: string, depth: number): Promise<void> {
    signal.throwIfAborted();
    const entries = await readdir(join(root, directory), { withFileTypes: true }).catch(() => []);
    for (const entry of entries) {
      const path = directory === "" ? entry.name : `${directory}/${entry.name}`;
      if (entry.isFile()) files.push(path);
      const isOwn = entry.isDirectory() && !entry.name.startsWith(".") && !skipped.has(entry.name);
      if (isOwn && depth < maxDepth) await enter(path, depth + 1);
    }
  }
  await enter("", 0);
  return files.sort();
}
