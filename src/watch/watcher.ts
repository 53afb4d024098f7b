import { addAbortListener } from "node:events";
import { isDeepStrictEqual } from "node:util";
import { join } from "node:path";
import { toFailure, type Failure } from "../lib/errors.js";
import { isDirectory, isSymlink } from "./anchors.js";
import { createBatch } from "./batch.js";
import { createContentIndex, type IndexUpdate, type ScopeRevision } from "./content-index.js";
import { watchDirectories, type DirectoryEvents, type DirectoryEventsOptions } from "./directory-events.js";
import { findGitLocks, isGitAtWork } from "./git-lock.js";
import type { Member } from "./read-entry.js";
import { compileScope, type CompiledScope, type WatchScope } from "./scope.js";
import { isNeverWatched } from "./temp-files.js";
import { describeWatchError } from "./watch-limit.js";
import { WatchedDirectories } from "./watched-directories.js";

export type { WatchScope } from "./scope.js";

/** A scope has other content than at its last report. */
export interface ScopeChange {
  readonly id: string;
  /** Equal for equal content. */
  readonly revision: string;
  /** Absolute paths; [] on the scope's first scan. */
  readonly changed: readonly string[];
  /** When the first event of the batch came, in ms since the epoch. */
  readonly changedAt: number;
  /** What each member is now, by its absolute path, for a scope that is listed: goes on to change with later reports. */
  readonly members?: ReadonlyMap<string, Member>;
}

export interface ProjectWatcher extends AsyncDisposable {
  /**
   * Takes the new set of scopes: scans new ones, keeps the known content of those that stay, and reports every scope
   * whose revision is new; a new scope always. Resolves when scanned.
   */
  setScopes(scopes: readonly WatchScope[]): Promise<void>;
  /** Looks at everything again and reports what differs: after sleep, or on demand. */
  rescan(): Promise<void>;
  readonly stats: () => { files: number; directories: number };
}

export interface WatchOptions {
  /** One call a batch, with all scopes that changed. */
  readonly onChange: (changes: readonly ScopeChange[]) => void;
  /** The watcher goes on, with less than before: polling, or without a malformed ignore pattern. */
  readonly onProblem: (failure: Failure) => void;
  readonly signal: AbortSignal;
  /** Looks at everything once a second instead of waiting for events: for file systems that send none. */
  readonly usePolling?: boolean;
  /** Ms since the epoch. */
  readonly now?: () => number;
  /** Where events come from; tests put their own in its place. */
  readonly openEvents?: (options: DirectoryEventsOptions) => DirectoryEvents;
}

/** Watches a project's files until disposed or aborted. Nothing is watched before `setScopes`. */
export function watchProject(options: WatchOptions): Promise<ProjectWatcher> {
  return Promise.resolve(createProjectWatcher(options));
}

/** The content index without watching: the first report of every scope. Throws the signal's reason when aborted. */
export async function scanScopes(
  scopes: readonly WatchScope[],
  { signal, onProblem = () => undefined }: { signal: AbortSignal; onProblem?: (failure: Failure) => void },
): Promise<readonly ScopeChange[]> {
  const index = createContentIndex({ signal });
  const changedAt = Date.now();
  const compiled = scopes.map(compileScope);
  for (const { problems } of compiled) problems.forEach(onProblem);
  return (await index.update({ scopes: compiled })).map((revision) => ({ ...revision, changedAt }));
}

