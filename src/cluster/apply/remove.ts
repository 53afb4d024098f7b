import type { RemoveRequest } from "../../engine/target.js";
import { DevloopError, errorText } from "../../lib/errors.js";
import { eachConcurrently } from "../../lib/each-concurrently.js";
import type { Kube } from "../kube.js";
import { maxRequests, openContext, type ApplyContext, type ContextOptions } from "./context.js";
import { deleteByUid, waitUntilGone } from "./gone.js";
import {
  deleteInventory,
  findInventories,
  writeDeploy,
  type Inventory,
  type InventoryEntry,
} from "./inventory.js";
import { removalSteps } from "./order.js";
import { objectKey, titleOf } from "./prepare.js";
import { ownObject } from "./prune.js";
import { withRetries } from "./retry.js";
import { runsPods } from "./workloads.js";

/** What to remove, and where. */
interface Removal extends RemoveRequest {
  /** Only the inventory in this namespace; all of the project's otherwise. */
  readonly namespace?: string;
}

/**
 * Deletes what a project deployed, by its inventory in the cluster: only objects with the recorded uid that carry the
 * project's label, last applied first, and waits until they are gone. Namespaces and volumes stay unless asked for; the
 * inventory then goes on naming them. Throws APPLY_FAILED when something could not be deleted.
 */
export async function removeProject(
  kube: Kube,
  request: Removal,
  options: ContextOptions,
): Promise<{ removed: string[]; kept: string[] }> {
  const context = openContext(kube, options);
  const inventories = await findInventories(context, request.project);
  const removed: string[] = [];
  const kept: string[] = [];
  const failures: string[] = [];
  for (const inventory of inventories) {
    if (request.namespace !== undefined && inventory.namespace !== request.namespace) continue;
    const left = new Map<string, InventoryEntry>();
    for (const step of removalSteps(distinct(inventory))) {
      await eachConcurrently(step, maxRequests, async (entry) => {
        const outcome = await removeEntry(context, request, entry);
        if (outcome === "removed") removed.push(fullTitle(entry));
        if (outcome === "kept") kept.push(fullTitle(entry));
        if (typeof outcome === "object") failures.push(outcome.failure);
        if (outcome !== "removed" && outcome !== "gone") left.set(objectKey(entry), entry);
      });
    }
    if (!request.dryRun) await writeRest(context, inventory, left);
  }
  if (failures.length > 0) {
    throw new DevloopError("APPLY_FAILED", failures[0] ?? "", {
      detail: failures.join("\n"),
      hint: "what is left is still in the inventory: run devloop down again",
    });
  }
  return { removed: removed.sort(), kept: kept.sort() };
}

type Outcome = "removed" | "kept" | "gone" | { readonly failure: string };

async function removeEntry(context: ApplyContext, request: Removal, entry: InventoryEntry): Promise<Outcome> {
  try {
    const own = await ownObject(context, request.project, entry);
    if (!own) return "gone";
    const isKept =
      (entry.kind === "Namespace" && request.includeNamespaces !== true) ||
      (entry.kind === "PersistentVolumeClaim" && request.includeVolumes !== true);
    if (isKept) return "kept";
    if (request.dryRun) return "removed";
    // In the foreground a workload goes after its pods: when it is gone, so is what it ran.
    const propagation = runsPods(own.live) ? "Foreground" : "Background";
    const isDeleted = await withRetries(() => deleteByUid(context, own, propagation), context);
    if (!isDeleted) return "gone";
    await waitUntilGone(context, { ...own, title: titleOf(entry) });
    return "removed";
  } catch (error) {
    context.signal.throwIfAborted();
    if (error instanceof DevloopError && error.code === "CLUSTER_UNREACHABLE") throw error;
    return { failure: `${fullTitle(entry)} cannot be deleted: ${errorText(error)}` };
  }
}

/** What stays is still the project's: a later `down` that is asked to finds it. The inventory itself goes last. */
async function writeRest(
  context: ApplyContext,
  inventory: Inventory,
  left: ReadonlyMap<string, InventoryEntry>,
): Promise<void> {
  if (left.size === 0) {
    await deleteInventory(context, inventory);
    return;
  }
  for (const [deploy, entries] of inventory.deploys) {
    const rest = entries.filter((entry) => left.has(objectKey(entry)));
    await writeDeploy(context, inventory, deploy, rest);
  }
}

function distinct(inventory: Inventory): InventoryEntry[] {
  const entries = new Map<string, InventoryEntry>();
  for (const entry of [...inventory.deploys.values()].flat()) {
    const key = objectKey(entry);
    // The one that knows its uid is the stricter.
    if (!entries.has(key) || entry.uid !== "") entries.set(key, entry);
  }
  return [...entries.values()];
}

function fullTitle(entry: InventoryEntry): string {
  return entry.namespace === undefined ? titleOf(entry) : `${titleOf(entry)} in ${entry.namespace}`;
}
