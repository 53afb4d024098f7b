import { readFile } from "node:fs/promises";
import { z } from "zod";
import type { SyncTree } from "../../cluster/sync/tree.js";
import type { Environment } from "./adapters.js";
import { statePath, writeState } from "./state-file.js";

/**
 * The synced files of each image as they stand here, too many for the state, and, over sessions, the names of all that may have
 * come into the containers of a build, with its image or by a sync: what left since is to be removed there.
 */
export interface SyncTrees {
  set(image: string, tree: SyncTree): void;
  /** Undefined before the files were read. */
  get(image: string): SyncTree | undefined;
  /** What the containers of `ref` got last, when that is the image's newest; undefined when they got nothing. */
  brought(image: string, ref: string): SyncTree | undefined;
  setBrought(image: string, ref: string, tree: SyncTree): void;
  /** Names that may stand in the containers that run `ref`. */
  seen(ref: string): Promise<ReadonlySet<string>>;
  /** Remembers the names before any of them goes into a container of `ref`. */
  note(ref: string, names: Iterable<string>): Promise<void>;
}

const file = z.object({ version: z.literal(1), names: z.record(z.string(), z.array(z.string())) });

/** How many builds are remembered: more than any that still runs. */
const keptBuilds = 64;

export function openSyncTrees(root: string, env: Environment): SyncTrees {
  const path = statePath(root, env, "synced.json");
  const trees = new Map<string, SyncTree>();
  const brought = new Map<string, { readonly ref: string; readonly tree: SyncTree }>();
  let known: Promise<Map<string, Set<string>>> | undefined;
  let writing = Promise.resolve();

  return {
    set: (image, tree) => void trees.set(image, tree),
    get: (image) => trees.get(image),
    brought(image, ref) {
      const last = brought.get(image);
      return last?.ref === ref ? last.tree : undefined;
    },
    setBrought: (image, ref, tree) => void brought.set(image, { ref, tree }),
    async seen(ref) {
      known ??= read(path);
      return (await known).get(ref) ?? new Set();
    },
    async note(ref, names) {
      known ??= read(path);
      const all = await known;
      const before = all.get(ref) ?? new Set();
      const after = new Set(before);
      for (const name of names) after.add(name);
      const isKnown = all.has(ref) && after.size === before.size;
      // What is used last stands last: the oldest go.
      all.delete(ref);
      all.set(ref, after);
      if (isKnown) return;
      for (const oldest of [...all.keys()].slice(0, -keptBuilds)) all.delete(oldest);
      const content = {
        version: 1,
        names: Object.fromEntries([...all].map(([key, set]) => [key, [...set]])),
      };
      writing = writing.then(() => writeState(path, content)).catch(() => undefined);
      await writing;
    },
  };
}

async function read(path: string): Promise<Map<string, Set<string>>> {
  try {
    const { names } = file.parse(JSON.parse(await readFile(path, "utf8")));
    return new Map(Object.entries(names).map(([ref, list]) => [ref, new Set(list)]));
  } catch {
    return new Map();
  }
}
