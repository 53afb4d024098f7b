import type { AppliedWorkload, DeployOutput } from "../../engine/task.js";
import type { ApplyRequest } from "../../engine/target.js";
import { DevloopError, errorText } from "../../lib/errors.js";
import { eachConcurrently } from "../../lib/each-concurrently.js";
import { pause } from "../../lib/pause.js";
import type { Kube, KubeObject } from "../kube.js";
import { maxRequests, openContext, projectLabel, type ApplyContext, type ContextOptions } from "./context.js";
import { goneTimeoutMs, readLive } from "./gone.js";
import { leftBehind, readInventory, writeDeploy, type Inventory, type InventoryEntry } from "./inventory.js";
import {
  ensureNamespace,
  namespaceState,
  waitUntilNamespaceGone,
  type NamespaceState,
} from "./namespaces.js";
import { applySteps } from "./order.js";
import { appliedHash, objectKey, prepareItems, titleOf, type ApplyItem } from "./prepare.js";
import { pruneEntries } from "./prune.js";
import { isCrd } from "./resource-types.js";
import { sendItem, type Sent } from "./send.js";
import { splitDropped } from "./succession.js";
import { appliedWorkload } from "./workloads.js";

/**
 * Makes the cluster's objects those of a deploy: sends what changed, step by step, and deletes what the deploy made
 * earlier and renders no more; what a generator renamed goes one apply later. The inventory names an object before it is created, so that an apply cut short at any
 * point is completed by the next one. Throws APPLY_FAILED, APPLY_CONFLICT, TIMEOUT, CLUSTER_UNREACHABLE.
 */
export async function applyDeploy(
  kube: Kube,
  request: ApplyRequest,
  options: ContextOptions,
): Promise<DeployOutput> {
  const context = openContext(kube, options);
  const items = await prepareItems(context, request.objects, request);
  const before = await observe(context, request, items);
  const plans = items.map((item) => planItem(item, before, request));
  for (const { note } of plans) if (note !== undefined) context.onNote(note);

  const recorded = before.inventory.deploys.get(request.deploy) ?? [];
  const rendered = new Set([...items.map(({ key }) => key), ...(await waitingKeys(context, request))]);
  const dropped = recorded.filter((entry) => !rendered.has(objectKey(entry)));
  const held = recorded.filter((entry) => !items.some(({ key }) => key === objectKey(entry)));
  const ledger = new Map(plans.map((plan) => [plan.item.key, plannedEntry(plan)]));
  const written = { entries: recorded };
  async function write(entries: readonly InventoryEntry[]): Promise<void> {
    if (JSON.stringify(entries) === JSON.stringify(written.entries)) return;
    await writeDeploy(context, before.inventory, request.deploy, entries);
    written.entries = entries;
  }

  const sent = new Map<string, Sent>();
  const toSend = plans.filter((plan) => plan.send);
  if (toSend.length > 0) {
    const send = (step: readonly Plan[]) => sendStep(context, step, { total: toSend.length, sent, ledger });
    const isNamespace = (plan: Plan) => plan.item.type.plural === "namespaces";
    await send(toSend.filter(isNamespace));
    await ensureNamespaces(context, items, before.namespaces);
    await write([...ledger.values(), ...held]);
    try {
      const others = toSend.filter((plan) => !isNamespace(plan));
      for (const step of applySteps(others, (plan) => plan.item.object)) await send(step);
    } catch (error) {
      context.signal.throwIfAborted();
      await write([...ledger.values(), ...held]);
      throw error;
    }
  }

  const { leaving, staying } = splitDropped(dropped, [...ledger.values()]);
  const { pruned, remaining, failures } = await prune(context, request, before.inventory, leaving);
  const kept = held.filter((entry) => !dropped.includes(entry));
  await write([...ledger.values(), ...kept, ...staying, ...remaining]);
  if (failures.length > 0) {
    throw new DevloopError("APPLY_FAILED", failures[0] ?? "", { detail: failures.join("\n") });
  }
  return { kind: "deploy", ...summarize(plans, sent, request), pruned };
}

// ---- what is there ----------------------------------------------------------------------------------------------

