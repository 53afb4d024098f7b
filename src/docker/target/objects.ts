import type { KubeObject } from "../../engine/kube-object.js";

// What the docker target reads of manifests. Fields that stand nowhere here are not honoured.

export interface PodTemplate {
  readonly metadata?: {
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec: PodSpec;
}
export interface PodSpec {
  readonly restartPolicy?: "Always" | "OnFailure" | "Never";
  readonly containers: readonly ContainerSpec[];
  readonly initContainers?: readonly ContainerSpec[];
  readonly volumes?: readonly VolumeSpec[];
  readonly securityContext?: SecurityContext;
  readonly terminationGracePeriodSeconds?: number;
  readonly hostname?: string;
  readonly subdomain?: string;
  readonly hostAliases?: readonly { readonly ip: string; readonly hostnames?: readonly string[] }[];
  readonly shareProcessNamespace?: boolean;
  readonly enableServiceLinks?: boolean;
  readonly serviceAccountName?: string;
  /** Its name of before. */
  readonly serviceAccount?: string;
}
export interface ContainerSpec {
  readonly name: string;
  readonly image?: string;
  readonly imagePullPolicy?: "Always" | "IfNotPresent" | "Never";
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly workingDir?: string;
  readonly env?: readonly EnvVar[];
  readonly envFrom?: readonly EnvSource[];
  readonly ports?: readonly {
    readonly name?: string;
    readonly containerPort: number;
    readonly hostPort?: number;
  }[];
  readonly volumeMounts?: readonly VolumeMount[];
  readonly resources?: {
    readonly limits?: Readonly<Record<string, string | number>>;
    readonly requests?: Readonly<Record<string, string | number>>;
  };
  readonly securityContext?: SecurityContext;
  readonly startupProbe?: Probe;
  readonly readinessProbe?: Probe;
  readonly livenessProbe?: Probe;
  readonly lifecycle?: { readonly postStart?: Action; readonly preStop?: Action };
  /** Of an init container: it goes on beside the others. */
  readonly restartPolicy?: "Always";
  readonly stdin?: boolean;
}
export interface SecurityContext {
  readonly runAsUser?: number;
  readonly runAsGroup?: number;
  readonly runAsNonRoot?: boolean;
  readonly fsGroup?: number;
  readonly supplementalGroups?: readonly number[];
  readonly readOnlyRootFilesystem?: boolean;
  readonly allowPrivilegeEscalation?: boolean;
  readonly privileged?: boolean;
  readonly capabilities?: { readonly add?: readonly string[]; readonly drop?: readonly string[] };
  readonly sysctls?: readonly { readonly name: string; readonly value: string }[];
}
interface KeyRef {
  readonly name: string;
  readonly key: string;
  readonly optional?: boolean;
}
/** `limits.memory`, in units of the divisor. */
export interface ResourceRef {
  readonly resource: string;
  readonly containerName?: string;
  readonly divisor?: string | number;
}
interface NameRef {
  readonly name: string;
  readonly optional?: boolean;
}
export interface EnvVar {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: {
    readonly configMapKeyRef?: KeyRef;
    readonly secretKeyRef?: KeyRef;
    readonly fieldRef?: { readonly fieldPath: string };
    readonly resourceFieldRef?: ResourceRef;
  };
}
export interface EnvSource {
  readonly prefix?: string;
  readonly configMapRef?: NameRef;
  readonly secretRef?: NameRef;
}
export interface VolumeMount {
  readonly name: string;
  readonly mountPath: string;
  readonly subPath?: string;
  readonly subPathExpr?: string;
  readonly readOnly?: boolean;
}
interface KeyToPath {
  readonly key: string;
  readonly path: string;
  readonly mode?: number;
}
export interface FileSource {
  readonly configMap?: {
    readonly name?: string;
    readonly items?: readonly KeyToPath[];
    readonly optional?: boolean;
  };
  readonly secret?: {
    readonly name?: string;
    readonly secretName?: string;
    readonly items?: readonly KeyToPath[];
    readonly optional?: boolean;
  };
  readonly downwardAPI?: {
    readonly items?: readonly {
      readonly path: string;
      readonly mode?: number;
      readonly fieldRef?: { readonly fieldPath: string };
      readonly resourceFieldRef?: ResourceRef;
    }[];
  };
}
export interface VolumeSpec extends FileSource {
  readonly name: string;
  readonly configMap?: FileSource["configMap"] & { readonly defaultMode?: number };
  readonly secret?: FileSource["secret"] & { readonly defaultMode?: number };
  readonly downwardAPI?: FileSource["downwardAPI"] & { readonly defaultMode?: number };
  readonly projected?: { readonly defaultMode?: number; readonly sources?: readonly FileSource[] };
  readonly emptyDir?: { readonly medium?: string };
  readonly hostPath?: { readonly path: string; readonly type?: string };
  readonly persistentVolumeClaim?: { readonly claimName: string; readonly readOnly?: boolean };
  readonly [other: string]: unknown;
}
export interface Action {
  readonly exec?: { readonly command?: readonly string[] };
  readonly httpGet?: HttpGet;
  readonly sleep?: { readonly seconds: number };
}
export interface HttpGet {
  readonly path?: string;
  readonly port: number | string;
  readonly host?: string;
  readonly scheme?: "HTTP" | "HTTPS";
  readonly httpHeaders?: readonly { readonly name: string; readonly value: string }[];
}
export interface Probe extends Action {
  readonly tcpSocket?: { readonly port: number | string; readonly host?: string };
  readonly initialDelaySeconds?: number;
  readonly periodSeconds?: number;
  readonly timeoutSeconds?: number;
  readonly successThreshold?: number;
  readonly failureThreshold?: number;
  /** Of one whose failure restarts the container, instead of the pod's. */
  readonly terminationGracePeriodSeconds?: number;
}

/** A pod as it was made: what runs is of this, whatever is rendered since. */
export interface PodObject extends KubeObject {
  readonly spec: PodSpec;
}
/** Deployment, ReplicaSet, StatefulSet, DaemonSet, Job: the fields of all of them. */
export interface WorkloadObject extends KubeObject {
  readonly spec: {
    readonly replicas?: number;
    readonly template: PodTemplate;
    readonly strategy?: { readonly type?: string; readonly rollingUpdate?: RollingUpdate };
    readonly podManagementPolicy?: string;
    readonly updateStrategy?: {
      readonly type?: string;
      readonly rollingUpdate?: { readonly partition?: number };
    };
    readonly ordinals?: { readonly start?: number };
    readonly serviceName?: string;
    readonly volumeClaimTemplates?: readonly { readonly metadata: { readonly name: string } }[];
    readonly completions?: number;
    readonly completionMode?: string;
    readonly parallelism?: number;
    readonly backoffLimit?: number;
    readonly suspend?: boolean;
    readonly activeDeadlineSeconds?: number;
    /** Of a CronJob. */
    readonly jobTemplate?: { readonly spec: WorkloadObject["spec"] };
  };
}
export interface RollingUpdate {
  readonly maxSurge?: number | string;
  readonly maxUnavailable?: number | string;
}
export interface ServiceObject extends KubeObject {
  readonly spec?: {
    readonly type?: string;
    readonly clusterIP?: string;
    readonly externalName?: string;
    readonly selector?: Readonly<Record<string, string>>;
    readonly ports?: readonly {
      readonly name?: string;
      readonly port: number;
      readonly targetPort?: number | string;
      readonly protocol?: string;
    }[];
  };
}
export interface ConfigObject extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
  readonly binaryData?: Readonly<Record<string, string>>;
  readonly stringData?: Readonly<Record<string, string>>;
}

