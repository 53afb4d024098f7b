import { randomBytes } from "node:crypto";
import type { KubeObject } from "../../engine/kube-object.js";
import { hashJson } from "../../lib/canonical-json.js";
import type { ContainerSpec, PodObject, PodTemplate, WorkloadObject } from "./objects.js";

/** In a pod's labels and annotations: which template it was made of. */
const hashLabel = "pod-template-hash";

/** In the labels and annotations of an Indexed Job's pod: which of its parts it does. */
const indexLabel = "batch.kubernetes.io/job-completion-index";
const indexVariable = "JOB_COMPLETION_INDEX";

/** The fields of a workload that makes pods of its own; a CronJob's stand one level below. */
export function specOf(object: KubeObject): WorkloadObject["spec"] {
  return (object as WorkloadObject).spec;
}

/** A Job's fields: its own, or those that a CronJob has for its runs. */
export function jobSpecOf(object: KubeObject): WorkloadObject["spec"] {
  return object.kind === "CronJob" ? (specOf(object).jobTemplate?.spec ?? specOf(object)) : specOf(object);
}

/** What a workload's pods are made of; a Pod stands for itself. */
export function templateOf(object: KubeObject): PodTemplate {
  return object.kind === "Pod"
    ? { metadata: object.metadata, spec: (object as PodObject).spec }
    : jobSpecOf(object).template;
}

/** Another one makes other pods. */
export function templateHash(object: KubeObject): string {
  const { metadata = {}, spec } = templateOf(object);
  const { labels, annotations } = metadata;
  return hashJson([labels, annotations, spec]).slice(0, 10);
}

/** The hash of the template that a pod was made of. */
export function hashOf({ metadata }: KubeObject): string {
  return metadata.annotations?.[hashLabel] ?? "";
}

/** A new pod of a workload, with all that its controller adds. Without a name it gets one of its own; an Indexed Job's begins with what is given. */
export function podOf(object: KubeObject, uid: string, given: string | undefined): PodObject {
  const { kind } = object;
  const { name, namespace = "" } = object.metadata;
  const hash = templateHash(object);
  const { metadata = {}, spec } = templateOf(object);
  const random = randomBytes(3).toString("hex").slice(0, 5);
  const ends = kind === "Job" || kind === "CronJob";
  const part = ends && jobSpecOf(object).completionMode === "Indexed" ? given : undefined;
  const podName = part === undefined ? (given ?? `${name}-${hash}-${random}`) : `${part}-${random}`;
  const index = part === undefined ? {} : { [indexLabel]: part.split("-").at(-1) ?? "" };
  const ofSet = kind === "StatefulSet";
  const claims = (specOf(object).volumeClaimTemplates ?? []).map((claim) => ({
    name: claim.metadata.name,
    persistentVolumeClaim: { claimName: `${claim.metadata.name}-${podName}` },
  }));
  const owner =
    kind === "Deployment"
      ? { kind: "ReplicaSet", name: `${name}-${hash}`, uid: `${uid}-${hash}` }
      : { kind, name, uid };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: podName,
      namespace,
      uid: randomBytes(16).toString("hex"),
      creationTimestamp: new Date().toISOString(),
      labels: {
        ...metadata.labels,
        ...(kind === "Pod" ? {} : { [hashLabel]: hash }),
        ...(ends ? { "job-name": name, "batch.kubernetes.io/job-name": name } : {}),
        ...index,
        ...(ofSet
          ? {
              "statefulset.kubernetes.io/pod-name": podName,
              "apps.kubernetes.io/pod-index": podName.split("-").at(-1) ?? "",
            }
          : {}),
      },
      annotations: { ...metadata.annotations, ...index, [hashLabel]: hash },
      ...(kind === "Pod" ? {} : { ownerReferences: [owner] }),
    },
    spec: {
      ...spec,
      ...(ends ? { restartPolicy: spec.restartPolicy ?? "Never" } : {}),
      ...(ofSet ? { hostname: podName, subdomain: specOf(object).serviceName } : {}),
      ...(part === undefined
        ? {}
        : {
            hostname: part,
            containers: spec.containers.map(withIndex),
            initContainers: (spec.initContainers ?? []).map(withIndex),
          }),
      volumes: [
        ...(spec.volumes ?? []).filter((volume) => !claims.some((claim) => claim.name === volume.name)),
        ...claims,
      ],
    },
  };
}

/** With the variable that tells it its index, unless it has one of that name. */
function withIndex(container: ContainerSpec): ContainerSpec {
  const { env = [] } = container;
  if (env.some(({ name }) => name === indexVariable)) return container;
  const fieldPath = `metadata.annotations['${indexLabel}']`;
  return { ...container, env: [...env, { name: indexVariable, valueFrom: { fieldRef: { fieldPath } } }] };
}
