import { basename } from "node:path";
import { statSync } from "node:fs";
import { anchorsOf, type Anchor } from "./anchors.js";
import type { DirectoryEvents } from "./directory-events.js";

/**
 * Which directories are watched, and why: those that the index lists, and the anchors of single paths ("targets").
 * Without events (when polling) it only keeps the books.
 */
export class WatchedDirectories {
  readonly #watches = new Map<string, Watch>();
  /** Targets by the directory and name in it that they are awaited at. */
  readonly #anchors = new Map<string, Map<string, Set<string>>>();
  readonly #targets = new Map<string, readonly Anchor[]>();
  readonly #isListed: (directory: string) => boolean;
  #events: DirectoryEvents | undefined;

  constructor(events: DirectoryEvents | undefined, isListed: (directory: string) => boolean) {
    this.#events = events;
    this.#isListed = isListed;
  }

  /** Resolves when the directory's watch stands, on the directory that has this inode now. */
  async ensure(directory: string, ino: number): Promise<void> {
    const known = this.#watches.get(directory);
    if (known !== undefined && !known.dead && known.ino === ino) {
      await known.established;
      return;
    }
    // The name stands for another directory than the one watched: that watch would stay silent for good.
    if (known !== undefined) this.#events?.unwatch(directory);
    const established = this.#events?.watch(directory) ?? Promise.resolve();
    this.#watches.set(directory, { ino, dead: false, established });
    await established;
  }

  /** The directory left the index. */
  release(directory: string): void {
    if (this.#anchors.has(directory) || this.#isListed(directory)) return;
    if (this.#watches.delete(directory)) this.#events?.unwatch(directory);
  }

  /** Takes the targets and watches their anchors. Returns those that are new or whose anchors moved. */
  async setTargets(targets: ReadonlySet<string>): Promise<string[]> {
    for (const target of [...this.#targets.keys()]) if (!targets.has(target)) this.#detach(target);
    const moved: string[] = [];
    for (const target of targets) if (await this.#attach(target)) moved.push(target);
    return moved;
  }

  /** The targets that an event concerns. */
  targetsAt(directory: string, name: string): string[] {
    const names = this.#anchors.get(directory);
    if (names === undefined) return [];
    if (this.isSelf(directory, name)) return [...names.values()].flatMap((targets) => [...targets]);
    return [...(names.get(name) ?? [])];
  }

  /**
   * Whether an event may be of the directory itself (removed or moved, reported under its own name) instead of an entry
   * of the same name in it; in both cases its watch must be made anew, for it may be of a directory that is no more.
   */
  isSelf(directory: string, name: string): boolean {
    return basename(directory) === name;
  }

  markDead(directory: string): void {
    const watch = this.#watches.get(directory);
    if (watch !== undefined) watch.dead = true;
  }

  /** From now on there are no events. */
  async stopEvents(): Promise<void> {
    const events = this.#events;
    this.#events = undefined;
    await events?.close();
  }

  async #attach(target: string): Promise<boolean> {
    let moved = false;
    // Between looking and watching the way to the target may have changed: until it is seen unchanged once.
    for (let round = 0; round < maxRounds; round++) {
      const before = this.#targets.get(target) ?? [];
      const now = anchorsOf(target);
      const same = sameAnchors(before, now);
      if (!same) {
        moved = true;
        this.#detach(target);
        this.#targets.set(target, now);
        for (const { directory, name } of now) {
          const names = this.#anchors.get(directory) ?? new Map<string, Set<string>>();
          this.#anchors.set(directory, names.set(name, (names.get(name) ?? new Set()).add(target)));
        }
      }
      for (const { directory } of now) await this.ensure(directory, inodeOf(directory));
      if (same) break;
    }
    return moved;
  }

  #detach(target: string): void {
    const anchors = this.#targets.get(target) ?? [];
    this.#targets.delete(target);
    for (const { directory, name } of anchors) {
      const names = this.#anchors.get(directory);
      const targets = names?.get(name);
      targets?.delete(target);
      if (targets?.size === 0) names?.delete(name);
      if (names?.size !== 0) continue;
      this.#anchors.delete(directory);
      this.release(directory);
    }
  }
}

interface Watch {
  readonly ino: number;
  dead: boolean;
  readonly established: Promise<void>;
}

const maxRounds = 10;

function sameAnchors(a: readonly Anchor[], b: readonly Anchor[]): boolean {
  return (
    a.length === b.length &&
    a.every(({ directory, name }, at) => b[at]?.directory === directory && b[at].name === name)
  );
}

function inodeOf(directory: string): number {
  return statSync(directory, { throwIfNoEntry: false })?.ino ?? 0;
}
