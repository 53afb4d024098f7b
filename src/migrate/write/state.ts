import { readFile } from "node:fs/promises";
import { join, posix } from "node:path";
import { z } from "zod";
import type { Written } from "./plan-writes.js";

/** Below the output directory: what was generated last. It goes into the repository, with the files. */
export const stateFile = "k8s/.devloop-migrate.json";

/**
 * The same of files that hold secrets, which git ignores as it does those: a hash lets a short value be guessed. A
 * clone has neither.
 */
export const secretStateFile = "k8s/overlays/dev/secrets/.devloop-migrate.json";

const version = { hash: z.string(), text: z.string().optional() };
const stateSchema = z.strictObject({
  version: z.literal(1),
  project: z.string().optional(),
  files: z.record(
    z.string().refine(isOwnPath),
    z.strictObject({
      ...version,
      hash: version.hash.optional(),
      beside: z.strictObject(version).optional(),
    }),
  ),
});

/** The project's name at the last run: a clone's directory may be called otherwise. */
export async function readProjectName(out: string): Promise<string | undefined> {
  const content = await readIfThere(join(out, stateFile));
  return content === undefined ? undefined : parse(Buffer.from(content).toString("utf8"))?.project;
}

/** What was generated last, and which of its files are there but are not what devloop migrate wrote. */
export async function readState(
  out: string,
): Promise<{ readonly before: Written; readonly unreadable: readonly string[] }> {
  const states = await Promise.all(
    [stateFile, secretStateFile].map(async (path) => {
      const content = await readIfThere(join(out, path));
      return {
        path,
        files: content === undefined ? {} : parse(Buffer.from(content).toString("utf8"))?.files,
      };
    }),
  );
  return {
    before: Object.assign({}, ...states.map(({ files }) => files)) as Written,
    unreadable: states.flatMap(({ path, files }) => (files === undefined ? [path] : [])),
  };
}

/** The state to write, in its two files; the second only where there are secrets. */
export function stateFiles(
  project: string,
  written: Written,
  secrets: ReadonlySet<string>,
): readonly { readonly path: string; readonly content: string; readonly secret: boolean }[] {
  const part = (path: string, secret: boolean) => {
    const files = Object.entries(written).filter(([name]) => secrets.has(name) === secret);
    const head = { version: 1, ...(secret ? {} : { project }) };
    const content = `${JSON.stringify({ ...head, files: Object.fromEntries(files) }, null, 1)}\n`;
    return { path, content, secret };
  };
  return [part(stateFile, false), ...(secrets.size > 0 ? [part(secretStateFile, true)] : [])];
}

function parse(text: string): { readonly project?: string; readonly files: Written } | undefined {
  try {
    // The type only knows keys that are not there, where the schema's may be undefined: JSON has none of those.
    return stateSchema.parse(JSON.parse(text)) as { readonly project?: string; readonly files: Written };
  } catch {
    return undefined;
  }
}

/** Whether a path is one that a migration writes: a state from a repository may name any, to have it removed. */
function isOwnPath(path: string): boolean {
  if (path === "devloop.yaml" || path === "MIGRATION.md") return true;
  return path.startsWith("k8s/") && posix.normalize(path) === path && !/[\\\0]|\/$/.test(path);
}

/** The bytes of a file; undefined when there is none. */
export async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR"))
      return undefined;
    throw error;
  }
}
