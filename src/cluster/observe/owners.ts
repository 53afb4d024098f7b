import type { KubeObject } from "../kube.js";
import type { Controller, Pod } from "./objects.js";

/** `Deployment/monitor-dev/monitor-agent`: the form of a WorkloadId. */
export function objectId(object: KubeObject): string {
  return `${object.kind}/${object.metadata.namespace ?? ""}/${object.metadata.name}`;
}

/**
 * Walks from a pod up its owners to what a person applied: ReplicaSet → Deployment, Job → CronJob. The chain ends where
 * the next owner is not among what is observed. Returns the ids from the pod's owner upwards, or the pod's own.
 */
export function ownerChain(
  object: KubeObject,
  find: (uid: string) => KubeObject | undefined,
): readonly string[] {
  const chain: string[] = [];
  let current: KubeObject | undefined = object;
  // Owners could form a ring only by mistake; no real chain is this long.
  for (let depth = 0; current && depth < 10; depth += 1) {
    const owner: { kind: string; name: string; uid: string } | undefined =
      current.metadata.ownerReferences?.[0];
    if (!owner) break;
    chain.push(`${owner.kind}/${object.metadata.namespace ?? ""}/${owner.name}`);
    current = find(owner.uid);
  }
  return chain.length > 0 ? chain : [objectId(object)];
}

/** The newest of a workload's ReplicaSets: the one whose pods count. */
export function newestReplicaSet(replicaSets: readonly Controller[]): Controller | undefined {
  return replicaSets.reduce<Controller | undefined>(
    (best, next) => (best === undefined || revisionOf(next) > revisionOf(best) ? next : best),
    undefined,
  );
}

/**
 * Whether the newest ReplicaSet that has reached us is the one its workload runs: their watches are separate, and after a
 * lost connection the workload may be seconds ahead.
 */
export function isUpToDate(object: Controller, newest: Controller): boolean {
  return revisionOf(newest) >= revisionOf(object);
}

function revisionOf(object: KubeObject): number {
  const annotations = object.metadata.annotations ?? {};
  // Deployments count with this annotation, Argo's Rollouts with theirs.
  return Number(
    annotations["deployment.kubernetes.io/revision"] ?? annotations["rollout.argoproj.io/revision"] ?? 0,
  );
}

/** Those pods that run the workload's newest revision. `replicaSets` are the workload's own. */
export function currentPods(
  object: Controller,
  pods: readonly Pod[],
  replicaSets: readonly Controller[],
): readonly Pod[] {
  const newest = newestReplicaSet(replicaSets);
  if (newest) {
    if (!isUpToDate(object, newest)) return [];
    return pods.filter((pod) =>
      pod.metadata.ownerReferences?.some((owner) => owner.uid === newest.metadata.uid),
    );
  }
  const { kind, spec, status } = object;
  if (kind === "StatefulSet") {
    const partial =
      spec?.updateStrategy?.type === "OnDelete" || (spec?.updateStrategy?.rollingUpdate?.partition ?? 0) > 0;
    const revision = status?.updateRevision;
    // Pods that the controller leaves alone on purpose are as current as they will get.
    if (partial || revision === undefined) return pods;
    return pods.filter((pod) => pod.metadata.labels?.["controller-revision-hash"] === revision);
  }
  if (kind === "DaemonSet") {
    const template = object.metadata.annotations?.["deprecated.daemonset.template.generation"];
    if (template === undefined || spec?.updateStrategy?.type === "OnDelete") return pods;
    const current = pods.filter((pod) => pod.metadata.labels?.["pod-template-generation"] === template);
    return pods.some((pod) => pod.metadata.labels?.["pod-template-generation"] !== undefined)
      ? current
      : pods;
  }
  return pods;
}
