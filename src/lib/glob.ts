import { readdir, stat } from "node:fs/promises";
import path from "node:path";

/**
 * The files under `root` that match `pattern`, as sorted absolute paths. `*` and `?` stay within a name, `**` crosses
 * directories, `{a,b}` is either; a name's leading dot must be written out, and `**` does not enter node_modules.
 * A directory that does not exist matches nothing.
 */
export async function globFiles(root: string, pattern: string): Promise<string[]> {
  const found = new Set<string>();
  for (const plain of expandBraces(pattern)) {
    const { directory, segments } = split(root, plain);
    await descend(directory, segments, found);
  }
  return [...found].sort();
}

/** The directories a glob starts from: what has to be watched for a new match. */
export function globDirectories(root: string, pattern: string): string[] {
  return [...new Set(expandBraces(pattern).map((plain) => split(root, plain).directory))];
}

/** `a{b,c}d` as `abd` and `acd`; nested braces too. A brace without a comma or an end is an ordinary character. */
export function expandBraces(pattern: string): string[] {
  for (let open = pattern.indexOf("{"); open >= 0; open = pattern.indexOf("{", open + 1)) {
    const group = alternatives(pattern, open);
    if (!group) continue;
    const [before, after] = [pattern.slice(0, open), pattern.slice(group.end + 1)];
    return group.parts.flatMap((part) => expandBraces(before + part + after));
  }
  return [pattern];
}

function alternatives(pattern: string, open: number): { parts: string[]; end: number } | undefined {
  const parts: string[] = [];
  let depth = 0;
  let start = open + 1;
  for (let at = open; at < pattern.length; at++) {
    const character = pattern[at];
    if (character === "{") depth++;
    if (character === "," && depth === 1) {
      parts.push(pattern.slice(start, at));
      start = at + 1;
    }
    if (character === "}" && --depth === 0) {
      return parts.length === 0 ? undefined : { parts: [...parts, pattern.slice(start, at)], end: at };
    }
  }
  return undefined;
}

/** The part of a pattern without wildcards is a directory; the rest is matched name by name. */
function split(root: string, pattern: string): { directory: string; segments: string[] } {
  const segments = pattern.split("/").filter((segment, at) => segment !== "" || at === 0);
  const first = segments.findIndex((segment) => /[*?]/.test(segment));
  const fixed = first < 0 ? segments.length - 1 : first;
  const directory = segments.slice(0, fixed).join("/") || (pattern.startsWith("/") ? "/" : ".");
  return { directory: path.resolve(root, directory), segments: segments.slice(fixed) };
}

async function descend(directory: string, segments: readonly string[], found: Set<string>): Promise<void> {
  const [segment, ...rest] = segments;
  if (segment === undefined) return;
  if (segment === "**") {
    await descend(directory, rest.length === 0 ? ["*"] : rest, found);
    for (const entry of await list(directory)) {
      // A link to a directory is not entered: it could lead back up.
      if (!entry.isDirectory() || entry.name.startsWith(".") || entry.name === "node_modules") continue;
      await descend(path.join(directory, entry.name), segments, found);
    }
    return;
  }
  const names = /[*?]/.test(segment)
    ? (await list(directory)).map((entry) => entry.name).filter(nameMatcher(segment))
    : [segment];
  for (const name of names) {
    const child = path.join(directory, name);
    if (rest.length > 0) await descend(child, rest, found);
    else if (await isFile(child)) found.add(child);
  }
}

function nameMatcher(segment: string): (name: string) => boolean {
  const source = segment
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replace(/\*+/g, ".*")
    .replace(/\?/g, ".");
  const expression = new RegExp(`^${source}$`, "s");
  return (name) => expression.test(name) && (segment.startsWith(".") || !name.startsWith("."));
}

async function list(directory: string) {
  try {
    return await readdir(directory, { withFileTypes: true });
  } catch {
    return [];
  }
}

async function isFile(file: string): Promise<boolean> {
  try {
    return (await stat(file)).isFile();
  } catch {
    return false;
  }
}
