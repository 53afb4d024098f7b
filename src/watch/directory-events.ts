import { FSWatcher } from "chokidar";

/** Events of the entries directly in directories that are added one by one. */
export interface DirectoryEvents {
  /** Resolves when events of the directory are delivered, or can not be. Never rejects. */
  watch(directory: string): Promise<void>;
  unwatch(directory: string): void;
  close(): Promise<void>;
}

export interface DirectoryEventsOptions {
  /** Something happened to `name` in `directory`, or to a name that the system does not tell. */
  readonly onEvent: (directory: string, name: string | undefined) => void;
  /** A directory can not be watched for another reason than that it is gone or not readable. */
  readonly onError: (error: NodeJS.ErrnoException) => void;
}

/**
 * One chokidar instance that watches directories only: the system tells a directory's watch of its files too.
 *
 * Left to itself chokidar also stats and watches every file: with 20,000 of them 270 MB and 2.2 s, where this takes 63 MB
 * and 0.2 s. It also lists each directory before it watches it, and again on each event; the content index does its own
 * listing, after the watch stands, so that nothing is missed between the two.
 */
export function watchDirectories(options: DirectoryEventsOptions): DirectoryEvents {
  const watcher = new DirectoryWatcher(options);
  watcher.on("raw", (_event, name: string | null, details) => {
    options.onEvent((details as { watchedPath: string }).watchedPath, name ?? undefined);
  });
  return {
    watch: (directory) => watcher.establish(directory),
    unwatch: (directory) => {
      watcher.abandon(directory);
    },
    close: () => watcher.close(),
  };
}

/** No entry has this name: chokidar then neither lists a directory that it is given nor looks for the entry. */
const noEntry = "\0";

class DirectoryWatcher extends FSWatcher {
  /** Directories wanted, with what to call when their watch stands. */
  readonly #wanted = new Map<string, () => void>();
  readonly #onError: DirectoryEventsOptions["onError"];

  constructor({ onError }: DirectoryEventsOptions) {
    super({ ignoreInitial: true, followSymlinks: false, atomic: false, depth: 0, usePolling: false });
    this.#onError = onError;
  }

  establish(directory: string): Promise<void> {
    if (this.closed) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wanted.set(directory, resolve);
      this.add(directory, noEntry);
    });
  }

  abandon(directory: string): void {
    this.#settle(directory);
    this.#wanted.delete(directory);
    this._closeFile(directory);
    this._watched.delete(directory);
  }

  override close(): Promise<void> {
    for (const settle of this.#wanted.values()) settle();
    return super.close();
  }

  #settle(directory: string): void {
    this.#wanted.get(directory)?.();
  }

  /** chokidar's own step after a path's watch stands: there is no public event for it. */
  override _addPathCloser(path: string, closer: () => void): void {
    if (!this.#wanted.has(path)) {
      // Abandoned meanwhile, or the parent of a directory that vanished, which chokidar adds on its own.
      closer();
      return;
    }
    super._addPathCloser(path, closer);
    this.#settle(path);
  }

  override _handleError(error: unknown): Error | boolean {
    const { code, path } = error as NodeJS.ErrnoException;
    if (path !== undefined) this.#settle(path);
    if (code === undefined || !expectedCodes.has(code)) this.#onError(error as NodeJS.ErrnoException);
    return error as Error;
  }

  /** Refusing every turn keeps chokidar from listing a directory on each of its events. */
  override _throttle(): false {
    return false;
  }
}

const expectedCodes = new Set(["ENOENT", "ENOTDIR", "EACCES", "EPERM", "ELOOP"]);
