import { containerdName } from "../load/containerd.js";
import { KubeStatusError, type Kube, type KubeObject } from "../kube.js";
import type { ImageUses } from "./image-store.js";

/** What may start pods, by its collections' paths: the first that the server knows. */
const workloads: readonly {
  readonly kind: string;
  readonly paths: readonly string[];
  readonly optional?: true;
}[] = [
  { kind: "pod", paths: ["/api/v1/pods"] },
  { kind: "Deployment", paths: ["/apis/apps/v1/deployments"] },
  { kind: "StatefulSet", paths: ["/apis/apps/v1/statefulsets"] },
  { kind: "DaemonSet", paths: ["/apis/apps/v1/daemonsets"] },
  { kind: "ReplicaSet", paths: ["/apis/apps/v1/replicasets"] },
  { kind: "Job", paths: ["/apis/batch/v1/jobs"] },
  { kind: "CronJob", paths: ["/apis/batch/v1/cronjobs", "/apis/batch/v1beta1/cronjobs"] },
  { kind: "Rollout", paths: ["/apis/argoproj.io/v1alpha1/rollouts"], optional: true },
];
/** Objects in one answer. */
const pageSize = 500;

/**
 * The images that a cluster runs or may start: of every pod, and of every pod template that is not an outdated revision's,
 * in all namespaces. Throws CLUSTER_UNREACHABLE, and KubeStatusError where something may not be read: without it nothing is
 * known to be unused.
 */
export async function readClusterUses(
  kube: Kube,
  { signal }: { readonly signal: AbortSignal },
): Promise<ImageUses> {
  const refs = new Map<string, string>();
  const digests = new Map<string, string>();
  for (const { kind, paths, optional = false } of workloads) {
    for await (const object of readAll(kube, paths, optional, signal)) {
      const who = `${kind} ${object.metadata.namespace ?? "default"}/${object.metadata.name}`;
      for (const name of imagesOf(kind, object)) {
        if (!refs.has(containerdName(name))) refs.set(containerdName(name), who);
        for (const [digest] of name.matchAll(/sha256:[0-9a-f]{64}/g)) {
          if (!digests.has(digest)) digests.set(digest, who);
        }
      }
    }
  }
  return { refs, digests };
}

interface ContainerLike {
  readonly image?: string;
  readonly imageID?: string;
}
type Containers = Readonly<Record<string, readonly ContainerLike[] | undefined>>;
interface WorkloadLike extends KubeObject {
  readonly spec?: {
    readonly replicas?: number;
    readonly template?: { readonly spec?: Containers };
    readonly jobTemplate?: { readonly spec?: { readonly template?: { readonly spec?: Containers } } };
  };
  readonly status?: Containers;
}

function imagesOf(kind: string, object: WorkloadLike): readonly string[] {
  const { spec, status } = object;
  if (kind === "pod") {
    return [
      ...imagesIn(spec as Containers | undefined, ["initContainers", "containers", "ephemeralContainers"]),
      ...imagesIn(status, ["initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"]),
    ];
  }
  // What a Deployment has scaled down is an earlier revision.
  if (kind === "ReplicaSet" && spec?.replicas === 0) return [];
  const template = spec?.template ?? spec?.jobTemplate?.spec?.template;
  return imagesIn(template?.spec, ["initContainers", "containers"]);
}

function imagesIn(holder: Containers | undefined, fields: readonly string[]): string[] {
  return fields.flatMap((field) =>
    (holder?.[field] ?? []).flatMap(({ image, imageID }) => [image, imageID].filter((name) => !!name)),
  ) as string[];
}

async function* readAll(
  kube: Kube,
  paths: readonly string[],
  optional: boolean,
  signal: AbortSignal,
): AsyncGenerator<WorkloadLike> {
  for (const [index, path] of paths.entries()) {
    try {
      let next = "";
      do {
        const page = (await kube.request(`${path}?limit=${pageSize}${next}`, { signal })) as {
          readonly items: readonly WorkloadLike[];
          readonly metadata?: { readonly continue?: string };
        };
        yield* page.items;
        const token = page.metadata?.continue;
        next = token ? `&continue=${encodeURIComponent(token)}` : "";
      } while (next !== "");
      return;
    } catch (error) {
      const unknown =
        error instanceof KubeStatusError && (error.status === 404 || (optional && error.status === 403));
      const last = index === paths.length - 1;
      if (!unknown || (last && !optional)) throw error;
    }
  }
}
