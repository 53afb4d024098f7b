import type { KubeObject } from "../../engine/kube-object.js";
import { templateHash } from "./templates.js";
import { jobProgress, type PodTurn } from "./workload-turn.js";

export interface WorkloadFacts {
  readonly uid: string;
  readonly generation: number;
  /** Of the present template, among those that the workload has had. */
  readonly revision: number;
  /** Those that are not on their way out. */
  readonly pods: readonly PodTurn[];
  /** A Job has failed for good, by pods that may be gone. */
  readonly gaveUp?: boolean;
}

/** What a cluster's API server would show of a workload: itself, and a Deployment's newest ReplicaSet. A Pod is told by itself. */
export function shownWorkload(
  object: KubeObject,
  { uid, generation, revision, pods, gaveUp = false }: WorkloadFacts,
): readonly KubeObject[] {
  const { kind, metadata } = object;
  if (kind === "Pod") return [];
  const current = pods.filter((pod) => pod.current);
  const ready = current.filter((pod) => pod.ready).length;
  const annotations = { "deployment.kubernetes.io/revision": String(revision) };
  const shown = {
    ...object,
    metadata: { ...metadata, uid, generation, annotations: { ...metadata.annotations, ...annotations } },
    status: kind === "Job" ? jobStatus(object, current, gaveUp) : statusOf(object, generation, pods, current),
  };
  if (kind !== "Deployment") return [shown];
  const hash = templateHash(object);
  return [
    {
      apiVersion: "apps/v1",
      kind: "ReplicaSet",
      metadata: {
        name: replicaSetName(object, hash),
        namespace: metadata.namespace ?? "",
        uid: `${uid}-${hash}`,
        generation: 1,
        annotations,
        ownerReferences: [{ kind, name: metadata.name, uid }],
      },
      status: { observedGeneration: 1, availableReplicas: ready },
    },
    shown,
  ];
}

export function replicaSetName({ metadata }: KubeObject, hash: string): string {
  return `${metadata.name}-${hash}`;
}

function statusOf(
  object: KubeObject,
  observedGeneration: number,
  pods: readonly PodTurn[],
  current: readonly PodTurn[],
): object {
  const ready = pods.filter((pod) => pod.ready).length;
  switch (object.kind) {
    case "CronJob":
      return { observedGeneration };
    default:
      return {
        observedGeneration,
        replicas: pods.length,
        readyReplicas: ready,
        availableReplicas: ready,
        updatedReplicas: current.length,
        ...(object.kind === "DaemonSet"
          ? { desiredNumberScheduled: 1, updatedNumberScheduled: current.length }
          : {}),
      };
  }
}

function jobStatus(object: KubeObject, current: readonly PodTurn[], failedBefore: boolean): object {
  const { succeeded, failed, gaveUp, over } = jobProgress(object, current);
  const conditions =
    gaveUp || failedBefore
      ? [
          {
            type: "Failed",
            status: "True",
            reason: "BackoffLimitExceeded",
            message: "Job has reached the specified backoff limit",
          },
        ]
      : over
        ? [{ type: "Complete", status: "True" }]
        : [];
  return { succeeded, failed, active: current.length - succeeded - failed, conditions };
}
