import { createHash, randomBytes } from "node:crypto";
import type { DeployId } from "../../engine/project.js";
import { DevloopError } from "../../lib/errors.js";
import { KubeStatusError, type KubeObject } from "../kube.js";
import { isNotFound } from "./answers.js";
import { fieldManager, type ApplyContext } from "./context.js";
import { readLive } from "./gone.js";
import { withRetries } from "./retry.js";

/** The label by which a project's inventories are found, with the project's name. */
export const inventoryLabel = "devloop.dev/inventory";

/** An object that a deploy has made, or is about to. */
export interface InventoryEntry {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace?: string;
  readonly name: string;
  /** Empty from just before the object is created until its uid is known. */
  readonly uid: string;
  /** Of what was applied; empty while that is not certain; `leftBehind` or `superseded` once it is rendered no more. */
  readonly hash: string;
}

/** What a project has in a cluster: the only things that are ever pruned. */
export interface Inventory {
  readonly project: string;
  readonly namespace: string;
  /** Keys the hashes. */
  readonly salt: string;
  readonly deploys: ReadonlyMap<DeployId, readonly InventoryEntry[]>;
}

/** Marks an entry whose object is kept for good, such as a volume. */
export const leftBehind = "left";
/** Marks an entry whose successor was applied: it goes with the apply after that. */
export const superseded = "superseded";

/** Where a project keeps its inventory. */
export interface InventoryPlace {
  readonly project: string;
  readonly namespace: string;
}

/** The project's inventory in one namespace; an empty one where there is none. */
export async function readInventory(context: ApplyContext, place: InventoryPlace): Promise<Inventory> {
  const configMap = await readLive(context, pathOf(place));
  return configMap
    ? parseInventory(configMap, place)
    : { ...place, salt: randomBytes(16).toString("hex"), deploys: new Map() };
}

/** All inventories of a project, in whatever namespace. */
export async function findInventories(context: ApplyContext, project: string): Promise<Inventory[]> {
  const selector = encodeURIComponent(`${inventoryLabel}=${project}`);
  const { kube, signal } = context;
  const list = await withRetries(
    () => kube.request(`/api/v1/configmaps?labelSelector=${selector}`, { signal }),
    { signal },
  );
  return (list as { items: KubeObject[] }).items.map((item) =>
    parseInventory(item, { project, namespace: item.metadata.namespace ?? "default" }),
  );
}

/**
 * Writes one deploy's entries, the others untouched: deploys of a project are applied at the same time. No entries
 * removes the deploy from the inventory.
 */
export async function writeDeploy(
  context: ApplyContext,
  inventory: Inventory,
  deploy: DeployId,
  entries: readonly InventoryEntry[],
): Promise<void> {
  const { kube, signal } = context;
  const value = entries.length === 0 ? null : JSON.stringify({ deploy, entries: entries.map(toRow) });
  const data = { [dataKey(deploy)]: value };
  await withRetries(async () => {
    try {
      await kube.request(`${pathOf(inventory)}?fieldManager=${fieldManager}`, {
        method: "PATCH",
        contentType: "application/merge-patch+json",
        body: { data },
        signal,
      });
    } catch (error) {
      if (!isNotFound(error)) throw error;
      if (value !== null) await create(context, inventory, data);
    }
  }, context);
}

/** Deletes the inventory itself: nothing of the project is left. */
export async function deleteInventory(context: ApplyContext, place: InventoryPlace): Promise<void> {
  const { kube, signal } = context;
  try {
    await withRetries(() => kube.request(pathOf(place), { method: "DELETE", signal }), { signal });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

async function create(
  context: ApplyContext,
  { project, namespace, salt }: Inventory,
  data: Readonly<Record<string, string | null>>,
): Promise<void> {
  const { kube, signal } = context;
  const body = {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: inventoryName(project), namespace, labels: { [inventoryLabel]: project } },
    data: { ...data, salt },
  };
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/configmaps?fieldManager=${fieldManager}`;
  try {
    await kube.request(path, { method: "POST", body, signal });
  } catch (error) {
    const isThere = error instanceof KubeStatusError && error.reason === "AlreadyExists";
    // Another deploy of the project was first; the next try adds to it.
    throw isThere ? new KubeStatusError(409, "Conflict", error.message) : error;
  }
}

function parseInventory(configMap: KubeObject, place: InventoryPlace): Inventory {
  const { salt = "", ...values } = (configMap["data"] ?? {}) as Record<string, string>;
  const deploys = new Map<DeployId, readonly InventoryEntry[]>();
  for (const value of Object.values(values)) {
    try {
      const { deploy, entries } = JSON.parse(value) as { deploy: DeployId; entries: Row[] };
      deploys.set(deploy, entries.map(fromRow));
    } catch (cause) {
      const name = `ConfigMap ${inventoryName(place.project)} in ${place.namespace}`;
      throw new DevloopError("APPLY_FAILED", `${name} does not hold an inventory that can be read`, {
        cause,
        hint: "restore it, or delete it: devloop then no longer knows what it deployed, and prunes none of it",
      });
    }
  }
  return { ...place, salt, deploys };
}

/** An entry as it is stored: an object has to fit into 1 MB, and these are many. */
type Row = readonly [string, string, string, string, string, string];

function toRow({ apiVersion, kind, namespace = "", name, uid, hash }: InventoryEntry): Row {
  return [apiVersion, kind, namespace, name, uid, hash];
}

function fromRow([apiVersion, kind, namespace, name, uid, hash]: Row): InventoryEntry {
  return { apiVersion, kind, ...(namespace === "" ? {} : { namespace }), name, uid, hash };
}

function inventoryName(project: string): string {
  return `devloop-inventory-${project}`;
}

function pathOf({ project, namespace }: InventoryPlace): string {
  return `/api/v1/namespaces/${encodeURIComponent(namespace)}/configmaps/${encodeURIComponent(inventoryName(project))}`;
}

/** A deploy's id may hold characters that a ConfigMap's keys may not. */
function dataKey(deploy: DeployId): string {
  return `deploy-${createHash("sha256").update(deploy).digest("hex").slice(0, 16)}`;
}
