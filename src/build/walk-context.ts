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
 * Walks a build context: a directory before what is in it, names in byte order, links not followed. A directory that is
 * left out travels all the same when something in it does. What vanishes on the way is left out. Throws CONTEXT_UNREADABLE for what may not be read.
 */
export async function* walkContext(
  context: string,
  filter: ContextFilter,
  { signal }: { readonly signal: AbortSignal },
): AsyncGenerator<ContextEntry> {
  // Read synchronously, with rests: a promise for each call would take ten times as long as the call.
  const pace = createPacer();
  /** Directories that stay behind themselves, on the way to where we are: they travel when something in them does. */
  const above: ContextEntry[] = [];
  yield* walkDirectory("");

  async function* walkDirectory(directory: string): AsyncGenerator<ContextEntry> {
    const children = orGone(directory, () => readdirSync(join(context, directory), { withFileTypes: true }));
    if (children === undefined) {
      if (directory === "") throw missingContext(context, "it does not exist");
      return;
    }
    const wanted = sorted(children.filter((child) => !leftOut(child, pathOf(directory, child))));
    for (const child of wanted) {
      const rest = pace();
      if (rest !== undefined) await rest;
      signal.throwIfAborted();
      const path = pathOf(directory, child);
      const entry = readEntry(path);
      // What stands for bytes that are not UTF-8 names nothing.
      if (!entry && child.name.includes("\uFFFD")) throw unreadable(path, "its name is not UTF-8");
      if (!entry) continue;
      const stays = filter.matches(entry.path);
      if (!stays) {
        yield* above.splice(0);
        yield entry;
      }
      if (!entry.stats.isDirectory()) continue;
      if (stays) above.push(entry);
      yield* walkDirectory(entry.path);
      if (above.at(-1) === entry) above.pop();
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

/** In the order of their bytes, which is that of their characters but for those beyond the basic plane. */
function sorted(children: Dirent[]): Dirent[] {
  const odd = children.some(({ name }) => /[\ud800-\uffff]/.test(name));
  return children.sort((one, other) =>
    odd ? Buffer.compare(Buffer.from(one.name), Buffer.from(other.name)) : one.name < other.name ? -1 : 1,
  );
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

/** CONTEXT_UNREADABLE for a context that is not there. */
export function missingContext(context: string, why: string): DevloopError {
  return new DevloopError("CONTEXT_UNREADABLE", `the build context ${context} cannot be sent: ${why}`, {
    hint: "is the image's `context` (or `contexts`) in devloop.yaml right?",
  });
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
