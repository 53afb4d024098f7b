import type { LogFilter, LogSource, LogView, ViewedLine } from "../engine/log-source.js";
import { throttle } from "../lib/throttle.js";
import type { ControlClient } from "./client.js";
import type { ViewLine } from "./log-views.js";

/** Views tell of growth at most this often, in ms: 20 times a second. */
const tellMs = 50;

/** The lines that another process keeps. Nothing of it throws but what is asked for by name: with the loop the views just stand still. */
export function remoteLogs(client: ControlClient, { signal }: { readonly signal: AbortSignal }): LogSource {
  return {
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
  let place: Omit<ViewLine, "id"> = { first: 0, end: 0, reading: true, dropped: 0 };
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
    get dropped() {
      return place.dropped;
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
    // A list without an entry says nothing in a query, and that would be all.
    ...(resources?.length === 0 ? { nothing: 1 } : {}),
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
