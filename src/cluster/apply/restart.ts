import type { WorkloadState } from "../../engine/state.js";
import { DevloopError, errorText } from "../../lib/errors.js";
import { type Kube, KubeStatusError } from "../kube.js";

const collections: Readonly<Record<string, string>> = {
  Deployment: "deployments",
  StatefulSet: "statefulsets",
  DaemonSet: "daemonsets",
};

/**
 * Rolls a workload out anew with the manifest it has, as `kubectl rollout restart` does: by an annotation on its pods, which belongs to
 * another field manager than what devloop applies. Throws APPLY_FAILED.
 */
export async function restartWorkload(
  kube: Kube,
  { kind, namespace, name }: Pick<WorkloadState, "kind" | "namespace" | "name">,
  { signal, now = Date.now }: { readonly signal: AbortSignal; readonly now?: () => number },
): Promise<void> {
  const collection = collections[kind];
  if (collection === undefined)
    throw new DevloopError("APPLY_FAILED", `${kind}/${name} cannot be restarted: it has no rollout`, {
      hint: "devloop trigger builds and applies it again",
    });
  const annotations = { "kubectl.kubernetes.io/restartedAt": new Date(now()).toISOString() };
  try {
    await kube.request(
      `/apis/apps/v1/namespaces/${namespace}/${collection}/${name}?fieldManager=devloop-restart`,
      {
        method: "PATCH",
        contentType: "application/strategic-merge-patch+json",
        body: { spec: { template: { metadata: { annotations } } } },
        signal,
      },
    );
  } catch (error) {
    if (!(error instanceof KubeStatusError)) throw error;
    throw new DevloopError("APPLY_FAILED", `${kind}/${name} was not restarted: ${errorText(error)}`, {
      cause: error,
    });
  }
}
