import { join } from "node:path";
import type { SyncRule } from "../../engine/project.js";
import type { SyncMap } from "../../engine/sync-rules.js";

/** The files of an image that are synced, as they stand here. */
export interface SyncTree {
  readonly revision: string;
  /** Absolute path of the image's context. */
  readonly context: string;
  readonly rules: readonly SyncRule[];
  /** What could not be read off the Dockerfile, where the rules come from there. */
  readonly notes: readonly string[];
  /** Of the rules. */
  readonly map: SyncMap;
  /** By their paths relative to the context, with forward slashes. */
  readonly files: ReadonlyMap<string, TreeEntry>;
  /** What each place in a container is to hold, by its absolute path there. */
  readonly wanted: ReadonlyMap<string, Wanted>;
  /** Two files may go to one place. */
  readonly overlapping: boolean;
}
export interface TreeEntry {
  readonly kind: "file" | "link" | "directory";
  /** Executable bits in octal and SHA-256 in base64, `link ` and its target, `directory`, or `unreadable`. */
  readonly fingerprint: string;
}

/** Where something stands in a container: `path` is relative to `root`, which writes are confined to. */
export interface Place {
  readonly root: string;
  readonly path: string;
}
/** What is to stand there. */
export interface Wanted extends Place, TreeEntry {
  /** Absolute path of the file here. */
  readonly source: string;
  /** Relative to the context. */
  readonly name: string;
  /** The rule that brings it. */
  readonly rule: number;
}

/** What a tree is made from, beside its files. */
export type TreeSource = Pick<SyncTree, "revision" | "context" | "rules" | "notes" | "map">;

/** The tree of all these files. */
export function makeTree(source: TreeSource, files: Iterable<readonly [string, TreeEntry]>): SyncTree {
  return place({ ...source, files: new Map(files) });
}

/** The tree after some of its files changed, or left: without going through all the others. */
export function changeTree(
  tree: SyncTree,
  revision: string,
  changes: Iterable<readonly [string, TreeEntry | undefined]>,
): SyncTree {
  const files = new Map(tree.files);
  const wanted = new Map(tree.wanted);
  let { overlapping } = tree;
  for (const [name, entry] of changes) {
    const before = files.get(name);
    if (before) {
      for (const { dest } of tree.map.targets(name, before.kind)) wanted.delete(dest);
      files.delete(name);
    }
    if (!entry) continue;
    files.set(name, entry);
    for (const [dest, each] of wantedOf(tree, name, entry)) {
      overlapping ||= wanted.has(dest);
      wanted.set(dest, each);
    }
  }
  // Which of two files stands at a place that both go to needs a look at all.
  return overlapping ? place({ ...tree, revision, files }) : { ...tree, revision, files, wanted };
}

/** Where two files go to one place, that of the later rule wins, as with COPY. */
function place(tree: Omit<SyncTree, "wanted" | "overlapping">): SyncTree {
  const wanted = new Map<string, Wanted>();
  let overlapping = new Set(tree.rules.map(({ dest }) => dest)).size < tree.rules.length;
  for (const [name, entry] of tree.files) {
    for (const [dest, each] of wantedOf(tree, name, entry)) {
      const other = wanted.get(dest);
      overlapping ||= other !== undefined;
      if (other === undefined || other.rule <= each.rule) wanted.set(dest, each);
    }
  }
  return { ...tree, wanted, overlapping };
}

function wantedOf(
  { map, context }: Pick<SyncTree, "map" | "context">,
  name: string,
  { kind, fingerprint }: TreeEntry,
): readonly (readonly [dest: string, wanted: Wanted])[] {
  return (
    map
      .targets(name, kind)
      // The rule's directory itself is made by what comes into it.
      .filter(({ path }) => path !== "")
      .map(({ dest, root, path, index }) => {
        return [
          dest,
          { root, path, kind, fingerprint, source: join(context, name), name, rule: index },
        ] as const;
      })
  );
}

/** The places of files that were here once: what stands there is to go. */
export function formerPlaces(
  { map, files }: SyncTree,
  names: Iterable<string>,
): ReadonlyMap<string, Place & { readonly name: string; readonly rule: number }> {
  const places = new Map<string, Place & { readonly name: string; readonly rule: number }>();
  for (const name of names) {
    if (files.has(name)) continue;
    for (const { dest, root, path, index } of map.targets(name)) {
      if (path !== "") places.set(dest, { root, path, name, rule: index });
    }
  }
  return places;
}

/** What is to be done to a container, in an order that works: what goes first goes first. */
export type Step =
  | ({ readonly do: "put"; readonly dest: string } & Wanted)
  | ({ readonly do: "remove"; readonly dest: string; readonly name: string; readonly rule: number } & Place);

/**
 * The steps from what a container holds to what it is to hold. `held` has a fingerprint for each place that is known to hold
 * something; a place that is wanted and not in it is written.
 */
export function stepsTo(
  wanted: ReadonlyMap<string, Wanted>,
  held: ReadonlyMap<string, string>,
  former: ReadonlyMap<string, Place & { readonly name: string; readonly rule: number }>,
): readonly Step[] {
  const removed = [...former]
    .filter(([dest]) => !wanted.has(dest) && held.has(dest))
    .map(([dest, place]): Step => ({ do: "remove", dest, ...place }))
    // What is in a directory before the directory.
    .sort((a, b) => (a.dest < b.dest ? 1 : -1));
  const put = [...wanted]
    .filter(([dest, { fingerprint }]) => fingerprint !== "unreadable" && held.get(dest) !== fingerprint)
    .map(([dest, entry]): Step => ({ do: "put", dest, ...entry }))
    .sort((a, b) => (a.dest < b.dest ? -1 : 1));
  return [...removed, ...put];
}
