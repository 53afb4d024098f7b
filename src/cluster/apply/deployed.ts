import type { Deployed } from "../../engine/target.js";
import { eachConcurrently } from "../../lib/each-concurrently.js";
import type { Kube } from "../kube.js";
import { maxRequests, openContext } from "./context.js";
import { findInventories, leftBehind, superseded, type InventoryEntry } from "./inventory.js";
import { objectKey, titleOf } from "./prepare.js";
import { ownObject } from "./prune.js";
import { appliedWorkload } from "./workloads.js";

/** Reads what a project has deployed, in all namespaces. Throws CLUSTER_UNREACHABLE. */
export async function readDeployed(
  kube: Kube,
  project: string,
  { signal }: { readonly signal: AbortSignal },
): Promise<Deployed> {
  const context = openContext(kube, { signal, onNote: () => undefined });
  const inventories = await findInventories(context, project);
  const entries = new Map<string, InventoryEntry>();
  for (const entry of inventories.flatMap(({ deploys }) => [...deploys.values()].flat())) {
    if (entry.hash !== leftBehind && entry.hash !== superseded) entries.set(objectKey(entry), entry);
  }
  const found = await eachConcurrently([...entries.values()], maxRequests, async (entry) => {
    const own = await ownObject(context, project, entry);
    return { entry, own };
  });
  return {
    workloads: found
      .flatMap(({ own }) => (own ? (appliedWorkload(own.live, []) ?? []) : []))
      .sort((a, b) => a.id.localeCompare(b.id)),
    missing: found.flatMap(({ entry, own }) => (own ? [] : [titleOf(entry)])).sort(),
  };
}