/** What a pod is made with, found by kind, namespace and name. */
export type FindConfig = (
  kind: "ConfigMap" | "Secret",
  namespace: string,
  name: string,
) => ConfigObject | undefined;

/** A container that cannot be made as its manifest says, in Kubernetes' words; `reason` is that of its state. */
export class PodConfigError extends Error {
  constructor(
    message: string,
    readonly reason:
      "CreateContainerConfigError" | "ErrImagePull" | "ErrImageNeverPull" = "CreateContainerConfigError",
  ) {
    super(message);
    this.name = "PodConfigError";
  }
}

/** The values of a ConfigMap or Secret, as bytes. */
export function configValues({
  kind,
  data,
  binaryData,
  stringData,
}: ConfigObject): ReadonlyMap<string, Buffer> {
  const base64 = (text: string): Buffer => Buffer.from(text, "base64");
  const plain = (text: string): Buffer => Buffer.from(text, "utf8");
  const entries = (values: Readonly<Record<string, string>> = {}, read: (text: string) => Buffer) =>
    Object.entries(values).map(([key, value]): [string, Buffer] => [key, read(value)]);
  return new Map([
    ...entries(data, kind === "Secret" ? base64 : plain),
    ...entries(binaryData, base64),
    ...entries(stringData, plain),
  ]);
}