interface Observed {
  readonly inventory: Inventory;
  readonly namespaces: ReadonlyMap<string, NamespaceState>;
  readonly live: ReadonlyMap<string, KubeObject>;
}

async function observe(
  context: ApplyContext,
  request: ApplyRequest,
  items: readonly ApplyItem[],
): Promise<Observed> {
  const used = new Set([request.namespace, ...items.flatMap((item) => item.namespace ?? [])]);
  const live = new Map<string, KubeObject>();
  const namespaces = new Map<string, NamespaceState>();
  const [inventory] = await Promise.all([
    readInventory(context, request),
    eachConcurrently([...used], maxRequests, async (name) => {
      namespaces.set(name, await namespaceState(context, name));
    }),
    eachConcurrently(items, maxRequests, async (item) => {
      const object = await readLive(context, item.path);
      if (object) live.set(item.key, object);
    }),
  ]);
  const terminating = [...namespaces].filter(([, state]) => state === "terminating");
  if (terminating.length === 0) return { inventory, namespaces, live };
  // What was read is about to vanish.
  for (const [name] of terminating) await waitUntilNamespaceGone(context, name);
  return await observe(context, request, items);
}

async function waitingKeys(context: ApplyContext, request: ApplyRequest): Promise<string[]> {
  const { signal } = context;
  const held = [...request.waiting, ...request.later.map(({ object }) => object)];
  return await eachConcurrently(held, maxRequests, async (object) => {
    const type = await context.types.find(object.apiVersion, object.kind, { signal });
    const namespace =
      type?.namespaced === false ? undefined : (object.metadata.namespace ?? request.namespace);
    return objectKey({ ...object, name: object.metadata.name, namespace });
  });
}

// ---- what to do -------------------------------------------------------------------------------------------------

interface Plan {
  readonly item: ApplyItem;
  readonly live: KubeObject | undefined;
  /** The live object is the one that the inventory names. */
  readonly owned: boolean;
  readonly hash: string;
  readonly send: boolean;
  readonly note?: string;
}

function planItem(
  item: ApplyItem,
  { inventory, live: all }: Observed,
  { project, deploy }: ApplyRequest,
): Plan {
  const live = all.get(item.key);
  const hash = appliedHash(item.object, inventory.salt);
  const uid = live?.metadata.uid;
  const known = [...inventory.deploys.values()].flat().filter((entry) => objectKey(entry) === item.key);
  const owned = uid !== undefined && known.some((entry) => entry.uid === uid);
  // Another deploy's entry may be older than what was applied since.
  const own = inventory.deploys.get(deploy)?.find((entry) => objectKey(entry) === item.key);
  const unchanged =
    live?.metadata.deletionTimestamp === undefined &&
    own !== undefined &&
    own.uid === uid &&
    own.hash === hash;
  const owner = live?.metadata.labels?.[projectLabel];
  const where = item.namespace === undefined ? "" : ` in ${item.namespace}`;
  if (owner !== undefined && owner !== project) {
    throw new DevloopError("APPLY_CONFLICT", `${item.title}${where} belongs to devloop project ${owner}`, {
      hint: `run devloop down in ${owner}, or use another namespace or name here`,
    });
  }
  const adopted = live !== undefined && owner === undefined && !owned;
  return {
    item,
    live,
    owned,
    hash,
    send: !unchanged,
    ...(adopted ? { note: `${item.title}${where} was there before: it is the project's from now on` } : {}),
  };
}

/** The entry while it is not certain what the cluster holds. */
function plannedEntry({ item, live, hash, send }: Plan): InventoryEntry {
  const { apiVersion, kind, metadata } = item.object;
  const terminating = live?.metadata.deletionTimestamp !== undefined;
  return {
    apiVersion,
    kind,
    ...(item.namespace === undefined ? {} : { namespace: item.namespace }),
    name: metadata.name,
    uid: terminating ? "" : (live?.metadata.uid ?? ""),
    hash: send ? "" : hash,
  };
}

// ---- doing it ---------------------------------------------------------------------------------------------------

interface Progress {
  readonly total: number;
  readonly sent: Map<string, Sent>;
  readonly ledger: Map<string, InventoryEntry>;
}

