// What a project is made of: made from devloop.yaml, replaced whole when it is edited.

/** One image to build, with every path absolute and every default filled in. */
export interface ImageSpec {
  /** The name as it stands in the manifests, without tag: `monitor-agent`, `ghcr.io/acme/web`. */
  readonly name: string;
  /** Absolute path of the build context's directory. */
  readonly context: string;
  readonly dockerfile: DockerfileSource;
  readonly target?: string;
  readonly args: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly network?: string;
  /** `host:ip` entries for /etc/hosts of RUN steps. */
  readonly extraHosts: readonly string[];
  /** By the id that steps mount them by. The values are read when a build needs them, and never kept. */
  readonly secrets: Readonly<Record<string, SecretSource>>;
  /** SSH agents by id: the socket that each listens on, or null for that of SSH_AUTH_SOCK. */
  readonly ssh: Readonly<Record<string, string | null>>;
  /** What the Dockerfile finds under further names, in place of an image or stage. */
  readonly contexts: Readonly<Record<string, NamedContext>>;
  /** `os/arch[/variant]`; left out: the cluster's. */
  readonly platform?: string;
  readonly cacheFrom: readonly string[];
  readonly noCache: boolean;
  /** Ask the registry for newer base images at every build. */
  readonly pullBases: boolean;
  /** Patterns in .dockerignore syntax, relative to the context: changes under them neither rebuild nor travel. */
  readonly ignore: readonly string[];
  /** Which changes go into the running containers instead of a new image. */
  readonly sync?: SyncSpec;
  /** Generated files that come back from the containers. */
  readonly pull: readonly PullRule[];
  /** Hash of all fields above but `sync` and `pull`: part of the build's input key. */
  readonly specHash: string;
}

/** As written, or as a Dockerfile's COPY and ADD lines tell them. Patterns are in .dockerignore syntax, relative to the context. */
export type SyncSpec = {
  /** Files under a rule that need a new image all the same. */
  readonly rebuild: readonly string[];
} & (
  | { readonly kind: "rules"; readonly rules: readonly SyncRule[] }
  | { readonly kind: "auto"; readonly ignore: readonly string[]; readonly then: SyncAction }
);

export interface SyncRule {
  /**
   * A directory, a file or a pattern, relative to the context, with forward slashes; `.` is the context. A directory's files keep
   * their paths below it, a pattern's those below its part without wildcards.
   */
  readonly src: string;
  /** An absolute path in the container: a directory, or for a `src` that is a file the file, unless it ends with a slash. */
  readonly dest: string;
  /** Relative to the context, as all patterns. These are not synced: a change of them builds the image. */
  readonly ignore: readonly string[];
  readonly then: SyncAction;
  /** Where the rule comes from when nobody wrote it: `COPY in Dockerfile:7`. */
  readonly origin?: string;
  /** It holds for a `src` that is a directory: where docker puts a file depends on what the image has at `dest`. */
  readonly onlyDirectory?: true;
}

/** What follows a change of a rule's files. */
export type SyncAction =
  | { readonly kind: "nothing" }
  /** The container's process starts anew; the container stays. */
  | { readonly kind: "restart" }
  | {
      readonly kind: "exec";
      readonly command: readonly string[];
      /** The container's own when it is left out. */
      readonly workdir?: string;
      /** Only when a file that matches one of these changed; always when empty. */
      readonly when: readonly string[];
    };

/** One way back: what appears below `src` in a container is written below `dest` here. */
export interface PullRule {
  /** An absolute path in the container. */
  readonly src: string;
  /** Absolute path of a directory here. */
  readonly dest: string;
}

/** The file, which may lie outside the context, or its text as it stands in devloop.yaml. Paths are absolute. */
export type DockerfileSource =
  { readonly kind: "file"; readonly path: string } | { readonly kind: "inline"; readonly text: string };

export type SecretSource =
  { readonly kind: "file"; readonly path: string } | { readonly kind: "env"; readonly name: string };

/** A directory by its absolute path, or an address: `docker-image://alpine:3.20`, `https://…`. */
export type NamedContext =
  | { readonly kind: "directory"; readonly path: string }
  | { readonly kind: "address"; readonly address: string };

export type DeployId = string;

/** One thing to render and apply. Paths are absolute. `specHash` covers every option. */
export type DeploySpec = { readonly id: DeployId; readonly specHash: string } & (
  | { readonly kind: "kustomize"; readonly path: string }
  | {
      readonly kind: "helm";
      readonly release: string;
      readonly chart: string;
      readonly values: readonly string[];
      readonly set: Readonly<Record<string, string>>;
      readonly namespace?: string;
    }
  | { readonly kind: "manifests"; readonly patterns: readonly string[]; readonly root: string }
);

export interface ForwardSpec {
  /** `service/monitor-agent:8888`: unique in a project. */
  readonly id: string;
  readonly kind: "service" | "deployment" | "statefulset" | "pod";
  readonly name: string;
  readonly namespace?: string;
  /** Address the local listener binds to; 127.0.0.1 unless the config says otherwise. */
  readonly host: string;
  readonly local: number;
  /** The Service's port, or the container's for other kinds; a number or a port's name. */
  readonly remote: number | string;
  /** A taken local port is an error instead of moving to the next free one. */
  readonly strict: boolean;
}

export interface ClusterSpec {
  readonly provider: "auto" | "kind" | "k3d" | "context" | "docker";
  readonly name?: string;
  readonly context?: string;
  readonly namespace?: string;
  readonly create: boolean;
  /** Contexts that are not local and that the user allows by name. */
  readonly allow: readonly string[];
  /** Directories that pods on the engine itself may mount, absolute; none where it is left out. */
  readonly hostPaths?: readonly string[];
}

/** How far a workload is to be: a pod of it runs, all are ready, or, of a job, it has ended well. */
export type Milestone = "started" | "ready" | "completed";

/** All of a project that the loop works on. */
export interface Project {
  readonly name: string;
  /** Absolute path of the directory that holds devloop.yaml. */
  readonly root: string;
  readonly cluster: ClusterSpec;
  readonly images: readonly ImageSpec[];
  readonly deploys: readonly DeploySpec[];
  readonly forwards: readonly ForwardSpec[];
  /** What a workload waits for before it is applied, by the names of both. */
  readonly order: Readonly<Record<string, Readonly<Record<string, Milestone>>>>;
  /** Workloads by name, and the ones whose new pods make new pods of them: all stand in `order`. */
  readonly restarts: Readonly<Record<string, readonly string[]>>;
  readonly maxBuilds: number;
  /** How many builds of each image stay in the engine and the nodes; 0 keeps all. */
  readonly keepImages: number;
}
