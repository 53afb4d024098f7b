/** What stands at a path that the compose files name. Read before the conversion, which itself does no I/O. */
export type SourceFact =
  | {
      readonly kind: "file";
      readonly content: Uint8Array;
      /** The absolute path of the file itself, where the path is a link. */
      readonly real?: string;
    }
  | { readonly kind: "large-file"; readonly bytes: number }
  | {
      readonly kind: "directory";
      /** Relative paths of the files below, sorted; not all of them when `complete` is false. */
      readonly files: readonly string[];
      /** Relative paths of links that lead out of it: what they name is not read. */
      readonly links?: readonly string[];
      readonly bytes: number;
      readonly complete: boolean;
    }
  /** A socket, a device: nothing that can be copied. */
  | { readonly kind: "special" }
  | { readonly kind: "missing" };

/** What one ConfigMap or Secret holds at most, in bytes: etcd takes 1 MiB, the rest is left for names and encoding. */
export const largestObject = 900 * 1024;
/** A directory with more files is no configuration, and is not read to its end. */
export const mostFiles = 50;

export interface Sources {
  /** By absolute path. */
  fact(path: string): SourceFact;
  /** A variable of the project's environment or its .env. */
  variable(name: string): string | undefined;
  /** Ports at which source files dial services, by port and host. */
  readonly dialled: readonly DialledPort[];
  /** Whether all source files were looked through for those. */
  readonly scannedAll: boolean;
}

export interface DialledPort {
  /** In lower case, as Compose knows it. */
  readonly host: string;
  readonly port: number;
  /** Absolute path. */
  readonly file: string;
  /** Counted from 1. */
  readonly line: number;
}