/** Sends the objects of one step at the same time. When some are refused the others go on, and all reasons are given. */
async function sendStep(context: ApplyContext, step: readonly Plan[], progress: Progress): Promise<void> {
  const failures: unknown[] = [];
  await eachConcurrently(step, maxRequests, async (plan) => {
    try {
      const result = await sendItem(context, plan.item, plan);
      if (isCrd(result.object)) await waitUntilEstablished(context, plan.item);
      progress.sent.set(plan.item.key, result);
      progress.ledger.set(plan.item.key, {
        ...plannedEntry(plan),
        uid: result.object.metadata.uid ?? "",
        hash: plan.hash,
      });
      context.onProgress({
        message: `applied ${plan.item.title}`,
        done: progress.sent.size,
        total: progress.total,
      });
    } catch (error) {
      context.signal.throwIfAborted();
      failures.push(error);
    }
  });
  const [first] = failures;
  if (failures.length === 0) return;
  if (failures.length === 1 || !(first instanceof DevloopError)) throw first;
  throw new DevloopError(first.code, `${first.message} (and ${failures.length - 1} more)`, {
    hint: first.hint,
    cause: first,
    detail: failures.map(errorText).join("\n"),
  });
}

async function ensureNamespaces(
  context: ApplyContext,
  items: readonly ApplyItem[],
  states: ReadonlyMap<string, NamespaceState>,
): Promise<void> {
  const declared = new Set(
    items.filter((item) => item.type.plural === "namespaces").map((item) => item.object.metadata.name),
  );
  for (const [name, state] of states) {
    if (state === "missing" && !declared.has(name)) await ensureNamespace(context, name);
  }
}

/** Objects of a kind can be applied once its definition is established. */
async function waitUntilEstablished(context: ApplyContext, item: ApplyItem): Promise<void> {
  const deadline = Date.now() + goneTimeoutMs;
  for (;;) {
    const crd = await readLive(context, item.path);
    const status = crd?.["status"] as { conditions?: { type: string; status: string; message?: string }[] };
    const conditions = status.conditions ?? [];
    if (conditions.some((each) => each.type === "Established" && each.status === "True")) return;
    if (Date.now() > deadline) {
      const reason = conditions.find((each) => each.status === "False")?.message ?? "no reason is given";
      throw new DevloopError("APPLY_FAILED", `${item.title} is not established after 60 s: ${reason}`);
    }
    context.onProgress({ message: `waiting for ${item.title} to be established` });
    await pause(100, context);
  }
}

async function prune(
  context: ApplyContext,
  request: ApplyRequest,
  inventory: Inventory,
  dropped: readonly InventoryEntry[],
) {
  if (dropped.every((entry) => entry.hash === leftBehind)) {
    return { pruned: [], remaining: dropped, failures: [] };
  }
  // Another deploy of the project may have taken an object over in the meantime.
  const newest = await readInventory(context, inventory);
  return await pruneEntries(context, newest, request.deploy, dropped);
}

// ---- what was done ----------------------------------------------------------------------------------------------

function summarize(
  plans: readonly Plan[],
  sent: ReadonlyMap<string, Sent>,
  request: ApplyRequest,
): Omit<DeployOutput, "kind" | "pruned"> {
  let created = 0;
  let changed = 0;
  const replaced: string[] = [];
  const workloads: AppliedWorkload[] = [];
  for (const { item, live } of plans) {
    const result = sent.get(item.key);
    const current = result?.object ?? live;
    if (result) {
      const isNew = !live || live.metadata.deletionTimestamp !== undefined;
      if (result.replaced) replaced.push(`${item.title} (${result.replaced.join(", ")})`);
      if (isNew) created++;
      else if (result.object.metadata.resourceVersion !== live.metadata.resourceVersion) changed++;
    }
    const workload = current && appliedWorkload(current, request.imageNames);
    if (workload) workloads.push(workload);
  }
  const later = request.later.map(({ object, until }) => {
    return { title: titleOf(object), name: object.metadata.name, until };
  });
  const unchanged = plans.length - created - changed;
  return { created, changed, unchanged, replaced, waiting: request.waiting.map(titleOf), later, workloads };
}
