/** What the agent in a container says of it, and what it can be told to do. Paths are relative to a root there. */

export interface AgentHello {
  readonly uid: number;
  readonly gid: number;
  /** The container's process runs under the agent: it can be restarted in place. */
  readonly supervised: boolean;
}

/** What stands at a path. Links are not followed. */
export type Found =
  | { readonly kind: "missing" }
  | {
      readonly kind: "file";
      readonly mode: number;
      readonly size: number;
      /** In base64. */ readonly sha256: string;
    }
  | { readonly kind: "directory"; readonly mode: number }
  | { readonly kind: "link"; readonly target: string }
  | { readonly kind: "other" }
  /** `errno` is Linux's, whatever this machine's are: see errorName. */
  | { readonly kind: "unreadable"; readonly errno: number };

/** The bytes of a file, as a whole or as they are read. `sha256` is in base64, `size` in bytes. */
export type FileContent =
  Uint8Array | { readonly size: number; readonly sha256: string; readonly chunks: AsyncIterable<Uint8Array> };

export type TreeChange =
  | {
      readonly kind: "file";
      readonly root: string;
      readonly path: string;
      readonly mode: number;
      readonly content: FileContent;
    }
  | { readonly kind: "link"; readonly root: string; readonly path: string; readonly target: string }
  | { readonly kind: "directory"; readonly root: string; readonly path: string; readonly mode: number }
  | { readonly kind: "remove"; readonly root: string; readonly path: string };

export type ChangeResult =
  /** `sha256` (base64) is that of the bytes that a file was written with. */
  | { readonly kind: "done"; readonly sha256?: string }
  /** A directory that was to be removed holds something. */
  | { readonly kind: "kept" }
  /** `code` as Linux names it, such as EACCES; `call` is what failed: open, write, rename, hash, read (on this side). */
  | { readonly kind: "failed"; readonly code: string; readonly call: string };

/** How the container's process is. `exitCode` is that of its last run that ended, 128 + n when signal n ended it. */
export interface ProcessState {
  readonly state: "held" | "running" | "waiting" | "stopping";
  /** As the container numbers it; 0 while none runs. */
  readonly pid: number;
  readonly exitCode?: number;
  /** When the present run began, in ms since the epoch; 0 before the first. */
  readonly startedAt: number;
  readonly runs: number;
}

export interface Restarted {
  readonly pid: number;
  readonly previousExitCode?: number;
  /** In ms since the epoch. */
  readonly startedAt: number;
}

/** An entry of a tree, each directory before what is in it. */
export type WalkEntry =
  | {
      readonly kind: "file" | "directory" | "link" | "other";
      readonly path: string;
      readonly mode: number;
      readonly size: number;
      /** In ns since the epoch. */
      readonly modifiedAt: bigint;
    }
  /** A directory whose entries are not known; the root itself has an empty path. */
  | { readonly kind: "unreadable"; readonly path: string; readonly errno: number };

interface Waiting {
  readonly signal: AbortSignal;
}

/**
 * A channel to the agent in a container. Each call rejects with its signal's reason when that aborts, and the channel goes on; with
 * one and the same Error once the channel is closed; with an AgentError when the agent says no. Disposing closes it.
 */
export interface Agent extends Disposable {
  readonly hello: AgentHello;
  /** The newest state that the agent has told; undefined when the process is not supervised. */
  process(): ProcessState | undefined;
  /** What stands at the paths, in their order. */
  query(root: string, paths: readonly string[], options: Waiting): Promise<readonly Found[]>;
  /**
   * Carries out the changes in their order, each on its own: one that fails stops no other. One batch is under way at a time. After an
   * abort, what has been sent of the batch is still carried out, and no more of it; the next batch waits for that.
   */
  apply(changes: readonly TreeChange[], options: Waiting): Promise<readonly ChangeResult[]>;
  /** Ends the container's process and all of its group, by SIGKILL after `graceMs`, and starts it again. */
  restart(options: Waiting & { readonly graceMs: number }): Promise<Restarted>;
  /**
   * Runs a command in the container, in `workdir` or the agent's own; its exit code, 127 when it is not found. stdout and stderr come
   * together. An abort kills it with its group.
   */
  exec(
    command: readonly string[],
    options: Waiting & { readonly workdir?: string; readonly onOutput: (bytes: Uint8Array) => void },
  ): Promise<number>;
  /** Lets a process start that is held back. */
  release(options: Waiting): Promise<void>;
  /** All that is below a root, 100,000 entries at most; nothing when it is missing. */
  walk(root: string, options: Waiting): Promise<readonly WalkEntry[]>;
  /** The bytes of a file. */
  fetch(root: string, path: string, options: Waiting): Promise<Uint8Array>;
  ping(options: Waiting): Promise<void>;
  /** Why the channel is closed, once it is; undefined when it was disposed. Never rejects. */
  readonly closed: Promise<Error | undefined>;
}

/** The agent could not do what it was asked for. */
export class AgentError extends Error {
  constructor(
    message: string,
    /** As Linux names it, such as EACCES, where a call of the system failed. */
    readonly code?: string,
  ) {
    super(message);
    this.name = "AgentError";
  }
}
