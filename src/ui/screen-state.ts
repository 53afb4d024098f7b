import type { LogLevel, LogPattern } from "../engine/log-source.js";
import type { Row } from "./rows.js";

/** What is looked at of a row. */
export const tabs = ["logs", "build", "pods", "files", "manifest", "timings"] as const;
export type Tab = (typeof tabs)[number];

/** Where in a pane: at its newest lines, or with this one at the bottom. Of text that does not grow: the first line shown. */
export type Place = "newest" | { readonly bottom: number } | { readonly top: number };

/** How log lines are shown. */
export interface LogLook {
  readonly level?: LogLevel;
  readonly filter?: LogPattern;
  readonly search?: LogPattern;
  readonly wrap: boolean;
  readonly times: boolean;
  /** JSON as it is. */
  readonly raw: boolean;
  readonly container?: string;
  /** Of a workload: what it printed before its last restart, in place of the lines that come. */
  readonly previous?: true;
  /** Columns left out at the left, where lines are cut. */
  readonly sideways: number;
}

/** What takes the keys instead of the screen. */
export type Overlay =
  | { readonly kind: "none" }
  | { readonly kind: "help"; readonly top: number }
  | { readonly kind: "prompt"; readonly what: "filter" | "search" | "fields"; readonly text: string }
  | { readonly kind: "palette"; readonly text: string; readonly chosen: number }
  /** Text to read: what describe told. */
  | { readonly kind: "text"; readonly title: string; readonly text: string; readonly top: number };

/** What a person chose to see. */
export interface ScreenState {
  /** By itself the first failure, else all logs; or what a person chose. */
  readonly view:
    | { readonly mode: "auto" }
    | { readonly mode: "row"; readonly id: string }
    | { readonly mode: "logs"; readonly id: string | undefined };
  readonly tab: Tab | undefined;
  /** The pane alone, in all of the screen. */
  readonly full: boolean;
  readonly place: Place;
  readonly logs: LogLook;
  /** Where the last search ended: the next one goes on from there. An index of the view, or a line of the text. */
  readonly hit: { readonly pattern: string; readonly index: number } | undefined;
  /** Fields of JSON lines that are shown; empty: all. */
  readonly fields: readonly string[];
  readonly overlay: Overlay;
  /** The last thing that a key did, until the next key. */
  readonly notice: { readonly text: string; readonly bad: boolean } | undefined;
}

export const startState: ScreenState = {
  view: { mode: "auto" },
  tab: undefined,
  full: false,
  place: "newest",
  logs: { wrap: false, times: false, raw: false, sideways: 0 },
  hit: undefined,
  fields: [],
  overlay: { kind: "none" },
  notice: undefined,
};

/** The row to show; undefined for all logs. */
export function shownRow({ view }: ScreenState, rows: readonly Row[]): Row | undefined {
  switch (view.mode) {
    case "auto":
      return rows.find((row) => row.health === "bad");
    case "row":
      return rows.find((row) => row.id === view.id);
    case "logs":
      return undefined;
  }
}

/** The row that the mark stands at: also while all logs are shown. */
export function selectedRow(state: ScreenState, rows: readonly Row[]): Row | undefined {
  const { view } = state;
  return view.mode === "logs" ? rows.find((row) => row.id === view.id) : shownRow(state, rows);
}

/** After moving the mark by so many rows; from nowhere, to the first. */
export function moved(state: ScreenState, rows: readonly Row[], by: number): ScreenState {
  const selected = selectedRow(state, rows);
  const from = selected ? rows.indexOf(selected) : -1;
  const to = from === -1 ? 0 : Math.max(0, Math.min(rows.length - 1, from + by));
  const row = rows[to];
  return row ? showing(state, row) : state;
}

export function showing(state: ScreenState, row: Row): ScreenState {
  return { ...state, view: { mode: "row", id: row.id }, tab: undefined, ...fresh(state) };
}

/** All logs, or back to the row. */
export function toggledLogs(state: ScreenState, rows: readonly Row[]): ScreenState {
  const shown = shownRow(state, rows);
  if (shown) return { ...state, view: { mode: "logs", id: shown.id }, ...fresh(state) };
  const back = selectedRow(state, rows) ?? rows[0];
  return back ? showing(state, back) : state;
}

/** A pane begins at its newest lines, with what was filtered for another one forgotten. */
export function fresh({ logs }: ScreenState): Pick<ScreenState, "place" | "logs" | "hit"> {
  const { filter: _, container: __, previous: ___, ...rest } = logs;
  return { place: "newest", hit: undefined, logs: { ...rest, sideways: 0 } };
}

/** The tabs that a row has. */
export function tabsOf(row: Row | undefined): readonly Tab[] {
  switch (row?.kind) {
    case undefined:
      return ["logs"];
    case "image":
      return ["build", "logs", "files", "timings"];
    case "deploy":
      return ["build", "timings"];
    case "workload":
      return ["logs", "pods", "build", "files", "manifest", "timings"];
    case "forward":
      return ["pods"];
  }
}

/** The tab that is shown: the one chosen, else what matters of the row. */
export function shownTab({ tab }: ScreenState, row: Row | undefined): Tab {
  const has = tabsOf(row);
  return tab !== undefined && has.includes(tab) ? tab : (has[0] ?? "logs");
}

/** As a person types it: `/…/` with flags is an expression, all else text; nothing for no pattern. */
export function patternOf(text: string): LogPattern | undefined {
  if (text === "") return undefined;
  const [, source, flags] = /^\/(.+)\/([imsu]*)$/.exec(text) ?? [];
  return source === undefined ? { kind: "text", text } : { kind: "regex", source, flags: flags ?? "" };
}
export function patternText(pattern: LogPattern | undefined): string {
  if (pattern === undefined) return "";
  return pattern.kind === "text" ? pattern.text : `/${pattern.source}/${pattern.flags}`;
}
