import { hash } from "node:crypto";
import { readdirSync } from "node:fs";
import { basename, dirname, sep } from "node:path";
import { createPacer } from "../lib/pacer.js";
import { kindOf, readEntry, type Entry, type Member } from "./read-entry.js";
import {
  callersPath,
  isTreeMember,
  isTreeVisited,
  memberKey,
  pathInTree,
  type CompiledScope,
} from "./scope.js";
import { isNeverWatched } from "./temp-files.js";

/** A scope whose content is new. */
export interface ScopeRevision {
  readonly id: string;
  /** Equal for equal content: the paths, bytes, executable bits and link targets of all members. */
  readonly revision: string;
  /** Absolute paths that differ from the last report; [] in a scope's first. */
  readonly changed: readonly string[];
  /** What each member is now, by its absolute path, for a scope that is listed: goes on to change with later updates. */
  readonly members?: ReadonlyMap<string, Member>;
}

export interface ContentIndexOptions {
  /** Called before a directory is listed; what changes after it resolves must be told by `update`. Must not reject. */
  readonly beforeListing?: (directory: string, ino: number) => Promise<void>;
  /** A directory left the index. */
  readonly onDirectoryGone?: (directory: string) => void;
  readonly signal: AbortSignal;
}

/** What is to be looked at again. */
export interface IndexUpdate {
  /** Paths that something happened to: files are read again, directories listed again with all below. */
  readonly paths?: Iterable<string>;
  /** Look at everything. */
  readonly all?: boolean;
  /** Scopes that replace those in force. Kept objects are known to be unchanged. */
  readonly scopes?: readonly CompiledScope[];
}

/**
 * The content of all scopes, as last seen: one record a path, however many scopes share it. A scope's revision is a sum over
 * its members' hashes, so that a save costs one file's hash and not a pass over all of them.
 *
 * Reads synchronously, in slices of some milliseconds: for the small files of a source tree that takes a fifth of the
 * CPU time of asynchronous reads. `update` must not run twice at once.
 */
export interface ContentIndex {
  update(update: IndexUpdate): Promise<readonly ScopeRevision[]>;
  /** A change of this path may matter to a tree. */
  concerns(path: string): boolean;
  isDirectory(path: string): boolean;
  stats: () => { files: number; directories: number };
}

