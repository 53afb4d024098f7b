import type { KubeObject } from "../kube.js";

/** The fields of Kubernetes objects that health is read from. All are optional: a fresh object has no status yet. */
export interface Pod extends KubeObject {
  readonly spec?: {
    readonly nodeName?: string;
    readonly restartPolicy?: string;
    readonly containers?: readonly ContainerSpec[];
    readonly initContainers?: readonly ContainerSpec[];
  };
  readonly status?: {
    readonly phase?: string;
    readonly reason?: string;
    readonly message?: string;
    readonly conditions?: readonly Condition[];
    readonly containerStatuses?: readonly ContainerStatus[];
    readonly initContainerStatuses?: readonly ContainerStatus[];
  };
}
export interface ContainerSpec {
  readonly name: string;
  readonly image?: string;
  readonly restartPolicy?: string;
  readonly ports?: readonly {
    readonly name?: string;
    readonly containerPort: number;
    readonly protocol?: string;
  }[];
  readonly resources?: { readonly limits?: Readonly<Record<string, string>> };
  readonly readinessProbe?: Probe;
  readonly livenessProbe?: Probe;
  readonly startupProbe?: Probe;
}
export interface Probe {
  readonly httpGet?: { readonly path?: string; readonly port?: number | string };
  readonly tcpSocket?: { readonly port?: number | string };
  readonly exec?: { readonly command?: readonly string[] };
  readonly failureThreshold?: number;
  readonly periodSeconds?: number;
  readonly initialDelaySeconds?: number;
}
export interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
}
export interface ContainerStatus {
  readonly name: string;
  readonly image?: string;
  readonly ready?: boolean;
  readonly started?: boolean;
  readonly restartCount?: number;
  readonly containerID?: string;
  readonly state?: ContainerRunState;
  readonly lastState?: ContainerRunState;
}
export interface ContainerRunState {
  readonly waiting?: { readonly reason?: string; readonly message?: string };
  readonly running?: { readonly startedAt?: string };
  readonly terminated?: Terminated;
}
export interface Terminated {
  readonly exitCode: number;
  readonly signal?: number;
  readonly reason?: string;
  readonly message?: string;
  readonly startedAt?: string;
  readonly finishedAt?: string;
  readonly containerID?: string;
}

/** Deployment, ReplicaSet, StatefulSet, DaemonSet, Job and custom kinds with the like: the fields of all of them. */
export interface Controller extends KubeObject {
  readonly spec?: {
    readonly replicas?: number;
    readonly paused?: boolean;
    readonly suspend?: boolean;
    readonly completions?: number;
    readonly backoffLimit?: number;
    readonly progressDeadlineSeconds?: number;
    readonly updateStrategy?: {
      readonly type?: string;
      readonly rollingUpdate?: { readonly partition?: number };
    };
  };
  readonly status?: {
    /** A number everywhere but in Argo's Rollout, where it is a numeral. */
    readonly observedGeneration?: number | string;
    readonly replicas?: number;
    readonly readyReplicas?: number;
    readonly availableReplicas?: number;
    readonly updatedReplicas?: number;
    readonly updateRevision?: string;
    readonly desiredNumberScheduled?: number;
    readonly updatedNumberScheduled?: number;
    readonly numberAvailable?: number;
    readonly succeeded?: number;
    readonly failed?: number;
    readonly phase?: string;
    readonly message?: string;
    readonly conditions?: readonly Condition[];
  };
}

export interface ServiceObject extends KubeObject {
  readonly spec?: {
    readonly selector?: Readonly<Record<string, string>>;
    readonly ports?: readonly {
      readonly name?: string;
      readonly port: number;
      readonly targetPort?: number | string;
      readonly protocol?: string;
    }[];
  };
}

export interface KubeEvent extends KubeObject {
  readonly involvedObject?: { readonly uid?: string; readonly kind?: string; readonly fieldPath?: string };
  readonly reason?: string;
  readonly message?: string;
  readonly type?: string;
  readonly count?: number;
  readonly firstTimestamp?: string | null;
  readonly lastTimestamp?: string | null;
  readonly eventTime?: string | null;
  readonly series?: { readonly count?: number; readonly lastObservedTime?: string } | null;
}

/** How often the event was counted. */
export function eventCount(event: KubeEvent): number {
  return event.series?.count ?? event.count ?? 1;
}

/** When the event was last seen, ms since the epoch, by the cluster's clock. */
export function eventTime(event: KubeEvent): number {
  const text =
    event.series?.lastObservedTime ??
    event.lastTimestamp ??
    event.eventTime ??
    event.firstTimestamp ??
    event.metadata.creationTimestamp;
  return text ? Date.parse(text) : 0;
}

/** `status.conditions`' entry of a type. */
export function condition(
  object: { readonly status?: { readonly conditions?: readonly Condition[] } },
  type: string,
): Condition | undefined {
  return object.status?.conditions?.find((entry) => entry.type === type);
}

/** Whether the pod takes traffic: its Ready condition, which also says so of a pod that is being deleted. */
export function isPodReady(pod: Pod): boolean {
  return condition(pod, "Ready")?.status === "True";
}

export function isTerminating(object: KubeObject): boolean {
  return object.metadata.deletionTimestamp !== undefined;
}
