import type { ImageSpec, Project, SyncRule } from "../../engine/project.js";
import { compileSync, type SyncMap } from "../../engine/sync-rules.js";
import { imageSync } from "./image-sync.js";

/** An image's rules as they are in force: those that were written, or what its Dockerfile tells. */
export interface ResolvedSync {
  readonly rules: readonly SyncRule[];
  readonly map: SyncMap;
  /** What could not be inferred, and why. */
  readonly notes: readonly string[];
}

/** The rules of every image that has such, by its name. */
export async function readSyncs({ images }: Project, syncs: Map<string, ResolvedSync>): Promise<void> {
  const synced = images.filter(({ sync }) => sync !== undefined);
  const read = await Promise.all(
    synced.map(async (image) => [image.name, await resolveSync(image)] as const),
  );
  syncs.clear();
  for (const [name, sync] of read) syncs.set(name, sync);
}

/** A Dockerfile that cannot be read tells of no rule: its build says what is wrong. */
export async function resolveSync(image: ImageSpec): Promise<ResolvedSync> {
  const none = { rules: [], rebuild: [], notes: [] };
  const sync = (await imageSync(image).catch(() => none)) ?? none;
  return { rules: sync.rules, map: compileSync(sync), notes: sync.notes };
}
