import { lstatSync, readlinkSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";

/** A directory that exists, and the name in it whose events say that something became of an awaited path. */
export interface Anchor {
  readonly directory: string;
  readonly name: string;
}

/**
 * Where to watch for a path that may not exist: its greatest existing ancestor, without looking at anything else in there.
 * A symlink has two anchors, its own and that of what it points to.
 */
export function anchorsOf(path: string): Anchor[] {
  const own = anchorOf(path);
  const target = targetOf(path);
  return target === undefined ? [own] : [own, anchorOf(target)];
}

export function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    // Not there, a circular link, or below something that may not be entered.
    return false;
  }
}

export function isSymlink(path: string): boolean {
  try {
    return lstatSync(path).isSymbolicLink();
  } catch {
    return false;
  }
}

function anchorOf(path: string): Anchor {
  let name = basename(path);
  let directory = dirname(path);
  while (!isDirectory(directory) && dirname(directory) !== directory) {
    name = basename(directory);
    directory = dirname(directory);
  }
  return { directory, name };
}

function targetOf(path: string): string | undefined {
  if (!isSymlink(path)) return undefined;
  try {
    return realpathSync(path);
  } catch {
    // Broken or circular: what it names may come to be.
    return nameInLink(path);
  }
}

function nameInLink(path: string): string | undefined {
  try {
    return resolve(dirname(path), readlinkSync(path));
  } catch {
    return undefined;
  }
}