export function createContentIndex(options: ContentIndexOptions): ContentIndex {
  const { signal } = options;
  const entries = new Map<string, Entry>();
  /** The names in each listed directory that are in `entries`. */
  const listings = new Map<string, Set<string>>();
  /** The followed content of single files. */
  const singles = new Map<string, Entry>();
  let scopes: ScopeContent[] = [];
  const pace = createPacer();

  async function update({ paths, all, scopes: next }: IndexUpdate): Promise<readonly ScopeRevision[]> {
    const moved = next === undefined ? [] : await takeScopes(next);
    /** Directories listed in this update: trees may overlap. */
    const listed = new Set<string>();
    const rescan = all === true ? scopes : moved;
    for (const root of unique(rescan.flatMap(({ scope }) => scope.trees.map((tree) => tree.real)))) {
      await visit(root, { listed, force: false });
    }
    for (const path of paths ?? []) await visit(knownTop(path), { listed, force: true });
    const files = unique(scopes.flatMap(({ scope }) => scope.files));
    const touched = new Set(paths ?? []);
    for (const file of files) {
      await visitSingle(file, { force: touched.has(file) });
    }
    for (const content of moved) await recount(content);
    return scopes.flatMap((content) => report(content) ?? []);
  }

  /** Puts the new scopes in force and returns those whose members have to be found anew. */
  async function takeScopes(next: readonly CompiledScope[]): Promise<ScopeContent[]> {
    const before = new Map(scopes.map((content) => [content.scope.id, content]));
    const moved: ScopeContent[] = [];
    const kept: ScopeContent[] = [];
    for (const scope of next) {
      const known = before.get(scope.id);
      if (known?.scope === scope) {
        kept.push(known);
        continue;
      }
      const content: ScopeContent = {
        scope,
        sum: undefined,
        members: scope.listed ? new Map<string, Member>() : undefined,
        reported: known?.reported,
        // Membership changes with the rules: what was reported is kept path by path until the members are known again.
        touched: known === undefined ? new Map<string, undefined>() : await membersOf(known.scope),
      };
      for (const [path, fingerprint] of known?.touched ?? []) content.touched.set(path, fingerprint);
      moved.push(content);
      kept.push(content);
    }
    scopes = kept;
    dropUnwanted();
    return moved;
  }

  function dropUnwanted(): void {
    for (const [path, { kind }] of [...entries]) {
      // Children of a removed directory are gone already.
      if (entries.has(path) && !isWanted(path, kind === "directory")) remove(path);
    }
    const files = new Set(scopes.flatMap(({ scope }) => scope.files));
    for (const file of [...singles.keys()]) if (!files.has(file)) singles.delete(file);
  }

  /** The highest directory above a path that is not listed yet: a new directory is read as a whole. */
  function knownTop(path: string): string {
    let top = path;
    for (let parent = dirname(top); parent !== top && !listings.has(parent); parent = dirname(top)) {
      if (entries.has(top) || !isVisited(parent)) break;
      top = parent;
    }
    return top;
  }

  /** Reads what is at a path now, with everything below it. */
  async function visit(
    top: string,
    { listed, force }: { listed: Set<string>; force: boolean },
  ): Promise<void> {
    if (!isWanted(top, true)) return;
    const waiting = [top];
    // Listed only when nothing else waits: by then their watches, begun together, stand.
    const opened: { readonly path: string; readonly ready: Promise<void> | undefined }[] = [];
    for (;;) {
      const rest = pace();
      if (rest !== undefined) await rest;
      signal.throwIfAborted();
      const path = waiting.pop();
      if (path === undefined) {
        const directory = opened.pop();
        if (directory === undefined) return;
        await directory.ready;
        waiting.push(...listAgain(directory.path));
        continue;
      }
      if (listed.has(path)) continue;
      const read = readEntry(path, entries.get(path), { force: force && path === top });
      const entry = read instanceof Promise ? await read : read;
      if (entry === undefined || !isWanted(path, entry.kind === "directory")) {
        remove(path);
        continue;
      }
      put(path, entry);
      if (entry.kind !== "directory") continue;
      listed.add(path);
      opened.push({ path, ready: options.beforeListing?.(path, entry.ino) });
    }
  }

  /** Lists a directory, drops what has left it, and returns the paths in it that are to be read. */
  function listAgain(directory: string): string[] {
    const wanted: string[] = [];
    const names = new Set<string>();
    for (const [name, isDirectory] of list(directory)) {
      const child = childOf(directory, name);
      if (!isWanted(child, isDirectory)) continue;
      wanted.push(child);
      names.add(name);
    }
    const before = listings.get(directory);
    for (const name of before ?? []) if (!names.has(name)) remove(childOf(directory, name));
    if (before === undefined) listings.set(directory, new Set());
    return wanted;
  }

  function isWanted(path: string, directory: boolean): boolean {
    return isMember(path) || (directory && isVisited(path));
  }

  function isVisited(path: string): boolean {
    return scopes.some(({ scope }) => scope.trees.some((tree) => isTreeVisited(tree, path)));
  }

  function isMember(path: string): boolean {
    return scopes.some(({ scope }) => scope.trees.some((tree) => isTreeMember(tree, path)));
  }

  async function visitSingle(file: string, { force }: { force: boolean }): Promise<void> {
    const rest = pace();
    if (rest !== undefined) await rest;
    const known = singles.get(file);
    const shared = entries.get(file);
    // A regular file that a tree has read just now is not read again.
    const read = shared?.kind === "file" ? shared : readEntry(file, known, { force, follow: true });
    const entry = read instanceof Promise ? await read : read;
    if (entry === undefined) singles.delete(file);
    else singles.set(file, entry);
    if (entry?.fingerprint === known?.fingerprint) return;
    for (const content of scopes) {
      if (content.scope.files.includes(file)) {
        count(content, { path: file, key: singleKey(content.scope, file) }, known?.fingerprint, entry);
      }
    }
  }

  function put(path: string, entry: Entry): void {
    const known = entries.get(path);
    if (known === entry) return;
    if (known?.kind === "directory" && entry.kind !== "directory") remove(path);
    entries.set(path, entry);
    listings.get(dirname(path))?.add(basename(path));
    changed(path, known?.fingerprint, entry);
  }

  function remove(path: string): void {
    const known = entries.get(path);
    if (known === undefined) return;
    for (const name of listings.get(path) ?? []) remove(childOf(path, name));
    entries.delete(path);
    listings.get(dirname(path))?.delete(basename(path));
    if (known.kind === "directory") {
      listings.delete(path);
      options.onDirectoryGone?.(path);
    }
    changed(path, known.fingerprint, undefined);
  }

  function changed(path: string, before: string | undefined, after: Entry | undefined): void {
    if (before === after?.fingerprint) return;
    for (const content of scopes) {
      if (content.sum === undefined) continue;
      for (const [index, tree] of content.scope.trees.entries()) {
        // A link in a file's place may be another scope's.
        const was = before !== undefined && isTreeMember(tree, path, kindOf(before)) ? before : undefined;
        const is = after && isTreeMember(tree, path, after.kind) ? after : undefined;
        if (was === is) continue;
        count(content, { path: callersPath(tree, path), key: treeKey(content.scope, index, path) }, was, is);
      }
    }
  }

  /** Finds a scope's members from what is known, for its sum. */
  async function recount(content: ScopeContent): Promise<void> {
    const before = content.touched;
    const now = new Map<string, string>();
    let sum = 0n;
    content.members?.clear();
    await eachMember(content.scope, (path, key, entry) => {
      const { fingerprint } = entry;
      sum += digest(key, fingerprint);
      content.members?.set(path, entry);
      if (content.reported === undefined) return;
      now.set(path, fingerprint);
      if (!before.has(path)) before.set(path, undefined);
    });
    for (const [path, fingerprint] of before) if (now.get(path) === fingerprint) before.delete(path);
    content.sum = sum;
  }

  async function membersOf(scope: CompiledScope): Promise<Map<string, string | undefined>> {
    const members = new Map<string, string | undefined>();
    await eachMember(scope, (path, _key, { fingerprint }) => members.set(path, fingerprint));
    return members;
  }

  /** Calls `take` for each member that is known now. */
  async function eachMember(
    scope: CompiledScope,
    take: (path: string, key: string, entry: Entry) => void,
  ): Promise<void> {
    for (const [index, tree] of scope.trees.entries()) {
      const waiting = [tree.real];
      for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
        const rest = pace();
        if (rest !== undefined) await rest;
        const entry = entries.get(path);
        if (entry === undefined) continue;
        if (isTreeMember(tree, path, entry.kind))
          take(callersPath(tree, path), treeKey(scope, index, path), entry);
        else if (!isTreeVisited(tree, path)) continue;
        for (const name of listings.get(path) ?? []) waiting.push(childOf(path, name));
      }
    }
    for (const file of unique(scope.files)) {
      const entry = singles.get(file);
      if (entry !== undefined) take(file, singleKey(scope, file), entry);
    }
  }

  /** The fingerprint under which a scope's caller knows a path now. */
  function current({ scope }: ScopeContent, path: string): string | undefined {
    const single = scope.files.includes(path) ? singles.get(path) : undefined;
    if (single !== undefined) return single.fingerprint;
    for (const tree of scope.trees) {
      const real = tree.real === tree.tree.root ? path : path.replace(tree.tree.root, tree.real);
      const entry = entries.get(real);
      if (entry && isTreeMember(tree, real, entry.kind)) return entry.fingerprint;
    }
    return undefined;
  }

  function report(content: ScopeContent): ScopeRevision | undefined {
    const revision = hash("sha256", (content.sum ?? 0n).toString(16), "hex");
    const first = content.reported === undefined;
    const paths = [...content.touched].flatMap(([path, before]) =>
      current(content, path) === before ? [] : [path],
    );
    content.touched.clear();
    if (content.reported === revision) return undefined;
    content.reported = revision;
    return {
      id: content.scope.id,
      revision,
      changed: first ? [] : paths.sort(),
      ...(content.members ? { members: content.members } : {}),
    };
  }

  return {
    update,
    concerns: (path) => entries.has(path) || isWanted(path, true),
    isDirectory: (path) => entries.get(path)?.kind === "directory",
    stats: () => ({ files: entries.size - listings.size, directories: listings.size }),
  };
}

