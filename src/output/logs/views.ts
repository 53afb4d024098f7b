import { compilePattern } from "../../engine/log-pattern.js";
import type { LogView, ViewedLine } from "../../engine/log-source.js";
import { createPacer } from "../../lib/pacer.js";
import { throttle } from "../../lib/throttle.js";
import type { ResourceLog } from "./resource-log.js";

/** What a view reads from. */
export interface ViewedLogs {
  resource(id: string): ResourceLog | undefined;
  resources(): Iterable<ResourceLog>;
  /** The place of the newest line of the session; 0 without one. */
  order(): number;
}

/** A view before its owner adds how it is disposed. */
export interface OpenView extends Omit<LogView, typeof Symbol.asyncDispose> {
  /** There may be new lines, or fewer old ones. */
  wake(): void;
  close(): void;
}

/** Listeners are told at most this often, in ms: 20 times a second. */
const notifyMs = 50;
/** Lines that are looked through at once. */
export const pageLines = 1024;
/** Searching gives way to keys and frames after so long, in ms. */
const sliceMs = 4;

/** What makes one kind of view differ from another. */
export interface ViewParts {
  readonly first: () => number;
  readonly end: () => number;
  readonly reading?: () => boolean;
  readonly problem?: () => string | undefined;
  readonly dropped: () => number;
  /** Within `first` and `end`. */
  readonly read: (from: number, to: number) => Promise<readonly ViewedLine[]>;
  readonly onWake?: () => void;
  readonly onClose?: () => void;
}

export function createView(makeParts: (notify: () => void) => ViewParts): OpenView {
  const listeners = new Set<() => void>();
  const notify = throttle(() => {
    for (const listener of [...listeners]) listener();
  }, notifyMs);
  const parts = makeParts(notify);

  const lines: OpenView["lines"] = async (from, to, { signal } = {}) => {
    signal?.throwIfAborted();
    const found = await parts.read(Math.max(from, parts.first()), Math.min(to, parts.end()));
    signal?.throwIfAborted();
    return found;
  };

  return {
    get first() {
      return parts.first();
    },
    get end() {
      return parts.end();
    },
    get reading() {
      return parts.reading?.() ?? false;
    },
    get problem() {
      return parts.problem?.();
    },
    get dropped() {
      return parts.dropped();
    },
    lines,
    async find(pattern, from, direction, options = {}) {
      const matcher = compilePattern(pattern);
      const pace = createPacer(sliceMs);
      const step = direction === "forth" ? pageLines : -pageLines;
      let start = direction === "forth" ? Math.max(from, parts.first()) : Math.min(from, parts.end() - 1) + 1;
      while (direction === "forth" ? start < parts.end() : start > parts.first()) {
        const page = await lines(Math.min(start, start + step), Math.max(start, start + step), options);
        const fits = matcher.matches(page.map(({ text }) => text));
        const found = page.filter((_, index) => fits[index]);
        const hit = direction === "forth" ? found[0] : found.at(-1);
        if (hit) return hit.index;
        start += step;
        await pace();
      }
      return undefined;
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    wake: () => {
      if (parts.onWake) parts.onWake();
      else notify();
    },
    close() {
      notify[Symbol.dispose]();
      parts.onClose?.();
      listeners.clear();
    },
  };
}

/** One resource's lines, by their numbers. */
export function resourceView(id: string, logs: ViewedLogs): OpenView {
  return createView(() => ({
    first: () => logs.resource(id)?.first ?? 0,
    end: () => logs.resource(id)?.end ?? 0,
    dropped: () => logs.resource(id)?.dropped ?? 0,
    read: async (from, to) =>
      ((await logs.resource(id)?.range(from, to)) ?? []).map(({ number, line }) => ({
        ...line,
        index: number,
      })),
  }));
}

/** Lines that are no longer kept. */
export function droppedOf(resources: Iterable<ResourceLog>): number {
  return [...resources].reduce((sum, { dropped }) => sum + dropped, 0);
}

/** Every resource's lines, by their places: those of a resource that dropped its oldest are left out. */
export function orderView(logs: ViewedLogs): OpenView {
  return createView(() => ({
    first: () => {
      const first = Math.min(...[...logs.resources()].map(({ firstOrder }) => firstOrder));
      return first === Infinity ? logs.order() : first - 1;
    },
    end: () => logs.order(),
    dropped: () => droppedOf(logs.resources()),
    read: async (from, to) => {
      const found = await Promise.all(
        [...logs.resources()].map((resource) => resource.orders(from + 1, to + 1)),
      );
      return found
        .flat()
        .map(({ line }) => ({ ...line, index: line.order - 1 }))
        .sort((a, b) => a.index - b.index);
    },
  }));
}
