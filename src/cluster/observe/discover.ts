import { type Kube, KubeStatusError } from "../kube.js";

/** The API path of every kind that devloop knows without asking; `*` stands for the namespace. */
const known: Readonly<Record<string, string>> = {
  Pod: "/api/v1/namespaces/*/pods",
  Service: "/api/v1/namespaces/*/services",
  Event: "/api/v1/namespaces/*/events",
  PersistentVolumeClaim: "/api/v1/namespaces/*/persistentvolumeclaims",
  Deployment: "/apis/apps/v1/namespaces/*/deployments",
  ReplicaSet: "/apis/apps/v1/namespaces/*/replicasets",
  StatefulSet: "/apis/apps/v1/namespaces/*/statefulsets",
  DaemonSet: "/apis/apps/v1/namespaces/*/daemonsets",
  Job: "/apis/batch/v1/namespaces/*/jobs",
};

/**
 * The path of the collection of a kind in a namespace. Kinds that are not built in are looked up in the API server's
 * discovery, in the preferred version of the first group that has them. Undefined when no group does.
 */
export async function collectionPath(
  kube: Kube,
  kind: string,
  namespace: string,
  options: { readonly signal: AbortSignal },
): Promise<string | undefined> {
  const path = known[kind];
  if (path !== undefined) return path.replace("*", namespace);
  const groups = (await kube.request("/apis", options)) as {
    readonly groups: readonly { readonly preferredVersion: { readonly groupVersion: string } }[];
  };
  for (const group of groups.groups) {
    const base = `/apis/${group.preferredVersion.groupVersion}`;
    const resource = (await resources(kube, base, options)).find(
      (entry) => entry.kind === kind && !entry.name.includes("/") && entry.verbs.includes("watch"),
    );
    if (resource)
      return resource.namespaced
        ? `${base}/namespaces/${namespace}/${resource.name}`
        : `${base}/${resource.name}`;
  }
  return undefined;
}

interface ApiResource {
  readonly name: string;
  readonly kind: string;
  readonly namespaced: boolean;
  readonly verbs: readonly string[];
}

async function resources(
  kube: Kube,
  base: string,
  options: { readonly signal: AbortSignal },
): Promise<readonly ApiResource[]> {
  try {
    const list = (await kube.request(base, options)) as { readonly resources: readonly ApiResource[] };
    return list.resources;
  } catch (error) {
    // An aggregated API whose server is down must not hide the others.
    if (error instanceof KubeStatusError) return [];
    throw error;
  }
}
