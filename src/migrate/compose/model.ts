import type { ComposeService } from "./service-model.js";
import type { Extensions } from "./values-model.js";

export type * from "./service-model.js";
export type * from "./service-parts-model.js";
export type * from "./values-model.js";

// What Compose files come to: the model that `docker compose config` prints, typed, in the long form of everything.
// Where it all came from stands beside it, by path.

/** A project as its files, profiles and environment make it. All of it is plain data. */
export interface ComposeProject {
  readonly name: string;
  /** What set the name. */
  readonly nameFrom: "option" | "environment" | "file" | "directory";
  /** Absolute path of the directory that relative paths count from: the first file's, unless chosen. */
  readonly directory: string;
  /** Absolute paths of the files given with -f, or found, in the order in which they were merged. */
  readonly files: readonly string[];
  /** Absolute paths of all files read: those, included and extended ones, .env, env_file and label_file. */
  readonly filesRead: readonly string[];
  /** The profiles asked for. */
  readonly profiles: readonly string[];

  /** The services that are on. */
  readonly services: Readonly<Record<string, ComposeService>>;
  /** Services of profiles that were not asked for, in the same form. Paths of theirs begin with `disabledServices`. */
  readonly disabledServices: Readonly<Record<string, ComposeService>>;
  readonly networks: Readonly<Record<string, ComposeNetwork>>;
  readonly volumes: Readonly<Record<string, ComposeVolume>>;
  readonly configs: Readonly<Record<string, ComposeConfig>>;
  readonly secrets: Readonly<Record<string, ComposeSecret>>;
  readonly models: Readonly<Record<string, ComposeModel>>;
  /** The `x-…` keys of the top level. */
  readonly extensions: Extensions;

  /** Where each value came from, by `pathKey(path)`: ask `originOf` and `keyPaths`. */
  readonly origins: ReadonlyMap<string, PlacedOrigin>;
  /** What stands in the files and not in the model, in the order of reading: a report must account for it too. */
  readonly absorbed: readonly Absorbed[];
  /** Variables that were read and not set and had no default: Compose puts nothing in their place, and warns. */
  readonly unset: readonly UnsetVariable[];
}

export interface ComposeNetwork extends Extensions {
  /** `<project>_<key>` is filled in. */
  readonly name?: string;
  readonly driver?: string;
  readonly driver_opts?: Readonly<Record<string, string>>;
  readonly ipam?: {
    readonly driver?: string;
    readonly config?: readonly ({
      readonly subnet?: string;
      readonly ip_range?: string;
      readonly gateway?: string;
      readonly aux_addresses?: Readonly<Record<string, string>>;
    } & Extensions)[];
    readonly options?: Readonly<Record<string, string>>;
  } & Extensions;
  readonly external?: boolean;
  readonly internal?: boolean;
  readonly enable_ipv4?: boolean;
  readonly enable_ipv6?: boolean;
  readonly attachable?: boolean;
  readonly labels?: Readonly<Record<string, string>>;
}

export interface ComposeVolume extends Extensions {
  /** `<project>_<key>` is filled in. */
  readonly name?: string;
  readonly driver?: string;
  readonly driver_opts?: Readonly<Record<string, string>>;
  readonly external?: boolean;
  readonly labels?: Readonly<Record<string, string>>;
}

export interface ComposeConfig extends Extensions {
  /** `<project>_<key>` is filled in. */
  readonly name?: string;
  /** As given, or what the variable holds. */
  readonly content?: string;
  /** The name of the environment variable that holds it. */
  readonly environment?: string;
  /** Absolute path. */
  readonly file?: string;
  readonly external?: boolean;
  readonly labels?: Readonly<Record<string, string>>;
  readonly template_driver?: string;
}

export interface ComposeSecret extends Extensions {
  /** `<project>_<key>` is filled in. */
  readonly name?: string;
  /** The name of the environment variable that holds it. */
  readonly environment?: string;
  /** What that variable holds: nothing to show or to write into a file in plain sight. */
  readonly content?: string;
  /** Absolute path. */
  readonly file?: string;
  readonly external?: boolean;
  readonly labels?: Readonly<Record<string, string>>;
  readonly driver?: string;
  readonly driver_opts?: Readonly<Record<string, string>>;
  readonly template_driver?: string;
}

export interface ComposeModel extends Extensions {
  readonly name?: string;
  readonly model: string;
  readonly context_size?: number;
  readonly runtime_flags?: readonly string[];
}

/** A place in the model: `["services", "web", "ports", 0, "target"]`. */
export type ModelPath = readonly (string | number)[];

/** A place in a file. */
export interface FilePlace {
  /** Absolute path. */
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly column: number;
}

/** A variable that a text was made of. */
export interface ComposeVariable {
  readonly name: string;
  /** `unset`: nothing took its place. `default`: the text's own default or alternative did. */
  readonly from: "environment" | "env-file" | "default" | "unset";
}

/** What set a value. */
export type ComposeOrigin =
  | {
      readonly kind: "file";
      /** Where the key stands, or, of a list's item, the item. */
      readonly file: string;
      readonly line: number;
      readonly column: number;
      /** Where the value stands when it is not beside its key: it came by an alias (`*name`). */
      readonly value?: FilePlace;
      /** The index in `files` of the file that brought it, by itself or by what it includes or extends. */
      readonly layer: number;
      /** How it came into that file, outermost first; empty for what stands in it. */
      readonly via: readonly Via[];
      /** The text as it stands in the file, where the model has another: variables replaced, a path made absolute. */
      readonly raw?: string;
      readonly variables?: readonly ComposeVariable[];
    }
  /** Compose fills it in, or it follows from another key. */
  | { readonly kind: "default" }
  /** A name without a value in `environment` or `args`, which the environment gave one. */
  | { readonly kind: "environment"; readonly variable: string };

/** `include` and `extends` stand where their entry does; `merge` is a `<<`. */
export interface Via extends FilePlace {
  readonly kind: "include" | "extends" | "merge";
}

export interface PlacedOrigin {
  readonly path: ModelPath;
  readonly origin: ComposeOrigin;
}

/** Something written that the model does not hold under its path. */
export interface Absorbed {
  /** As far as it has one: the place where it would stand in the model. */
  readonly path: ModelPath;
  readonly origin: ComposeOrigin & { readonly kind: "file" };
  readonly why:
    /** `version`, `name`, `include`, `extends` and `<<` have done their work; so has what an included file says of itself. */
    | "applied"
    /** It is a map or list that was merged into the one that a file before has under this path; what it holds is there. */
    | "merged"
    /** A later file, or the service that extends, sets another value here. */
    | "replaced"
    /** A `!reset` or `!override` took it away. */
    | "reset"
    /** Nothing stands in it: Compose takes an empty value for one that is not given. */
    | "empty";
}

export interface UnsetVariable extends FilePlace {
  readonly name: string;
}

/** The path as a map's key. */
export function pathKey(path: ModelPath): string {
  return JSON.stringify(path);
}

/**
 * What set the value at `path`. What only a short form holds (`target` of `8080:80`) has that text's origin; what
 * Compose fills in has the kind `default`. Undefined for what the model does not hold.
 */
export function originOf(project: ComposeProject, path: ModelPath): ComposeOrigin | undefined {
  return project.origins.get(pathKey(path))?.origin;
}

/** Every key and every list's item that the model holds, each with what set it: parents before what they hold. */
export function keyPaths(project: ComposeProject): Iterable<PlacedOrigin> {
  return project.origins.values();
}
