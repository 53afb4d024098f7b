import { lstatSync, readdirSync, readlinkSync } from "node:fs";
import { join, posix } from "node:path";
import { compileIgnore } from "../../lib/ignore-file.js";
import { orGone } from "../walk-context.js";

/** As many links as Linux follows for one path. */
const mostLinks = 40;

/**
 * What a build needs of a context, when BuildKit says which paths its Dockerfile copies: those paths, which may have
 * wildcards, and what symbolic links on the way lead to within the context. As fsutil does it
 * (https://github.com/tonistiigi/fsutil/blob/master/followlinks.go).
 */
export function followPaths(root: string, paths: readonly string[]): readonly string[] {
  const found = new Set<string>();
  const seen = new Set<string>();
  for (const path of paths) follow(path, 0);
  return [...found].sort();

  function follow(path: string, links: number): void {
    const clean = within(path);
    if (seen.has(clean) || links > mostLinks) return;
    seen.add(clean);
    const parts = clean.split("/");
    for (const [index, part] of parts.entries()) {
      const current = [...parts.slice(0, index), part].join("/");
      const targets = linkTargets(root, current);
      if (targets.length === 0) continue;
      found.add(current);
      for (const target of targets) follow([target, ...parts.slice(index + 1)].join("/"), links + 1);
      if (!hasWildcard(part)) return;
    }
    found.add(clean);
  }
}

/** Where the links go that a path names: several, where its last part has wildcards. */
function linkTargets(root: string, path: string): readonly string[] {
  const directory = posix.dirname(path);
  const last = posix.basename(path);
  if (!hasWildcard(last)) return linkTarget(root, path);
  const names = orGone(path, () => readdirSync(join(root, directory))) ?? [];
  const wanted = compileIgnore([last]);
  return names
    .filter((name) => wanted.matches(name))
    .flatMap((name) => linkTarget(root, posix.join(directory, name)));
}

function linkTarget(root: string, path: string): readonly string[] {
  const absolute = join(root, path);
  const isLink = orGone(path, () => lstatSync(absolute).isSymbolicLink()) ?? false;
  const link = isLink ? orGone(path, () => readlinkSync(absolute)) : undefined;
  if (link === undefined) return [];
  // The context is the root of all that is in it.
  return [link.startsWith("/") ? within(link) : within(posix.join(posix.dirname(path), link))];
}

/** Relative to the context, and never above it. */
function within(path: string): string {
  return posix.join("/", path).slice(1).replace(/\/$/, "");
}

function hasWildcard(name: string): boolean {
  return /[*?[\\]/.test(name);
}
