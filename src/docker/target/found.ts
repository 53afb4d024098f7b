import type { KubeObject } from "../../engine/kube-object.js";
import type { AppliedWorkload } from "../../engine/task.js";
import type { InspectedContainer } from "../engine-containers.js";
import { foundOwners } from "./found-owners.js";
import { type FoundPod, lookAtPod, type PodWays } from "./found-pod.js";
import type { ObjectStore } from "./object-store.js";
import { podTurn, shownPod } from "./pod-status.js";
import { hashOf, templateHash } from "./templates.js";
import { workloadUid } from "./workload.js";
import { shownWorkload } from "./workload-status.js";

interface Found extends PodWays {
  readonly store: ObjectStore;
  readonly project: string;
}

/** Shows what a project has on the engine, by its containers' labels, as the session that runs it would. Returns the workloads. */
export async function showFound(
  { store, project, ...ways }: Found,
  found: readonly InspectedContainer[],
  options: { readonly signal: AbortSignal },
): Promise<readonly AppliedWorkload[]> {
  return await Promise.all(
    foundOwners(found).map(async ({ id, object, pods: byUid }) => {
      const { kind, metadata } = object;
      const { name, namespace = "" } = metadata;
      const uid = workloadUid(project, id);
      const looked = await Promise.all(
        [...byUid.values()].map((containers) => lookAtPod(ways, containers, options)),
      );
      const shown = looked.filter((pod) => pod !== undefined).map(shownFound);
      for (const pod of shown) store.set({ ...pod, metadata: { ...pod.metadata, ...ownedBy(object, uid) } });
      const pods = shown.map((pod) =>
        podTurn(pod, { current: hashOf(pod) === templateHash(object), stopping: false }),
      );
      for (const each of shownWorkload(object, { uid, generation: 1, revision: 1, pods })) store.set(each);
      return { id, kind, namespace, name, uid, generation: kind === "Pod" ? 0 : 1, images: [] };
    }),
  );
}

/** Those of older ReplicaSets as well belong to the one that is shown. */
function ownedBy(object: KubeObject, uid: string): object {
  const { kind, metadata } = object;
  if (kind === "Pod") return {};
  const { name } = metadata;
  const owner =
    kind === "Deployment"
      ? { kind: "ReplicaSet", name, uid: `${uid}-${templateHash(object)}` }
      : { kind, name, uid };
  return { ownerReferences: [owner] };
}

function shownFound({ pod, hold, slots, address }: FoundPod): KubeObject {
  const restart = pod.spec.restartPolicy ?? "Always";
  return shownPod(pod, {
    ...{ slots, restart, address, stopping: undefined },
    createdAt: pod.metadata.creationTimestamp ?? hold.createdAt,
  });
}
