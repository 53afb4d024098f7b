import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Failure } from "../../src/lib/errors.js";
import {
  watchProject,
  type ProjectWatcher,
  type ScopeChange,
  type WatchOptions,
  type WatchScope,
} from "../../src/watch/watcher.js";

/** A directory of its own, removed at the end of the block. */
export class TempTree implements Disposable {
  readonly root = realpathSync(mkdtempSync(join(tmpdir(), "devloop-watch-")));

  path(...names: string[]): string {
    return join(this.root, ...names);
  }

  write(name: string, content = name): string {
    const path = this.path(name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
    return path;
  }

  [Symbol.dispose](): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

export function scopeOf(
  id: string,
  root: string,
  more: { ignore?: string[]; ignoreFiles?: string[]; files?: string[] } = {},
): WatchScope {
  const { ignore = [], ignoreFiles = [], files = [] } = more;
  return { id, trees: [{ root, ignore, ignoreFiles }], files };
}

/** A real watcher whose reports are kept. */
export class WatchRig implements AsyncDisposable {
  readonly batches: (readonly ScopeChange[])[] = [];
  readonly problems: Failure[] = [];
  readonly #stop = new AbortController();
  watcher!: ProjectWatcher;

  static async start(scopes: readonly WatchScope[], options: Partial<WatchOptions> = {}): Promise<WatchRig> {
    const rig = new WatchRig();
    rig.watcher = await watchProject({
      onChange: (changes) => rig.batches.push(changes),
      onProblem: (failure) => rig.problems.push(failure),
      signal: rig.#stop.signal,
      ...options,
    });
    await rig.watcher.setScopes(scopes);
    return rig;
  }

  get changes(): ScopeChange[] {
    return this.batches.flat();
  }

  revision(id: string): string | undefined {
    return this.changes.findLast((change) => change.id === id)?.revision;
  }

  /** All paths reported since `from` batches, without the first scan's. */
  changedSince(from: number, id?: string): string[] {
    const changes = this.batches.slice(from).flat();
    return [
      ...new Set(changes.filter((c) => id === undefined || c.id === id).flatMap((c) => c.changed)),
    ].sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.watcher[Symbol.asyncDispose]();
  }
}

/** Waits until `condition` holds; throws what it saw last when it never does. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: () => string,
  ms = 30_000,
): Promise<void> {
  const end = performance.now() + ms;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`waited in vain: ${what()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
