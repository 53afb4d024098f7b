import { KubeStatusError, type KubeObject } from "../kube.js";
import { fieldManager, type ApplyContext } from "./context.js";
import { readLive, waitUntilGone } from "./gone.js";
import { withRetries } from "./retry.js";

/** Where a namespace stands; `unknown` for a user who may not read namespaces. */
export type NamespaceState = "there" | "missing" | "terminating" | "unknown";

export async function namespaceState(context: ApplyContext, name: string): Promise<NamespaceState> {
  try {
    const namespace = await readLive(context, pathOf(name));
    if (!namespace) return "missing";
    return namespace.metadata.deletionTimestamp === undefined ? "there" : "terminating";
  } catch (error) {
    if (error instanceof KubeStatusError && error.status === 403) return "unknown";
    throw error;
  }
}

/** Makes a namespace that no manifest declares, and says so. It is not the project's: it is never pruned. */
export async function ensureNamespace(context: ApplyContext, name: string): Promise<void> {
  const { kube, signal } = context;
  const body = { apiVersion: "v1", kind: "Namespace", metadata: { name } };
  try {
    await withRetries(
      () => kube.request(`/api/v1/namespaces?fieldManager=${fieldManager}`, { method: "POST", body, signal }),
      { signal },
    );
    context.onNote(`created namespace ${name}, which no manifest declares`);
  } catch (error) {
    if (!(error instanceof KubeStatusError) || error.reason !== "AlreadyExists") throw error;
  }
}

/** Waits until a namespace that is being deleted is gone; throws TIMEOUT after a minute. */
export async function waitUntilNamespaceGone(context: ApplyContext, name: string): Promise<void> {
  const path = pathOf(name);
  const namespace: KubeObject | undefined = await readLive(context, path);
  if (namespace?.metadata.deletionTimestamp === undefined) return;
  await waitUntilGone(context, { path, uid: namespace.metadata.uid ?? "", title: `namespace ${name}` });
}

function pathOf(name: string): string {
  return `/api/v1/namespaces/${encodeURIComponent(name)}`;
}
