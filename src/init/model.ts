// What `devloop init` finds in a project, and what it makes of it. Paths are relative to the project, with slashes.

export interface FoundDockerfile {
  readonly path: string;
  /** Names of its stages. */
  readonly stages: readonly string[];
  /** What its COPY and ADD lines take from the context, as written. */
  readonly sources: readonly string[];
  /** The name in the package.json beside it, without a scope. */
  readonly packageName?: string;
  /** The TCP ports that its last stage, and those it is made from, expose. */
  readonly ports: readonly number[];
}

export interface FoundKustomization {
  readonly directory: string;
  /** Directories of the kustomizations that it takes in. */
  readonly references: readonly string[];
  /** A part for others, which cannot stand alone. */
  readonly component: boolean;
}

export interface FoundChart {
  readonly directory: string;
  readonly name: string;
  /** The values file for development beside it, where there is one. */
  readonly devValues?: string;
}

/** An artifact of a skaffold.yaml that is built from a Dockerfile. */
export interface SkaffoldArtifact {
  readonly image: string;
  readonly context: string;
  readonly dockerfile: string;
  readonly target?: string;
  readonly args?: Readonly<Record<string, string>>;
}

/** What of a skaffold.yaml has a counterpart in devloop.yaml, and what has none. */
export interface FoundSkaffold {
  readonly path: string;
  readonly artifacts: readonly SkaffoldArtifact[];
  readonly deploys: readonly DeploySource[];
  readonly forwards: readonly Forward[];
  /** What it says besides, in a few words each. */
  readonly notTaken: readonly string[];
}

export interface Findings {
  /** Every file that was seen. */
  readonly files: readonly string[];
  readonly dockerfiles: readonly FoundDockerfile[];
  readonly kustomizations: readonly FoundKustomization[];
  readonly charts: readonly FoundChart[];
  /** Files of Kubernetes objects that are no part of a kustomization or chart. */
  readonly manifests: readonly string[];
  readonly skaffold?: FoundSkaffold;
  /** Configurations of other tools that are not read: a Tiltfile is a program. */
  readonly unread: readonly string[];
}

/** One entry of `deploy` in devloop.yaml. */
export type DeploySource =
  | { readonly kind: "kustomize"; readonly path: string }
  | {
      readonly kind: "helm";
      readonly chart: string;
      readonly release: string;
      readonly values: readonly string[];
    }
  | { readonly kind: "manifests"; readonly patterns: readonly string[] };

/** Deploys of which one is to be taken, the likeliest first. */
export interface DeployChoice {
  readonly options: readonly [DeploySource, ...DeploySource[]];
  /** Nobody has to be asked: there is one only, or one that is for development by its name. */
  readonly sure: boolean;
}

/** A Service as far as a forward needs it. */
export interface FoundService {
  readonly name: string;
  readonly namespace: string | undefined;
  /** Its TCP ports. */
  readonly ports: readonly { readonly port: number; readonly name?: string }[];
}

/** What a deploy's objects say. */
export interface DeployFacts {
  /** Names of the images, without tag and digest. */
  readonly images: readonly string[];
  readonly services: readonly FoundService[];
  /** Namespaces of what runs; undefined for an object that names none. */
  readonly namespaces: readonly (string | undefined)[];
  /** Why it could not be rendered here: the rest is then what its files say. */
  readonly problem?: string;
}

/** An image of the manifests and the Dockerfile that builds it. */
export interface ImagePair {
  readonly image: string;
  readonly dockerfile: FoundDockerfile;
  /** The stage to build, when the Dockerfile makes several images. */
  readonly target?: string;
  /** Nothing but the lack of another speaks for it. */
  readonly guessed?: true;
  /** As another tool's configuration has it; left out: what the Dockerfile's text tells. */
  readonly context?: string;
  readonly args?: Readonly<Record<string, string>>;
}

export interface Forward {
  readonly service: string;
  readonly local: number;
  readonly remote: number;
  readonly namespace?: string;
  /** The port's name in the Service. */
  readonly portName?: string;
}

/** All that devloop.yaml is written from. */
export interface InitPlan {
  readonly name: string;
  /** The one namespace that the manifests name. */
  readonly namespace: string | undefined;
  readonly images: readonly (ImagePair & { readonly context: string })[];
  /** Images of the manifests that nothing here builds. */
  readonly pulled: readonly string[];
  /** Dockerfiles that none of the manifests' images goes with. */
  readonly unused: readonly string[];
  readonly deploys: readonly {
    readonly source: DeploySource;
    readonly others: readonly DeploySource[];
    readonly problem?: string;
  }[];
  /** What was found and is not deployed, since something else is. */
  readonly leftOut: readonly string[];
  readonly forwards: readonly Forward[];
  readonly skaffold?: FoundSkaffold;
  readonly unread: readonly string[];
}
