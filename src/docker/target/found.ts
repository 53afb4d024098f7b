import type { KubeObject } from "../../engine/kube-object.js";
import type { AppliedWorkload } from "../../engine/model.js";
import type { InspectedContainer } from "../engine-containers.js";
import { endOf } from "./container-slot.js";
import { label } from "./labels.js";
import type { ObjectStore } from "./object-store.js";
import type { PodObject, WorkloadObject } from "./objects.js";

/**
 * Shows what a project has on the engine, by its containers' labels alone: nobody probes while no devloop runs, so a container that
 * runs counts as ready. Returns the workloads.
 */
export function showFound(
  store: ObjectStore,
  found: readonly InspectedContainer[],
): readonly AppliedWorkload[] {
  const byOwner = new Map<string, InspectedContainer[]>();
  for (const container of found) {
    const owner = container.labels[label.owner];
    if (owner !== undefined) byOwner.set(owner, [...(byOwner.get(owner) ?? []), container]);
  }
  return [...byOwner].flatMap(([id, containers]) => {
    const text = containers[0]?.labels[label.workload];
    if (text === undefined) return [];
    const object = JSON.parse(text) as KubeObject;
    const { kind, metadata } = object;
    const { name, namespace = "" } = metadata;
    const uid = metadata.uid ?? id;
    const pods = containers
      .filter(({ labels }) => labels[label.role] === "hold")
      .map((hold) => showPod(hold, containers));
    for (const pod of pods) store.set({ ...pod, metadata: { ...pod.metadata, ...ownedBy(kind, name, uid) } });
    if (kind !== "Pod") {
      const ready = pods.filter(({ ready: isReady }) => isReady).length;
      const desired = (object as WorkloadObject).spec.replicas ?? 1;
      const succeeded = pods.filter(({ status }) => status.phase === "Succeeded").length;
      store.set({
        ...object,
        metadata: { ...metadata, uid, generation: 1 },
        status: {
          observedGeneration: 1,
          replicas: pods.length,
          readyReplicas: ready,
          availableReplicas: ready,
          updatedReplicas: Math.max(pods.length, desired),
          desiredNumberScheduled: 1,
          succeeded,
          ...(succeeded > 0 ? { conditions: [{ type: "Complete", status: "True" }] } : {}),
        },
      });
      if (kind === "Deployment")
        store.set({
          apiVersion: "apps/v1",
          kind: "ReplicaSet",
          metadata: { name, namespace, uid: `${uid}-set`, ownerReferences: [{ kind, name, uid }] },
          status: { availableReplicas: ready },
        });
    }
    return [{ id, kind, namespace, name, uid, generation: kind === "Pod" ? 0 : 1, images: [] }];
  });
}

function ownedBy(kind: string, name: string, uid: string): object {
  if (kind === "Pod") return {};
  const owner = kind === "Deployment" ? { kind: "ReplicaSet", name, uid: `${uid}-set` } : { kind, name, uid };
  return { ownerReferences: [owner] };
}

interface ShownPod extends PodObject {
  readonly ready: boolean;
  readonly status: { readonly phase: string };
}

function showPod(hold: InspectedContainer, all: readonly InspectedContainer[]): ShownPod {
  const pod = JSON.parse(hold.labels[label.pod] ?? "{}") as PodObject;
  const runs = all.filter(({ labels }) => labels[label.uid] === pod.metadata.uid);
  const statuses = pod.spec.containers.map(({ name, image }) => {
    const [last] = runs
      .filter(({ labels }) => labels[label.container] === name)
      .sort((a, b) => Number(b.labels[label.attempt]) - Number(a.labels[label.attempt]));
    const running = hold.state.running && last?.state.running === true;
    return {
      name,
      image,
      ready: running,
      started: running,
      restartCount: Number(last?.labels[label.attempt] ?? 0) + (last?.restarts ?? 0),
      ...(last ? { containerID: last.id } : {}),
      state: running
        ? { running: { startedAt: last.state.startedAt } }
        : last
          ? { terminated: endOf(last.id, last) }
          : { waiting: { reason: "ContainerCreating" } },
    };
  });
  const ready = statuses.every((status) => status.ready);
  const ended = statuses.every(({ state }) => state.terminated?.exitCode === 0);
  return {
    ...pod,
    ready,
    status: {
      phase: ended ? "Succeeded" : "Running",
      ...{
        conditions: [
          { type: "PodScheduled", status: "True" },
          { type: "Ready", status: ready ? "True" : "False" },
        ],
        containerStatuses: statuses,
      },
    },
  };
}
