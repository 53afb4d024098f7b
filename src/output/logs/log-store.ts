import { mkdir, rm } from "node:fs/promises";
import type { LogFilter, LogSource } from "../../engine/log-source.js";
import type { LogLine } from "../../engine/state.js";
import { createBlockCache } from "./block-cache.js";
import { levelOf } from "./level.js";
import { logPath, ResourceLog, type ResourceLimits } from "./resource-log.js";
import { orderView, resourceView, type OpenView, type ViewedLogs } from "./views.js";
import { matchView } from "./match-view.js";

export interface LogLimits extends ResourceLimits {
  /** All resources' files together, in bytes: the largest resource's oldest goes. */
  readonly totalBytes: number;
}

/** A million lines of 130 bytes of each resource. */
const defaults: LogLimits = { bytes: 192 << 20, segmentBytes: 16 << 20, totalBytes: 1 << 30 };

/** At most this many characters of one line are kept: no screen shows more, and one line must not fill a file. */
const maxLineLength = 16_384;
/** Lines wait this long for others before they are written, in ms. */
const flushMs = 100;
/** More than this may not wait to be written, in bytes: whoever brings lines waits. */
const highWater = 8 << 20;

/**
 * The log lines of a session, in files, each resource's in its own: a chatty one never evicts another's. Bounded on the disk, and in memory
 * but for an index. Full delivery is what the plain and JSON outputs are for.
 */
export interface LogStore extends LogSource, AsyncDisposable {
  append(lines: readonly LogLine[]): void;
  /** How many lines of a resource are kept, and how many of its oldest are no longer. */
  counts(resource: string): { readonly kept: number; readonly dropped: number };
  /** Resolves when there is room for more lines. */
  drain(): Promise<void>;
}

/** `directory` is made when the first line comes, and removed with all that is in it when the store is disposed. */
export function createLogStore(directory: string, limits: Partial<LogLimits> = {}): LogStore {
  const bounds = { ...defaults, ...limits };
  const cache = createBlockCache();
  const resources = new Map<string, ResourceLog>();
  const views = new Set<OpenView>();
  const dirty = new Set<ResourceLog>();
  let order = 0;
  let made: Promise<unknown> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let flushing: Promise<void> | undefined;
  let closed = false;

  const logs: ViewedLogs = {
    resource: (id) => resources.get(id),
    resources: () => resources.values(),
    order: () => order,
  };

  function resourceOf(id: string): ResourceLog {
    let resource = resources.get(id);
    if (!resource) {
      const path = logPath(directory, id, resources.size);
      resource = new ResourceLog(id, { path, limits: bounds, cache });
      resources.set(id, resource);
    }
    return resource;
  }

  function flush(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
    return (flushing ??= write().finally(() => {
      flushing = undefined;
      if (dirty.size > 0) schedule();
    }));
  }

  function schedule(): void {
    if (!closed) timer ??= setTimeout(() => void flush(), flushMs).unref();
  }

  async function write(): Promise<void> {
    // A directory that cannot be made shows as files that cannot be written: their lines count as dropped.
    await (made ??= mkdir(directory, { recursive: true, mode: 0o700 }).catch(() => undefined));
    const written = [...dirty];
    dirty.clear();
    for (const resource of written) await resource.flush();
    const all = [...resources.values()];
    while (all.reduce((sum, { bytes }) => sum + bytes, 0) > bounds.totalBytes) {
      const largest = all.reduce((a, b) => (b.bytes > a.bytes ? b : a));
      const before = largest.bytes;
      await largest.dropOldest();
      if (largest.bytes === before) break;
    }
    for (const view of views) view.wake();
  }

  return {
    append(lines) {
      if (closed || lines.length === 0) return;
      for (const line of lines) {
        order += 1;
        const resource = resourceOf(line.workload);
        const level = levelOf(line.text);
        resource.append({ ...line, text: cut(line.text), order, ...(level === undefined ? {} : { level }) });
        dirty.add(resource);
      }
      schedule();
      for (const view of views) view.wake();
    },
    async drain() {
      const waiting = [...dirty].reduce((sum, { pendingBytes }) => sum + pendingBytes, 0);
      if (waiting > highWater) await flush();
    },
    counts(id) {
      const resource = resources.get(id);
      return resource ? { kept: resource.kept, dropped: resource.dropped } : { kept: 0, dropped: 0 };
    },
    view(filter) {
      const view = openView(filter, logs);
      views.add(view);
      return Object.assign(view, {
        [Symbol.asyncDispose]: () => {
          views.delete(view);
          view.close();
          return Promise.resolve();
        },
      });
    },
    async [Symbol.asyncDispose]() {
      closed = true;
      clearTimeout(timer);
      for (const view of views) view.close();
      views.clear();
      await flushing;
      await rm(directory, { recursive: true, force: true }).catch(() => undefined);
    },
  };
}

function openView(filter: LogFilter, logs: ViewedLogs): OpenView {
  const { resources, ...narrower } = filter;
  const isNarrow = Object.keys(narrower).length > 0;
  const [only] = resources ?? [];
  if (isNarrow || (resources !== undefined && resources.length !== 1)) return matchView(filter, logs);
  return only === undefined ? orderView(logs) : resourceView(only, logs);
}

function cut(text: string): string {
  const over = text.length - maxLineLength;
  return over <= 0 ? text : `${text.slice(0, maxLineLength)}… (${over} more characters)`;
}