function createProjectWatcher(options: WatchOptions): ProjectWatcher {
  const { onChange, onProblem, now = Date.now, openEvents = watchDirectories } = options;
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  let scopes: readonly WatchScope[] = [];
  let compiled: readonly CompiledScope[] = [];
  let locks: readonly string[] = [];
  let pending = emptyPending();
  const flood = createFloodGauge();
  let pollTimer: NodeJS.Timeout | undefined;

  const events =
    options.usePolling === true
      ? undefined
      : openEvents({
          onEvent,
          onError: (error) => {
            if (polling || signal.aborted) return;
            onProblem(describeWatchError(error));
            void startPolling();
          },
        });
  const directories = new WatchedDirectories(events, (directory) => index.isDirectory(directory));
  const index = createContentIndex({
    signal,
    beforeListing: (directory, ino) => directories.ensure(directory, ino),
    onDirectoryGone: (directory) => {
      directories.release(directory);
    },
  });
  const batch = createBatch({
    flush: () => void enqueue(flush),
    isBusy: () => isGitAtWork(locks, Date.now()),
  });
  let polling = events === undefined;
  if (polling) poll(pollMs);

  // One thing at a time: the index is not made for two updates at once. The chain itself never rejects.
  let queue: Promise<void> = Promise.resolve();
  function enqueue(work: () => Promise<void>): Promise<void> {
    const done = queue.then(async () => {
      if (!signal.aborted) await work();
    });
    queue = done.catch((error: unknown) => {
      if (!signal.aborted) onProblem(toFailure(error));
    });
    return queue;
  }

  function onEvent(directory: string, name: string | undefined): void {
    if (signal.aborted) return;
    const flooded = flood.count();
    if (flooded) pending.all = true;
    if (!take(directory, name) && !flooded) return;
    pending.since ??= now();
    batch.touch(sizeOf(pending));
  }

  /** Notes what an event concerns; false when that is nothing. */
  function take(directory: string, name: string | undefined): boolean {
    if (name === undefined) {
      pending.paths.add(directory);
      return true;
    }
    const targets = directories.targetsAt(directory, name);
    for (const target of targets) pending.targets.add(target);
    let taken = targets.length > 0;
    if (directories.isSelf(directory, name)) {
      directories.markDead(directory);
      if (index.isDirectory(directory)) taken = pending.paths.add(directory).size > 0;
    }
    const path = join(directory, name);
    if (!isNeverWatched(name) && index.concerns(path)) taken = pending.paths.add(path).size > 0;
    return taken;
  }

  async function flush(): Promise<void> {
    const { paths, targets, all, since = now() } = pending;
    pending = emptyPending();
    // Targets are ignore files and roots among others: only then can the rules be others than before.
    await settle({ paths: [...paths, ...targets], all }, since, { rules: targets.size > 0 || all });
  }

  /** Brings targets, rules and index in step, then reports. */
  async function settle(
    update: IndexUpdate,
    changedAt: number,
    { rules }: { rules: boolean },
  ): Promise<void> {
    const revisions = new Map<string, ScopeRevision>();
    await directories.setTargets(findTargets(compiled));
    // Read after their files are watched.
    let next = rules && recompile() ? { ...update, scopes: compiled } : update;
    for (let round = 0; round < maxRounds; round++) {
      for (const revision of await index.update(next)) {
        const earlier = revisions.get(revision.id)?.changed ?? [];
        revisions.set(revision.id, { ...revision, changed: [...new Set([...earlier, ...revision.changed])] });
      }
      // A root that vanished is awaited from now on, and may have come back before its anchor was watched.
      const moved = await directories.setTargets(findTargets(compiled));
      if (moved.length === 0) break;
      next = { paths: moved, ...(recompile() ? { scopes: compiled } : {}) };
    }
    signal.throwIfAborted();
    if (revisions.size > 0) onChange([...revisions.values()].map((revision) => ({ ...revision, changedAt })));
  }

  /** Reads all ignore files again; true when the rules of a scope are others than before. */
  function recompile(): boolean {
    const known = new Map(compiled.map((scope) => [scope.id, scope]));
    const before = compiled;
    compiled = scopes.map((scope) => {
      const fresh = compileScope(scope);
      const old = known.get(scope.id);
      if (old?.key === fresh.key) return old;
      fresh.problems.forEach(onProblem);
      return fresh;
    });
    return compiled.length !== before.length || compiled.some((scope, at) => scope !== before[at]);
  }

  async function startPolling(): Promise<void> {
    polling = true;
    poll(0);
    await directories.stopEvents();
  }

  function poll(ms: number): void {
    pollTimer = setTimeout(() => {
      const began = performance.now();
      void enqueue(rescanAll).then(() => {
        // A large tree is looked at less often: a tenth of one core's time at most.
        if (!signal.aborted) poll(Math.max(pollMs, 10 * (performance.now() - began)));
      });
    }, ms);
  }

  async function rescanAll(): Promise<void> {
    await settle({ all: true }, now(), { rules: true });
  }

  async function close(): Promise<void> {
    stop.abort();
    batch.stop();
    clearTimeout(pollTimer);
    await directories.stopEvents();
    await queue;
  }

  const onAbort = addAbortListener(options.signal, () => void close());

  return {
    setScopes: (next) =>
      enqueue(async () => {
        if (isDeepStrictEqual(scopes, next)) return;
        scopes = next;
        recompile();
        locks = findGitLocks(
          next.flatMap(({ trees, files }) => [...trees.map((tree) => tree.root), ...files]),
        );
        await settle({ scopes: compiled }, now(), { rules: true });
      }),
    rescan: () => enqueue(rescanAll),
    stats: index.stats,
    async [Symbol.asyncDispose]() {
      onAbort[Symbol.dispose]();
      await close();
    },
  };
}

interface Pending {
  /** Events may be missing: look at everything. */
  all: boolean;
  /** When the first that matters came. */
  since: number | undefined;
  readonly paths: Set<string>;
  readonly targets: Set<string>;
}

function emptyPending(): Pending {
  return { all: false, since: undefined, paths: new Set(), targets: new Set() };
}

function sizeOf({ paths, targets }: Pending): number {
  return paths.size + targets.size;
}

/** What is awaited at its anchor, because it is not in a directory that the index lists for its own sake. */
function findTargets(scopes: readonly CompiledScope[]): Set<string> {
  const targets = new Set<string>();
  for (const { files, trees } of scopes) {
    for (const file of files) targets.add(file);
    for (const { tree } of trees) {
      for (const file of tree.ignoreFiles) targets.add(file);
      if (isSymlink(tree.root) || !isDirectory(tree.root)) targets.add(tree.root);
    }
  }
  return targets;
}

/**
 * Counts events; true when so many came within a second that the system's queue (some 16,000 long on Linux) may have
 * overflowed, of which it tells nobody.
 */
function createFloodGauge(clock = () => performance.now()): { count(): boolean } {
  let began = 0;
  let events = 0;
  return {
    count() {
      const now = clock();
      if (now - began > 1000) {
        began = now;
        events = 0;
      }
      events++;
      return events >= trustedEvents;
    },
  };
}

const trustedEvents = 4096;
const pollMs = 1000;
const maxRounds = 5;
