import { once } from "node:events";
import type { Writable } from "node:stream";
import type { KeptLine, LogView } from "../engine/log-source.js";
import { writeChunk } from "../lib/write-chunk.js";
import type { LogAnswer } from "./protocol.js";

/** Lines that are read of the store and written at once. */
const batch = 500;

export interface LogStreamOptions {
  /** The newest so many of those that are there; all when it is left out. */
  readonly tail?: number;
  /** Goes on with those that come. */
  readonly follow: boolean;
  readonly signal: AbortSignal;
}

/**
 * Writes the lines of a view, as JSON lines, at the pace of whoever reads them: they are taken from the store when
 * there is room, so that a slow reader costs nothing but its own place. Lines that the store drops before they are read are counted.
 */
export async function writeLogs(
  sink: Writable,
  view: LogView,
  { tail, follow, signal }: LogStreamOptions,
): Promise<void> {
  await read(view, signal);
  let next = tail === undefined ? view.first : Math.max(view.first, view.end - tail);
  for (;;) {
    if (view.first > next) {
      await write(sink, [{ v: 1, type: "log.missed", lines: view.first - next }]);
      next = view.first;
    }
    if (next < view.end) {
      const to = Math.min(view.end, next + batch);
      const lines = await view.lines(next, to, { signal });
      // A line may have been dropped between the look and the reading of it.
      const missed = to - next - lines.length;
      await write(sink, [
        ...(missed > 0 ? [{ v: 1, type: "log.missed", lines: missed } as const] : []),
        ...lines.map(publicLine),
      ]);
      next = to;
    } else if (!follow) return;
    else await change(view, () => next < view.end, signal);
    if (sink.destroyed) return;
    signal.throwIfAborted();
  }
}

/** Resolves once the lines from before the view was opened have been looked through. */
async function read(view: LogView, signal: AbortSignal): Promise<void> {
  await change(view, () => !view.reading, signal);
}

async function change(view: LogView, isSo: () => boolean, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  if (isSo()) return;
  const settled = new AbortController();
  const aborted = once(signal, "abort", { signal: settled.signal }).catch(() => undefined);
  let stop: (() => void) | undefined;
  const changed = new Promise<void>((resolve) => {
    stop = view.subscribe(() => {
      if (isSo()) resolve();
    });
    if (isSo()) resolve();
  });
  await Promise.race([changed, aborted]);
  stop?.();
  settled.abort();
  signal.throwIfAborted();
}

async function write(sink: Writable, lines: readonly LogAnswer[]): Promise<void> {
  if (lines.length === 0) return;
  await writeChunk(sink, Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join("")));
}

/** A kept line as the socket gives it. */
export function publicLine(line: KeptLine): LogAnswer {
  const { order, workload, pod, container, time, text, level, previous } = line;
  return {
    v: 1,
    type: "log.line",
    time: new Date(time).toISOString(),
    order,
    resource: workload,
    pod,
    container,
    text,
    ...(level ? { level } : {}),
    ...(previous ? { previous } : {}),
  };
}
