import { randomUUID } from "node:crypto";
import type { Writable } from "node:stream";
import type { LogFilter, LogPattern, LogSource, LogView, ViewedLine } from "../engine/log-source.js";
import { DevloopError } from "../lib/errors.js";

/** How far a view is, as a screen in another process is told. */
export interface ViewLine {
  readonly id: string;
  readonly first: number;
  readonly end: number;
  readonly reading: boolean;
  readonly problem?: string | undefined;
  readonly dropped: number;
}

/** Views of the kept lines that other processes have open: each lives as long as the answer that opened it. */
export interface LogViews extends AsyncDisposable {
  /** Opens a view, then the answer that tells how far it is. Throws USAGE for a filter that is none. */
  readonly open: (filter: LogFilter, answer: () => Writable) => void;
  readonly lines: (query: URLSearchParams, signal: AbortSignal) => Promise<readonly ViewedLine[]>;
  readonly find: (query: URLSearchParams, signal: AbortSignal) => Promise<{ readonly index: number | null }>;
}

export function createLogViews(logs: LogSource): LogViews {
  const views = new Map<string, LogView>();

  function viewOf(query: URLSearchParams): LogView {
    const view = views.get(query.get("id") ?? "");
    if (!view) throw new DevloopError("NOT_FOUND", "that view of the logs is closed");
    return view;
  }

  return {
    open(filter, answer) {
      const id = randomUUID();
      const view = logs.view(filter);
      const sink = answer();
      views.set(id, view);
      let due = false;
      const tell = (): void => {
        // Only where it stands counts: a client that reads slowly is owed one line, not all.
        if (sink.writableNeedDrain) {
          due = true;
          return;
        }
        due = false;
        const { first, end, reading, problem, dropped } = view;
        const line: ViewLine = { id, first, end, reading, problem, dropped };
        sink.write(`${JSON.stringify(line)}\n`);
      };
      const stop = view.subscribe(tell);
      sink.on("drain", () => {
        if (due) tell();
      });
      sink.on("close", () => {
        stop();
        views.delete(id);
        // It holds files open at most; whether they were closed changes nothing for anyone.
        Promise.resolve(view[Symbol.asyncDispose]()).catch(() => undefined);
      });
      tell();
    },
    lines: (query, signal) =>
      viewOf(query).lines(Number(query.get("from")), Number(query.get("to")), { signal }),
    async find(query, signal) {
      const regex = query.get("regex");
      const pattern: LogPattern =
        regex === null
          ? { kind: "text", text: query.get("text") ?? "" }
          : { kind: "regex", source: regex, flags: query.get("flags") ?? "" };
      const direction = query.get("direction") === "back" ? "back" : "forth";
      const index = await viewOf(query).find(pattern, Number(query.get("from")), direction, { signal });
      return { index: index ?? null };
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...views.values()].map((view) => view[Symbol.asyncDispose]()));
      views.clear();
    },
  };
}
