// The kinds of values that stand in all parts of the model.

/** A time span. Compose writes `1m30s`. */
export type Milliseconds = number;
/** A size. Compose writes `64m`. */
export type Bytes = number;
/** A key of the project's `configs`, `secrets`, `volumes` or `networks`, not the `name` that such an entry may have. */
export type Reference = string;
export type Ulimit = number | ({ readonly soft: number; readonly hard: number } & Extensions);

/** Keys that begin with `x-` are the user's own and can stand in every map of the specification. */
export interface Extensions {
  readonly [extension: `x-${string}`]: unknown;
}

/** What a service mounts of the project's configs or secrets. */
export interface FileMount extends Extensions {
  readonly source: Reference;
  /** Secrets: `/run/secrets/<source>` is filled in; configs: Docker mounts at `/<source>` where there is none. */
  readonly target?: string;
  readonly uid?: string;
  readonly gid?: string;
  /** Permission bits: 0o440 is 288. */
  readonly mode?: number;
}
