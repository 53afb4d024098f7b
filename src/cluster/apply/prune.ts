import type { DeployId } from "../../engine/project.js";
import { errorText } from "../../lib/errors.js";
import type { Kube, KubeObject } from "../kube.js";
import { openContext, projectLabel, type ApplyContext, type ContextOptions } from "./context.js";
import { deleteByUid, readLive } from "./gone.js";
import { leftBehind, readInventory, writeDeploy, type Inventory, type InventoryEntry } from "./inventory.js";
import { removalSteps } from "./order.js";
import { objectKey, titleOf } from "./prepare.js";
import { isCrd, objectPath } from "./resource-types.js";
import { withRetries } from "./retry.js";

export interface Pruned {
  /** `Kind/name` of what was deleted. */
  readonly pruned: readonly string[];
  /** What stays in the inventory: kept on purpose, or still to be deleted. */
  readonly remaining: readonly InventoryEntry[];
  /** Why an object could not be deleted, one line each. */
  readonly failures: readonly string[];
}

/** Deletes what the deploys that are no longer in devloop.yaml made. Returns `Kind/name` of what was deleted. */
export async function pruneDeploys(
  kube: Kube,
  request: { readonly project: string; readonly namespace: string; readonly keep: readonly DeployId[] },
  options: ContextOptions,
): Promise<string[]> {
  const context = openContext(kube, options);
  const inventory = await readInventory(context, request);
  const pruned: string[] = [];
  for (const [deploy, entries] of inventory.deploys) {
    if (request.keep.includes(deploy) || entries.every((entry) => entry.hash === leftBehind)) continue;
    const result = await pruneEntries(context, inventory, deploy, entries);
    await writeDeploy(context, inventory, deploy, result.remaining);
    pruned.push(...result.pruned);
    for (const failure of result.failures) context.onNote(failure);
  }
  return pruned;
}

/**
 * Deletes what these entries of a deploy stand for, last applied first: only the object with the recorded uid, only
 * while it carries the project's label. Namespaces, volumes and kinds themselves are left, with a note.
 */
export async function pruneEntries(
  context: ApplyContext,
  inventory: Inventory,
  deploy: DeployId,
  entries: readonly InventoryEntry[],
): Promise<Pruned> {
  const elsewhere = keysOfOthers(inventory, deploy);
  const pruned: string[] = [];
  const remaining: InventoryEntry[] = [];
  const failures: string[] = [];
  for (const entry of removalSteps(entries).flat()) {
    if (elsewhere.has(objectKey(entry))) continue;
    if (isKept(entry)) {
      if (entry.hash !== leftBehind) context.onNote(`left ${titleOf(entry)}: ${keptReason(entry)}`);
      remaining.push({ ...entry, hash: leftBehind });
      continue;
    }
    try {
      if (await deleteEntry(context, inventory.project, entry)) pruned.push(titleOf(entry));
    } catch (error) {
      context.signal.throwIfAborted();
      failures.push(`${titleOf(entry)} cannot be deleted: ${errorText(error)}`);
      remaining.push(entry);
    }
  }
  return { pruned, remaining, failures };
}

/** The live object of an entry, if it is the one that the project made: same uid, and labelled as the project's. */
export async function ownObject(
  context: ApplyContext,
  project: string,
  entry: InventoryEntry,
): Promise<{ readonly live: KubeObject; readonly path: string; readonly uid: string } | undefined> {
  const type = await context.types.find(entry.apiVersion, entry.kind, { signal: context.signal });
  // The kind went away, and with it all of its objects.
  if (!type) return undefined;
  const path = objectPath(type, entry.namespace, entry.name);
  const live = await readLive(context, path);
  const uid = live?.metadata.uid;
  if (!live || uid === undefined) return undefined;
  if (live.metadata.labels?.[projectLabel] !== project) return undefined;
  // An entry without uid was written just before its object was created, when there was none of that name.
  if (entry.uid !== "" && entry.uid !== uid) return undefined;
  return { live, path, uid };
}

async function deleteEntry(context: ApplyContext, project: string, entry: InventoryEntry): Promise<boolean> {
  const own = await ownObject(context, project, entry);
  if (!own || own.live.metadata.deletionTimestamp !== undefined) return false;
  return await withRetries(() => deleteByUid(context, own, "Background"), context);
}

function keysOfOthers(inventory: Inventory, deploy: DeployId): Set<string> {
  const keys = new Set<string>();
  for (const [other, entries] of inventory.deploys) {
    if (other === deploy) continue;
    // What another deploy itself renders no more does not hold an object.
    for (const entry of entries) if (entry.hash !== leftBehind) keys.add(objectKey(entry));
  }
  return keys;
}

function isKept(entry: InventoryEntry): boolean {
  return entry.kind === "Namespace" || entry.kind === "PersistentVolumeClaim" || isCrd(entry);
}

function keptReason(entry: InventoryEntry): string {
  if (isCrd(entry)) return "deleting a kind deletes every object of it; devloop down removes it";
  return entry.kind === "Namespace"
    ? "namespaces are deleted only by devloop down when asked to"
    : "volumes are deleted only by devloop down when asked to";
}