interface ScopeContent {
  readonly scope: CompiledScope;
  /** Undefined until the members are counted; single changes are not added before. */
  sum: bigint | undefined;
  /** Of a listed scope. */
  readonly members: Map<string, Member> | undefined;
  reported: string | undefined;
  /** Paths changed since the last report, with the fingerprint they had then. */
  readonly touched: Map<string, string | undefined>;
}

function count(
  content: ScopeContent,
  { path, key }: { path: string; key: string },
  before: string | undefined,
  after: Entry | undefined,
): void {
  if (content.sum === undefined) return;
  if (before !== undefined) content.sum -= digest(key, before);
  if (after !== undefined) content.sum += digest(key, after.fingerprint);
  if (after === undefined) content.members?.delete(path);
  else content.members?.set(path, after);
  if (!content.touched.has(path)) content.touched.set(path, before);
}

/** One member's share of a revision. Sums of these are equal only for equal sets of members. */
function digest(key: string, fingerprint: string): bigint {
  return BigInt(`0x${hash("sha256", `${key}\0${fingerprint}`, "hex")}`);
}

function treeKey(scope: CompiledScope, index: number, path: string): string {
  const tree = scope.trees[index];
  return `${index} ${tree === undefined ? path : (pathInTree(tree, path) ?? path)}`;
}

function singleKey(scope: CompiledScope, file: string): string {
  return `file ${memberKey(scope, file)}`;
}

/** Names in a directory, and whether each is a directory. Empty when it cannot be read. */
function list(directory: string): Map<string, boolean> {
  const names = new Map<string, boolean>();
  try {
    for (const entry of readdirSync(directory, { withFileTypes: true })) {
      if (!isNeverWatched(entry.name)) names.set(entry.name, entry.isDirectory());
    }
  } catch {
    // Vanished or not readable: what was known of it is gone, and an event tells when it comes back.
  }
  return names;
}

/** Plainly joined: both are normal already, and a scan does this for every file. */
function childOf(directory: string, name: string): string {
  return directory.endsWith(sep) ? directory + name : directory + sep + name;
}

function unique<T>(values: readonly T[]): Iterable<T> {
  return new Set(values);
}
