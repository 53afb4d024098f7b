import type { LogFilter, LogSource, LogView, ViewedLine } from "../engine/log-source.js";
import { throttle } from "../lib/throttle.js";
import type { ControlClient } from "./client.js";
import type { ViewLine } from "./log-views.js";

/** How often a count that is shown is asked for again, in ms. */
const countsMs = 1_000;
/** Views tell of growth at most this often, in ms: 20 times a second. */
const tellMs = 50;

/** The lines that another process keeps. Nothing of it throws but what is asked for by name: with the loop the views just stand still. */
export function remoteLogs(client: ControlClient, { signal }: { readonly signal: AbortSignal }): LogSource {
  const counts = new Map<string, { kept: number; dropped: number; askedAt: number }>();
  return {
    counts(resource) {
      const known = counts.get(resource) ?? { kept: 0, dropped: 0, askedAt: 0 };
      if (Date.now() - known.askedAt > countsMs) {
        counts.set(resource, { ...known, askedAt: Date.now() });
        client
          .get("/v1/log-counts", { resource }, { signal })
          .then((answer) => {
            const { kept, dropped } = answer as { kept: number; dropped: number };
            counts.set(resource, { kept, dropped, askedAt: Date.now() });
          })
          .catch(() => undefined);
      }
      return { kept: known.kept, dropped: known.dropped };
    },
    view: (filter) => remoteView(client, filter, signal),
  };
}

function remoteView(client: ControlClient, filter: LogFilter, outer: AbortSignal): LogView {
  const closed = new AbortController();
  const signal = AbortSignal.any([outer, closed.signal]);
  const listeners = new Set<() => void>();
  const tell = throttle(() => {
    for (const listener of [...listeners]) listener();
  }, tellMs);
  let place: Omit<ViewLine, "id"> = { first: 0, end: 0, reading: true };
  let opened: (id: string) => void = () => undefined;
  const id = new Promise<string>((resolve) => {
    opened = resolve;
  });

  async function follow(): Promise<void> {
    const lines = client.lines("/v1/log-view", queryOf(filter), { signal }) as AsyncGenerator<ViewLine>;
    for await (const line of lines) {
      opened(line.id);
      place = line;
      tell();
    }
  }
  follow()
    .catch(() => undefined)
    .finally(() => {
      // Who waits for the first line waits no longer: it will not come.
      opened("");
      place = { ...place, reading: false };
      tell();
    });

  return {
    get first() {
      return place.first;
    },
    get end() {
      return place.end;
    },
    get reading() {
      return place.reading;
    },
    get problem() {
      return place.problem;
    },
    async lines(from, to, options) {
      const query = { id: await id, from, to };
      return (await client.get("/v1/log-view/lines", query, options)) as readonly ViewedLine[];
    },
    async find(pattern, from, direction, options) {
      const what =
        pattern.kind === "text" ? { text: pattern.text } : { regex: pattern.source, flags: pattern.flags };
      const query = { id: await id, from, direction, ...what };
      const answer = (await client.get("/v1/log-view/find", query, options)) as { index: number | null };
      return answer.index ?? undefined;
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    [Symbol.asyncDispose]() {
      closed.abort();
      tell[Symbol.dispose]();
      return Promise.resolve();
    },
  };
}

/** A filter as the socket's paths take it. */
export function queryOf({ resources, pod, container, pattern, level, since }: LogFilter) {
  return {
    ...(resources ? { resource: resources } : {}),
    ...(pod === undefined ? {} : { pod }),
    ...(container === undefined ? {} : { container }),
    ...(level === undefined ? {} : { level }),
    ...(since === undefined ? {} : { since }),
    ...(pattern === undefined
      ? {}
      : pattern.kind === "text"
        ? { text: pattern.text }
        : { regex: pattern.source, flags: pattern.flags }),
  };
}
