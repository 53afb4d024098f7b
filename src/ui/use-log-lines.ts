import { useCallback, useEffect, useRef, useState } from "react";
import type { LogFilter, LogPattern, LogSource, LogView, ViewedLine } from "../engine/log-source.js";
import { errorText } from "../lib/errors.js";
import type { Place } from "./screen-state.js";

/** The part of a log view that is on the screen. */
export interface LogWindow {
  readonly lines: readonly ViewedLine[];
  readonly first: number;
  readonly end: number;
  readonly reading: boolean;
  readonly problem: string | undefined;
  /** Lines that are no longer kept. */
  readonly dropped: number;
  /** The lines of what is looked at now are on their way. */
  readonly stale: boolean;
  /** The nearest line that matches, beginning at an index; undefined when there is none. Rejects for a pattern that takes too long. */
  readonly find: (
    pattern: LogPattern,
    from: number,
    direction: "back" | "forth",
    options: { readonly signal: AbortSignal },
  ) => Promise<number | undefined>;
}

interface Shown extends Omit<LogWindow, "find" | "stale"> {
  readonly key: string | undefined;
}

const nothing = { lines: [], first: 0, end: 0, reading: false, problem: undefined, dropped: 0 } as const;

/** Follows a view of the logs: `count` lines of it that end where `place` says. No filter: nothing. */
export function useLogLines(
  logs: LogSource,
  filter: LogFilter | undefined,
  { place, count }: { readonly place: Place; readonly count: number },
): LogWindow {
  const [shown, setShown] = useState<Shown>({ key: undefined, ...nothing });
  const view = useRef<LogView>(undefined);
  const wanted = useRef({ place, count });
  const load = useRef<() => void>(undefined);
  const key = filter === undefined ? undefined : JSON.stringify(filter);

  useEffect(() => {
    if (key === undefined) {
      setShown({ key, ...nothing });
      return;
    }
    let opened: LogView;
    try {
      opened = logs.view(JSON.parse(key) as LogFilter);
    } catch (error) {
      setShown({ key, ...nothing, problem: errorText(error) });
      return;
    }
    view.current = opened;
    const closed = new AbortController();
    let loading = false;
    /** How often it was asked for, also while it was read. */
    let asked = 0;
    const read = async (): Promise<void> => {
      asked += 1;
      if (loading) return;
      loading = true;
      let answered: number;
      do {
        answered = asked;
        const { first, end, reading, problem, dropped } = opened;
        const { place: at, count: many } = wanted.current;
        const [from, to] = rangeOf(at, { first, end, count: many });
        // A view whose files went away shows what is left of it.
        const lines = await opened.lines(from, to).catch(() => []);
        if (closed.signal.aborted) return;
        setShown({ key, lines, first, end, reading, problem, dropped });
      } while (answered !== asked);
      loading = false;
    };
    load.current = () => void read();
    void read();
    const remove = opened.subscribe(() => void read());
    return () => {
      closed.abort();
      remove();
      view.current = undefined;
      load.current = undefined;
      void opened[Symbol.asyncDispose]();
    };
  }, [logs, key]);

  const placeKey = JSON.stringify(place);
  useEffect(() => {
    wanted.current = { place: JSON.parse(placeKey) as Place, count };
    load.current?.();
  }, [placeKey, count]);

  const find = useCallback<LogWindow["find"]>(
    (pattern, from, direction, options) =>
      view.current?.find(pattern, from, direction, options) ?? Promise.resolve(undefined),
    [],
  );
  // Lines of what was looked at before are nobody's here.
  const stale = shown.key !== key;
  return { ...(stale ? { ...nothing, reading: true } : shown), stale, find };
}

function rangeOf(
  place: Place,
  { first, end, count }: { readonly first: number; readonly end: number; readonly count: number },
): readonly [from: number, to: number] {
  if (place === "newest") return [Math.max(first, end - count), end];
  if ("top" in place) return [Math.max(first, place.top), Math.max(first, place.top) + count];
  const to = Math.min(end, Math.max(place.bottom + 1, first + count));
  return [Math.max(first, to - count), to];
}
