import type { KubeObject } from "../../engine/kube-object.js";
import type { ContainerSpec, PodSpec, ServiceObject } from "./objects.js";
import { servedPorts } from "./service-rules.js";
import { jobSpecOf, specOf, templateOf } from "./templates.js";

/** Kinds whose pods are run. */
export const workloadKinds: ReadonlySet<string> = new Set([
  "Deployment",
  "ReplicaSet",
  "StatefulSet",
  "DaemonSet",
  "Job",
  "CronJob",
  "Pod",
]);
/** Kinds that are taken up without anything running for them. */
const quietKinds = new Set([
  "Namespace",
  "ConfigMap",
  "Secret",
  "ServiceAccount",
  "PersistentVolumeClaim",
  "Ingress",
]);

/** Fields of a pod that say where it goes, or what the node does for it. */
const podFields = [
  "nodeSelector",
  "nodeName",
  "affinity",
  "tolerations",
  "topologySpreadConstraints",
  "priorityClassName",
  "runtimeClassName",
  "schedulerName",
  "hostNetwork",
  "hostPID",
  "hostIPC",
  "hostUsers",
  "dnsPolicy",
  "dnsConfig",
  "setHostnameAsFQDN",
  "activeDeadlineSeconds",
] as const;

/** Fields of a workload that say when its pods count, or go; 0 says nothing. */
const replicaFields = ["minReadySeconds", "paused"] as const;
const jobFields = [
  // A Job's own deadline has the name of a pod's.
  "activeDeadlineSeconds",
  "backoffLimitPerIndex",
  "maxFailedIndexes",
  "podFailurePolicy",
  "successPolicy",
  "ttlSecondsAfterFinished",
] as const;

/** What an object asks for and does not get: the fields, or all of it; undefined for one that is honoured. */
export function passedOver(object: KubeObject): string | undefined {
  const title = `${object.kind}/${object.metadata.name}`;
  const { kind } = object;
  if (kind === "Service") {
    const { ports = [], type } = (object as ServiceObject).spec ?? {};
    const others = servedPorts(object).length < ports.length && type !== "ExternalName";
    return others ? `${title} (ports that are neither TCP nor UDP)` : undefined;
  }
  if (quietKinds.has(kind)) return undefined;
  if (!workloadKinds.has(kind)) return title;
  const fields = [
    ...(kind === "CronJob" ? ["schedule: devloop restart runs it"] : []),
    ...ownFieldsOf(object),
    ...fieldsOf(templateOf(object).spec),
  ].filter((field, index, all) => all.indexOf(field) === index);
  return fields.length === 0 ? undefined : `${title} (${fields.join(", ")})`;
}

/** Of the workload itself, not of its pods. */
function ownFieldsOf(object: KubeObject): readonly string[] {
  const { kind } = object;
  if (kind === "Pod") return [];
  if (kind === "Job" || kind === "CronJob") {
    const given = jobSpecOf(object) as Readonly<Record<string, unknown>>;
    return jobFields.filter((field) => given[field] !== undefined);
  }
  const given = specOf(object) as Readonly<Record<string, unknown>>;
  const onDelete = specOf(object).updateStrategy?.type === "OnDelete";
  return [
    ...replicaFields.filter((field) => Boolean(given[field])),
    ...(onDelete ? ["updateStrategy OnDelete"] : []),
  ];
}

function fieldsOf(spec: PodSpec): readonly string[] {
  const given = spec as unknown as Readonly<Record<string, unknown>>;
  const isSet = (value: unknown): boolean => value !== undefined && value !== null && value !== false;
  const containers: readonly (ContainerSpec & NodeFields)[] = [
    ...(spec.initContainers ?? []),
    ...spec.containers,
  ];
  const anyHas = (look: (container: ContainerSpec & NodeFields) => unknown): boolean =>
    containers.some((container) => isSet(look(container)));
  const probes = ({ startupProbe, readinessProbe, livenessProbe }: ContainerSpec): readonly object[] =>
    [startupProbe, readinessProbe, livenessProbe].filter((probe) => probe !== undefined);
  return [
    ...podFields.filter((field) => isSet(given[field]) && given[field] !== defaults[field]),
    ...(isSet(given["securityContext"]) && hasProfile(given["securityContext"]) ? ["seccompProfile"] : []),
    ...(anyHas(({ securityContext }) => hasProfile(securityContext)) ? ["seccompProfile"] : []),
    ...(anyHas(({ ports = [] }) => ports.some(({ hostPort }) => hostPort !== undefined)) ? ["hostPort"] : []),
    ...(anyHas(({ volumeDevices }) => volumeDevices) ? ["volumeDevices"] : []),
    ...(containers.some((container) => probes(container).some((probe) => "grpc" in probe))
      ? ["grpc probes"]
      : []),
  ];
}

/** What says nothing, since all pods have it. */
const defaults: Readonly<Record<string, unknown>> = {
  dnsPolicy: "ClusterFirst",
  schedulerName: "default-scheduler",
};

/** Of a container, beside what is read of it. */
interface NodeFields {
  readonly volumeDevices?: unknown;
}

function hasProfile(context: unknown): boolean {
  const profile = (context as { readonly seccompProfile?: { readonly type?: string } } | undefined)
    ?.seccompProfile;
  // The engine's own profile is the runtime's default.
  return profile !== undefined && profile.type !== "RuntimeDefault";
}
