import type { Dirent, Stats } from "node:fs";
import { lstat, readdir, readlink } from "node:fs/promises";
import { join } from "node:path";
import { DevloopError, errorText } from "../lib/errors.js";

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
  yield* walkDirectory("");

  async function* walkDirectory(directory: string): AsyncGenerator<ContextEntry> {
    const children = await orGone(directory, readdir(join(context, directory), { withFileTypes: true }));
    if (children === undefined) {
      if (directory === "") throw unreadable(context, "it does not exist");
      return;
    }
    const wanted = children.filter((child) => !leftOut(child, pathOf(directory, child))).sort(byName);
    // Some at a time: enough to keep the file system busy, without a promise for each file of a large directory at once.
    for (let at = 0; at < wanted.length; at += 32) {
      signal.throwIfAborted();
      const entries = await Promise.all(
        wanted.slice(at, at + 32).map((child) => readEntry(pathOf(directory, child))),
      );
      for (const entry of entries) {
        if (!entry) continue;
        if (!filter.matches(entry.path)) yield entry;
        if (entry.stats.isDirectory()) yield* walkDirectory(entry.path);
      }
    }
  }

  function leftOut(child: Dirent, path: string): boolean {
    return child.isDirectory() ? filter.matches(path) && filter.canSkipDirectory(path) : filter.matches(path);
  }

  async function readEntry(path: string): Promise<ContextEntry | undefined> {
    const absolute = join(context, path);
    const stats = await orGone(path, lstat(absolute));
    if (stats === undefined || !stats.isSymbolicLink()) return stats && { path, absolute, stats };
    const link = await orGone(path, readlink(absolute));
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
export async function orGone<T>(path: string, work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
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
