import { DevloopError } from "../../lib/errors.js";
import { KubeStatusError, type Kube, type KubeObject } from "../kube.js";

/**
 * What makes a cluster this cluster: the UID of its kube-system namespace, made with the cluster and gone with it.
 * Where the user may not read that (an allowed cluster of someone else's), the address has to do.
 * Throws what `kube.request` throws otherwise.
 */
export async function readIdentity(
  kube: Kube,
  { signal }: { readonly signal: AbortSignal },
): Promise<string> {
  try {
    const namespace = (await kube.request("/api/v1/namespaces/kube-system", { signal })) as KubeObject;
    return namespace.metadata.uid ?? kube.server;
  } catch (error) {
    if (error instanceof KubeStatusError && error.status === 403) return kube.server;
    throw error;
  }
}

/** Throws CLUSTER_CHANGED when the cluster that answers is not the one whose identity was pinned. */
export async function checkIdentity(
  kube: Kube,
  uid: string,
  { signal }: { readonly signal: AbortSignal },
): Promise<void> {
  const now = await readIdentity(kube, { signal });
  if (now === uid) return;
  throw new DevloopError(
    "CLUSTER_CHANGED",
    `another cluster answers at ${kube.server} now (context ${kube.context}): nothing is sent to it`,
    {
      hint: "start devloop again to use the new cluster",
      detail: `kube-system had the UID ${uid} when this session began, and has ${now} now`,
    },
  );
}
