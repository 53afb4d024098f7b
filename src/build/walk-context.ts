import { type Dirent, lstatSync, readdirSync, readlinkSync, type Stats } from "node:fs";
import { join } from "node:path";
import { DevloopError, errorText } from "../lib/errors.js";
import { createPacer } from "../lib/pacer.js";

/** Which paths of a context do not travel; as `compileIgnore` makes it. */
export interface ContextFilter {
  /** Whether a path, relative and with slashes, stays behind. */
  matches(path: string): boolean;
  /** Whether a directory stays behind with everything in it. */
  canSkipDirectory(path: string): boolean;
}

/** One thing in a build context that travels. */
export interface ContextEntry {
  /** Relative to the context, with slashes. */
  readonly path: string;
  readonly absolute: string;
  readonly stats: Stats;
  /** Where a symbolic link points to. */
  readonly link?: string;
}

/**
 * Walks a build context: a directory before what is in it, names in byte order, links not followed. What vanishes on the
 * way is left out. Throws CONTEXT_UNREADABLE for what may not be read.
 */
export async function* walkContext(
  context: string,
  filter: ContextFilter,
  { signal }: { readonly signal: AbortSignal },
): AsyncGenerator<ContextEntry> {
  // Read synchronously, with rests: a promise for each call would take ten times as long as the call.
  const pace = createPacer();
  yield* walkDirectory("");

  async function* walkDirectory(directory: string): AsyncGenerator<ContextEntry> {
    const children = orGone(directory, () => readdirSync(join(context, directory), { withFileTypes: true }));
    if (children === undefined) {
      if (directory === "") throw unreadable(context, "it does not exist");
      return;
    }
    const wanted = children.filter((child) => !leftOut(child, pathOf(directory, child))).sort(byName);
    for (const child of wanted) {
      const rest = pace();
      if (rest !== undefined) await rest;
      signal.throwIfAborted();
      const entry = readEntry(pathOf(directory, child));
      if (!entry) continue;
      if (!filter.matches(entry.path)) yield entry;
      if (entry.stats.isDirectory()) yield* walkDirectory(entry.path);
    }
  }

  function leftOut(child: Dirent, path: string): boolean {
    return child.isDirectory() ? filter.matches(path) && filter.canSkipDirectory(path) : filter.matches(path);
  }

  function readEntry(path: string): ContextEntry | undefined {
    const absolute = join(context, path);
    const stats = orGone(path, () => lstatSync(absolute));
    if (stats === undefined || !stats.isSymbolicLink()) return stats && { path, absolute, stats };
    const link = orGone(path, () => readlinkSync(absolute));
    return link === undefined ? undefined : { path, absolute, stats, link };
  }
}

function pathOf(directory: string, child: Dirent): string {
  return directory === "" ? child.name : `${directory}/${child.name}`;
}

function byName(one: Dirent, other: Dirent): number {
  return Buffer.compare(Buffer.from(one.name), Buffer.from(other.name));
}

/** The result, or undefined for what has gone since it was listed. */
export function orGone<T>(path: string, work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR" || code === "EINVAL" || code === "ELOOP") return undefined;
    throw unreadable(path, errorText(error), error);
  }
}

/** CONTEXT_UNREADABLE for a path of the context. */
export function unreadable(path: string, why: string, cause?: unknown): DevloopError {
  return new DevloopError(
    "CONTEXT_UNREADABLE",
    `${path || "the build context"} cannot be sent to the build: ${why}`,
    {
      cause,
      hint: "make it readable, or leave it out with a line in .dockerignore",
    },
  );
}
