import { stringify } from "yaml";
import type { WorkloadState } from "../../engine/state.js";
import { DevloopError } from "../../lib/errors.js";
import { age } from "../../lib/format.js";
import { tableLines } from "../../lib/table.js";
import type { KubeObject } from "../../engine/kube-object.js";
import type { Kube } from "../kube.js";
import { collectionPath } from "./discover.js";

/** How many of the newest events are told. */
const newest = 20;

/** The object as it stands in the cluster, without what its managers note for themselves, its pods, and their newest events. */
export async function describeWorkload(
  kube: Kube,
  workload: WorkloadState,
  { signal }: { readonly signal: AbortSignal },
): Promise<string> {
  const { kind, namespace } = workload;
  const collection = await collectionPath(kube, kind, namespace, { signal });
  if (collection === undefined) throw new DevloopError("NOT_FOUND", `the cluster knows no ${kind}`);
  const [object, events] = await Promise.all([
    kube.request(`${collection}/${workload.name}`, { signal }) as Promise<KubeObject>,
    kube.request(`/api/v1/namespaces/${namespace}/events?limit=500`, { signal }) as Promise<{
      readonly items: readonly KubeEvent[];
    }>,
  ]);
  return describeObject(workload, object, events.items);
}

/** The same of an object and the events of its namespace, wherever they come from. */
export function describeObject(
  workload: WorkloadState,
  object: KubeObject,
  events: readonly KubeEvent[],
): string {
  const { kind, namespace, health } = workload;
  const pods = health?.pods ?? [];
  const names = new Set([workload.name, ...pods.map(({ name }) => name)]);
  const now = Date.now();
  const told = events
    .filter(({ involvedObject }) => names.has(involvedObject.name ?? ""))
    .sort((a, b) => timeOf(a) - timeOf(b))
    .slice(-newest);
  const { managedFields: _, ...metadata } = object.metadata;
  return [
    `${kind}/${workload.name} in ${namespace}: ${health?.message ?? "nothing was heard of it yet"}`,
    ...(health?.cause
      ? [health.cause.message, ...(health.cause.lines ?? []).map((line) => `  ${line}`)]
      : []),
    "",
    "pods",
    ...(pods.length === 0 ? ["  none"] : []),
    ...tableLines(
      pods.map(({ name, phase, ready, restarts, node = "", createdAt }) => [
        `  ${name}`,
        phase,
        ready ? "ready" : "not ready",
        `${restarts} restarts`,
        node,
        age(now - createdAt),
      ]),
    ),
    "",
    "events",
    ...(told.length === 0 ? ["  none"] : []),
    ...tableLines(
      told.map((event) => [
        `  ${age(now - timeOf(event))}`,
        event.type ?? "",
        event.reason ?? "",
        event.involvedObject.name ?? "",
        `${(event.message ?? "").trim().replaceAll("\n", " ")}${(event.count ?? 1) > 1 ? ` (${event.count} times)` : ""}`,
      ]),
    ),
    "",
    stringify({ ...object, metadata }),
  ].join("\n");
}

/** https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/ in its older form. */
export interface KubeEvent {
  readonly type?: string;
  readonly reason?: string;
  readonly message?: string;
  readonly count?: number;
  readonly lastTimestamp?: string | null;
  readonly eventTime?: string | null;
  readonly metadata: { readonly creationTimestamp?: string };
  readonly involvedObject: { readonly name?: string };
}

function timeOf({ lastTimestamp, eventTime, metadata }: KubeEvent): number {
  return Date.parse(lastTimestamp ?? eventTime ?? metadata.creationTimestamp ?? "") || 0;
}
