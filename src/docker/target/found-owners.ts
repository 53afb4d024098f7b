import type { KubeObject } from "../../engine/kube-object.js";
import type { InspectedContainer } from "../engine-containers.js";
import { label } from "./labels.js";

/** A workload as an earlier session left it, by its containers' labels. */
export interface FoundOwner {
  /** `Deployment/dev/web`. */
  readonly id: string;
  readonly deploy: string;
  /** As it was when the newest of its pods was made. */
  readonly object: KubeObject;
  /** The containers of each pod, by the pod's uid. */
  readonly pods: ReadonlyMap<string, readonly InspectedContainer[]>;
  /** A container stands for it without pods. */
  readonly recorded: boolean;
}

/** The workloads that containers belong to, in the order in which they are found. */
export function foundOwners(found: readonly InspectedContainer[]): readonly FoundOwner[] {
  const byId = new Map<string, InspectedContainer[]>();
  for (const container of found) {
    const id = container.labels[label.owner];
    if (id !== undefined) byId.set(id, [...(byId.get(id) ?? []), container]);
  }
  return [...byId].flatMap(([id, containers]) => {
    const [newest] = containers.toSorted((a, b) => Date.parse(b.createdAt) - Date.parse(a.createdAt));
    const text = newest?.labels[label.workload];
    if (text === undefined) return [];
    const pods = new Map<string, InspectedContainer[]>();
    for (const container of containers) {
      const uid = container.labels[label.uid];
      if (uid !== undefined) pods.set(uid, [...(pods.get(uid) ?? []), container]);
    }
    const recorded = containers.some(({ labels }) => labels[label.role] === "record");
    const deploy = newest?.labels[label.deploy] ?? "";
    return [{ id, deploy, object: JSON.parse(text) as KubeObject, pods, recorded }];
  });
}
