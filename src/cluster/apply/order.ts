import type { KubeObject } from "../kube.js";
import { isCrd } from "./resource-types.js";

/** The annotation that orders objects in Argo CD; a lower number goes first. */
const syncWave = "argocd.argoproj.io/sync-wave";

/** Kinds in the order in which they are applied; kinds that are not named go with the workloads. */
const kindRanks: readonly (readonly string[])[] = [
  ["PriorityClass", "StorageClass", "RuntimeClass", "IngressClass", "ResourceQuota", "LimitRange"],
  ["ServiceAccount", "PersistentVolume"],
  ["Role", "ClusterRole"],
  ["RoleBinding", "ClusterRoleBinding"],
  ["ConfigMap", "Secret", "NetworkPolicy"],
  ["PersistentVolumeClaim"],
  ["Service", "EndpointSlice", "Endpoints"],
  ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Pod", "Job", "CronJob"],
  ["Ingress", "HTTPRoute", "Gateway"],
  ["HorizontalPodAutoscaler", "PodDisruptionBudget"],
  ["APIService"],
  ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"],
];
const workloadRank = kindRanks.findIndex((kinds) => kinds.includes("Deployment"));

/**
 * The objects in steps: those of one step may be applied at the same time, each step after the one before. Namespaces,
 * then CustomResourceDefinitions, then by sync wave, then by kind.
 */
export function applySteps<T>(items: readonly T[], objectOf: (item: T) => KubeObject): T[][] {
  const steps: { readonly place: Place; readonly items: T[] }[] = [];
  for (const item of items) {
    const place = placeOf(objectOf(item));
    const step = steps.find((each) => comparePlaces(each.place, place) === 0);
    if (step) step.items.push(item);
    else steps.push({ place, items: [item] });
  }
  return steps.sort((a, b) => comparePlaces(a.place, b.place)).map((step) => step.items);
}

/** Entries in the order in which they are removed: what was applied last goes first. */
export function removalSteps<T extends { readonly apiVersion: string; readonly kind: string }>(
  entries: readonly T[],
): T[][] {
  // An entry does not record its wave.
  const steps = applySteps(entries, ({ apiVersion, kind }) => ({ apiVersion, kind, metadata: { name: "" } }));
  return steps.reverse();
}

/** Phase, wave, rank: compared in this order. */
type Place = readonly [number, number, number];

function placeOf(object: KubeObject): Place {
  if (object.kind === "Namespace" && object.apiVersion === "v1") return [0, 0, 0];
  if (isCrd(object)) return [1, 0, 0];
  const rank = kindRanks.findIndex((kinds) => kinds.includes(object.kind));
  return [2, waveOf(object), rank < 0 ? workloadRank : rank];
}

function waveOf(object: KubeObject): number {
  const text = object.metadata.annotations?.[syncWave]?.trim();
  return text !== undefined && /^[+-]?\d+$/.test(text) ? Number(text) : 0;
}

function comparePlaces(a: Place, b: Place): number {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2];
}
