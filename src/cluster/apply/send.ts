import { DevloopError } from "../../lib/errors.js";
import { pause } from "../../lib/pause.js";
import { KubeStatusError, type KubeObject } from "../kube.js";
import {
  applyConflict,
  applyFailed,
  fieldConflicts,
  immutableFields,
  isNamespaceTerminating,
  isNotServedYet,
} from "./answers.js";
import { fieldManager, type ApplyContext } from "./context.js";
import { deleteByUid, readLive, waitUntilGone } from "./gone.js";
import { ensureNamespace, waitUntilNamespaceGone } from "./namespaces.js";
import { objectPath } from "./resource-types.js";
import type { ApplyItem } from "./prepare.js";
import { withRetries } from "./retry.js";

export interface Sent {
  readonly object: KubeObject;
  /** Set when the object was deleted and made anew: the fields that could not be changed. */
  readonly replaced?: readonly string[];
}

/** How long a kind whose definition was just established may take until it is served, in ms. */
const servedTimeoutMs = 15_000;

/** Managers whose fields devloop takes over on its own objects: itself by another way, and `kubectl apply` of the same files. */
const formerManagers = ["devloop", "kubectl-client-side-apply", "before-first-apply"];

/**
 * Applies one object on the server's side. `owned`: the object that is there is the inventory's. An object that cannot
 * be changed where it must be is deleted and made anew, unless that would lose data. Throws APPLY_FAILED,
 * APPLY_CONFLICT, TIMEOUT.
 */
export async function sendItem(
  context: ApplyContext,
  item: ApplyItem,
  { owned, live }: { readonly owned: boolean; readonly live: KubeObject | undefined },
): Promise<Sent> {
  const { uid, deletionTimestamp } = live?.metadata ?? {};
  if (uid !== undefined && deletionTimestamp !== undefined) {
    await waitUntilGone(context, { path: item.path, uid, title: item.title });
  }
  const sent = await sendOrReplace(context, item, owned);
  if (!owned || sent.replaced !== undefined || !staysHeadless(item.object, sent.object)) return sent;
  return await replace(context, item, ["spec.clusterIP"]);
}

/**
 * Whether a Service that is to have an address has none. Servers of 1.20 refuse such a change; newer ones take the
 * object, and leave what was there in the place of the address that is not given (patchAllocatedValues).
 */
function staysHeadless(wanted: KubeObject, sent: KubeObject): boolean {
  if (wanted.kind !== "Service" || wanted.apiVersion !== "v1") return false;
  const { clusterIP, type } = serviceSpec(wanted);
  return clusterIP === undefined && type !== "ExternalName" && serviceSpec(sent).clusterIP === "None";
}

const serviceSpec = (object: KubeObject): { readonly clusterIP?: unknown; readonly type?: unknown } =>
  (object as { readonly spec?: object }).spec ?? {};

async function sendOrReplace(context: ApplyContext, item: ApplyItem, owned: boolean): Promise<Sent> {
  try {
    return { object: await patch(context, item, { force: false }) };
  } catch (error) {
    const conflicts = fieldConflicts(error);
    if (conflicts.length > 0) {
      const ours = owned && conflicts.every(({ manager }) => formerManagers.includes(manager));
      if (!ours) throw applyConflict(item, conflicts);
      return await sendForced(context, item);
    }
    return await recover(context, item, error);
  }
}

async function sendForced(context: ApplyContext, item: ApplyItem): Promise<Sent> {
  try {
    return { object: await patch(context, item, { force: true }) };
  } catch (error) {
    return await recover(context, item, error);
  }
}

async function recover(context: ApplyContext, item: ApplyItem, error: unknown): Promise<Sent> {
  const fields = immutableFields(error);
  if (fields.length > 0) return await replace(context, item, fields);
  if (isNamespaceTerminating(error) && item.namespace !== undefined) {
    await waitUntilNamespaceGone(context, item.namespace);
    await ensureNamespace(context, item.namespace);
    try {
      return { object: await patch(context, item, { force: false }) };
    } catch (again) {
      throw applyFailed(item, again);
    }
  }
  throw applyFailed(item, error);
}

async function patch(
  context: ApplyContext,
  item: ApplyItem,
  { force }: { readonly force: boolean },
): Promise<KubeObject> {
  const { kube, signal } = context;
  const request = () =>
    kube.request(`${item.path}?fieldManager=${fieldManager}&force=${String(force)}`, {
      method: "PATCH",
      contentType: "application/apply-patch+yaml",
      body: item.object,
      signal,
    });
  const deadline = Date.now() + servedTimeoutMs;
  for (;;) {
    try {
      return (await withRetries(request, { signal })) as KubeObject;
    } catch (error) {
      if (!isNotServedYet(error) || Date.now() > deadline) throw error;
    }
    await pause(250, { signal });
  }
}

/** Kinds whose deletion takes data, or other people's objects, with it. */
const irreplaceable = ["PersistentVolumeClaim", "PersistentVolume", "Namespace", "CustomResourceDefinition"];

async function replace(context: ApplyContext, item: ApplyItem, fields: readonly string[]): Promise<Sent> {
  const { kind } = item.object;
  if (irreplaceable.includes(kind)) {
    throw new DevloopError(
      "APPLY_FAILED",
      `${item.title}: ${fields.join(", ")} cannot be changed, and making the ${kind} anew would lose its data`,
      { hint: "undo the change, or delete it yourself when its data may go" },
    );
  }
  const live = await readLive(context, item.path);
  if (live?.metadata.uid !== undefined) {
    // Nothing is deleted for an object that could not be made again.
    await checkCreatable(context, item);
    await deleteByUid(context, { path: item.path, uid: live.metadata.uid }, "Background");
    await waitUntilGone(context, { path: item.path, uid: live.metadata.uid, title: item.title });
  }
  try {
    return { object: await patch(context, item, { force: false }), replaced: fields };
  } catch (error) {
    throw applyFailed(item, error);
  }
}

/** Asks the server whether it would create the object: validation comes before it notices that there is one already. */
async function checkCreatable(context: ApplyContext, item: ApplyItem): Promise<void> {
  const { kube, signal } = context;
  const path = `${objectPath(item.type, item.namespace)}?dryRun=All&fieldManager=${fieldManager}`;
  try {
    await withRetries(() => kube.request(path, { method: "POST", body: item.object, signal }), { signal });
  } catch (error) {
    if (!(error instanceof KubeStatusError)) throw error;
    // The object itself holds the address or port for as long as it is there.
    const isInvalid = error.status === 422 && !/already allocated/.test(error.message);
    if (isInvalid || /denied the request/.test(error.message)) throw applyFailed(item, error);
  }
}
