import type { ComposeProject, ComposeService, ModelPath } from "../compose/model.js";
import type { Ledger, Outcome } from "./ledger.js";
import type { ResourceNames } from "./resource-names.js";
import type { DialledPort, Sources } from "./sources.js";
import type { Tree, TreeMap } from "./tree.js";

// What the rules make of a service, before it becomes files.

export interface ConvertOptions {
  /** Absolute path of the directory that devloop.yaml, MIGRATION.md and k8s/ are written to. */
  readonly out: string;
  readonly waitInitContainers: boolean;
  /** `full` adds liveness and startup probes to the readiness probe. */
  readonly probes: "readiness" | "full";
  /** Mount paths of the node for what lies outside the project. */
  readonly hostMounts: boolean;
  /** Every overlay takes in the component that parts services as the compose file's networks do. */
  readonly networkPolicies: boolean;
}

/** A ConfigMap or Secret that kustomize generates. */
export interface Generator {
  readonly kind: "ConfigMap" | "Secret";
  readonly name: string;
  /** Variables: one normalised env file. */
  readonly variables?: ReadonlyMap<string, string>;
  /** Files by key. */
  readonly files?: ReadonlyMap<string, Uint8Array>;
}

export interface SyncRulePlan {
  /** Relative to the context. */
  readonly src: string;
  readonly dest: string;
  readonly ignore?: readonly string[];
  readonly then?: "restart" | { readonly exec: readonly string[]; readonly workdir?: string };
  readonly note?: string;
}

/** An image that devloop builds. */
export interface ImagePlan {
  readonly name: string;
  /** The keys of devloop.yaml besides `sync` and `rebuild`. */
  readonly spec: TreeMap;
  /** Build arguments whose value is made of the environment when it is built, each as devloop.yaml writes it. */
  readonly environmentArgs: Readonly<Record<string, string>>;
  readonly sync: readonly SyncRulePlan[];
  readonly rebuild: readonly string[];
}

export interface ForwardPlan {
  readonly service: string;
  readonly local?: number;
  readonly remote: number;
  readonly host?: string;
}

export type WorkloadKind = "Deployment" | "StatefulSet" | "DaemonSet" | "Job" | "CronJob";

export interface ServicePortPlan {
  readonly port: number;
  readonly protocol: "TCP" | "UDP" | "SCTP";
  readonly name?: string;
  readonly appProtocol?: string;
  readonly nodePort?: number;
  /** The source text that tells of it, when nothing else does. */
  readonly foundAt?: DialledPort;
}

/** What one rule brings. Lists are put behind each other, maps over each other. */
export interface Part {
  readonly container?: TreeMap;
  readonly containerSecurity?: TreeMap;
  readonly pod?: TreeMap;
  readonly podSecurity?: TreeMap;
  readonly podLabels?: TreeMap;
  readonly podAnnotations?: TreeMap;
  readonly annotations?: TreeMap;
  readonly labels?: TreeMap;
  readonly volumes?: readonly TreeMap[];
  readonly mounts?: readonly TreeMap[];
  readonly initContainers?: readonly Tree[];
  readonly env?: readonly TreeMap[];
  readonly envFrom?: readonly TreeMap[];
  readonly generators?: readonly Generator[];
  readonly forwards?: readonly ForwardPlan[];
  readonly images?: readonly ImagePlan[];
  readonly ports?: readonly ServicePortPlan[];
  readonly objects?: readonly TreeMap[];
  /** Paths of the image whose content has to be copied into volumes. */
  readonly copyUps?: readonly { readonly volume: string; readonly path: string; readonly subPath?: string }[];
  /** Further names under which peers know the service. */
  readonly aliases?: readonly string[];
  /** What the Service's spec has besides ports and selector. */
  readonly serviceSpec?: TreeMap;
  /** Keys of the project's volumes that become claims. */
  readonly claims?: readonly string[];
}

/** A service, what it is part of, and a way to say what becomes of its keys. */
export interface ServiceView {
  readonly project: ComposeProject;
  readonly key: string;
  /** The name of its workload and Service. */
  readonly name: string;
  readonly service: ComposeService;
  readonly workload: WorkloadKind;
  readonly names: Names;
  readonly options: ConvertOptions;
  readonly sources: Sources;
  readonly ledger: Ledger;
  /** Reports on a key of the service: `["ports", 0]`. */
  say(outcome: Outcome, path: ModelPath, text: string): void;
  /** As say, for everything below too. */
  sayAll(outcome: Outcome, path: ModelPath, text: string): void;
}

/** Which name in the cluster each service has. */
export interface Names extends ResourceNames {
  /** Of services, by key: disabled ones too. */
  readonly services: ReadonlyMap<string, string>;
  /** Of the image that each service runs. */
  readonly images: ReadonlyMap<string, string>;
  /** Host names of compose that cannot be looked up in the cluster as they are, and what takes their place. */
  readonly renamedHosts: ReadonlyMap<string, string>;
  /** Further names, in DNS, that several pods have. */
  readonly sharedAliases: ReadonlySet<string>;
}

/** What a service comes to by itself, before containers of other services join its pod. */
export interface ServiceResult {
  readonly view: ServiceView;
  readonly part: Required<Part>;
}

export type Rule = (view: ServiceView) => Part;

export function mergeParts(parts: readonly Part[]): Required<Part> {
  const maps = (
    key:
      | "container"
      | "containerSecurity"
      | "pod"
      | "podSecurity"
      | "podLabels"
      | "podAnnotations"
      | "annotations"
      | "labels"
      | "serviceSpec",
  ) => Object.assign({}, ...parts.map((part) => part[key] ?? {})) as TreeMap;
  return {
    container: maps("container"),
    containerSecurity: maps("containerSecurity"),
    pod: maps("pod"),
    podSecurity: maps("podSecurity"),
    podLabels: maps("podLabels"),
    podAnnotations: maps("podAnnotations"),
    annotations: maps("annotations"),
    labels: maps("labels"),
    volumes: parts.flatMap((part) => part.volumes ?? []),
    mounts: parts.flatMap((part) => part.mounts ?? []),
    initContainers: parts.flatMap((part) => part.initContainers ?? []),
    env: parts.flatMap((part) => part.env ?? []),
    envFrom: parts.flatMap((part) => part.envFrom ?? []),
    generators: parts.flatMap((part) => part.generators ?? []),
    forwards: parts.flatMap((part) => part.forwards ?? []),
    images: parts.flatMap((part) => part.images ?? []),
    ports: parts.flatMap((part) => part.ports ?? []),
    objects: parts.flatMap((part) => part.objects ?? []),
    copyUps: parts.flatMap((part) => part.copyUps ?? []),
    aliases: parts.flatMap((part) => part.aliases ?? []),
    serviceSpec: maps("serviceSpec"),
    claims: parts.flatMap((part) => part.claims ?? []),
  };
}
