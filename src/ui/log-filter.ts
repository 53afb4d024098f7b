import type { LogFilter, LogSource } from "../engine/log-source.js";
import { pause } from "../lib/pause.js";
import type { Pane } from "./panes/pane.js";
import type { LogLook } from "./screen-state.js";

/** The lines that a pane shows, as a person has filtered them; undefined for a pane that shows other things. */
export function filterOf({ body }: Pane, look: LogLook): LogFilter | undefined {
  if (body.kind !== "logs") return undefined;
  const { filter, level, container } = look;
  return {
    ...body.filter,
    ...(filter === undefined ? {} : { pattern: filter }),
    ...(level === undefined ? {} : { level }),
    ...(container === undefined ? {} : { container }),
  };
}

const pageLines = 1000;

/** The text of all lines that a filter lets through, as they are kept when it is asked for. */
export async function* textOf(logs: LogSource, filter: LogFilter): AsyncGenerator<string> {
  await using view = logs.view(filter);
  const { signal } = new AbortController();
  while (view.reading) await pause(20, { signal });
  const { end } = view;
  for (let at = view.first; at < end; at += pageLines)
    for (const line of await view.lines(at, Math.min(end, at + pageLines)))
      yield `${new Date(line.time).toISOString()} ${line.workload} ${line.text}\n`;
}

/** The containers that printed the newest lines. */
export async function containersOf(logs: LogSource, filter: LogFilter): Promise<readonly string[]> {
  const { container: _, pattern: __, level: ___, ...all } = filter;
  await using view = logs.view(all);
  const lines = await view.lines(Math.max(view.first, view.end - pageLines), view.end);
  return [...new Set(lines.map(({ container }) => container).filter((name) => name !== ""))].sort();
}
