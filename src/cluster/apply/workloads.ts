import type { AppliedWorkload } from "../../engine/task.js";
import type { KubeObject } from "../kube.js";
import { usedImages } from "../render/images.js";

/** A deployed object as a workload to observe; undefined for what neither runs pods nor is a volume to wait for. */
export function appliedWorkload(
  live: KubeObject,
  imageNames: readonly string[],
): AppliedWorkload | undefined {
  if (!runsPods(live) && live.kind !== "PersistentVolumeClaim") return undefined;
  const { name, namespace = "", uid = "", generation = 0 } = live.metadata;
  return {
    id: `${live.kind}/${namespace}/${name}`,
    kind: live.kind,
    namespace,
    name,
    uid,
    generation,
    images: usedImages([live], imageNames),
  };
}

/** A pod, or a kind with a pod template, custom ones such as Argo's Rollout included. */
export function runsPods(object: KubeObject): boolean {
  if (object.kind === "Pod") return true;
  const spec = object["spec"] as { template?: { spec?: { containers?: unknown } } } | undefined;
  return Array.isArray(spec?.template?.spec?.containers);
}
