import { compilePattern, type Matcher } from "../engine/log-pattern.js";
import type { LogPattern } from "../engine/log-source.js";
import type { State } from "../engine/state.js";
import { terminalText } from "../lib/terminal-text.js";
import { helpLines } from "./help.js";
import { leastHeight, ruleLine, tableRows, type Layout } from "./layout.js";
import { clipLine, line, span, type Line } from "./line.js";
import { logRows, type LogRow } from "./log-lines.js";
import type { LoopSummary } from "../engine/phase.js";
import { headerLine } from "./overview.js";
import { offersOf, paletteLines } from "./palette.js";
import type { Pane } from "./panes/pane.js";
import type { Row } from "./rows.js";
import { patternText, tabsOf, type ScreenState, type Tab } from "./screen-state.js";
import { clip, withoutColors } from "./text.js";
import type { Theme } from "./theme.js";
import type { LogWindow } from "./use-log-lines.js";
import type { Size } from "./use-size.js";

export interface FrameInput {
  readonly state: State;
  readonly rows: readonly Row[];
  /** What the pane shows. */
  readonly row: Row | undefined;
  readonly tab: Tab;
  readonly pane: Pane;
  readonly selected: Row | undefined;
  readonly screen: ScreenState;
  readonly summary: LoopSummary;
  readonly layout: Layout;
  readonly window: LogWindow;
  readonly size: Size;
  readonly theme: Theme;
  readonly version: string;
  readonly now: number;
}
export interface Frame {
  /** As many as the terminal has rows. */
  readonly lines: readonly Line[];
  /** Of a pane that is no log: all of its lines' text, for searching. */
  readonly text: readonly string[];
  /** What the pane shows now, as text. */
  readonly visible: readonly string[];
}

/** What stands on the screen. */
export function frameOf(input: FrameInput): Frame {
  const { state, rows, selected, screen, summary, layout, size, now } = input;
  const { columns, rows: height } = size;
  const header = headerLine(state, summary, { now, columns });
  if (height < leastHeight) return { lines: [clipLine(header, columns)], text: [], visible: [] };
  const { overlay } = screen;
  const above = [header, ...layout.banners];
  const middle = height - above.length - 1;
  const finished = (lines: readonly Line[], rest: Pick<Frame, "text" | "visible">): Frame => ({
    lines: [...above, ...padded(lines, middle), footerLine(input)],
    ...rest,
  });
  if (overlay.kind === "help" || overlay.kind === "text") {
    const all =
      overlay.kind === "help" ? helpLines(input.version) : overlay.text.split("\n").map((each) => line(each));
    const title = overlay.kind === "help" ? "keys" : overlay.title;
    const room = middle - 1;
    const top = Math.max(0, Math.min(overlay.top, all.length - room));
    const note =
      all.length > room ? `${top + 1} to ${Math.min(all.length, top + room)} of ${all.length}: j k` : "";
    const shown = all.slice(top, top + room);
    return finished([ruleLine({ title, tabs: [], tab: "", note }, columns), ...shown], {
      text: all.map(textOfLine),
      visible: shown.map(textOfLine),
    });
  }
  if (overlay.kind === "palette") {
    const lines = paletteLines(overlay, offersOf(overlay.text, rows), { height: middle, columns });
    return finished(lines, { text: [], visible: [] });
  }
  const body = bodyOf(input);
  return finished(
    [
      ...tableRows(layout.table, { rows, selected: selected?.id, columns, now }),
      rule(input),
      ...layout.head,
      ...body.lines,
    ],
    { text: body.text, visible: [...layout.head, ...body.lines].map(textOfLine) },
  );
}

const textOfLine = (spans: Line): string => withoutColors(spans.map(({ text }) => text).join("")).trimEnd();

function padded(lines: readonly Line[], height: number): readonly Line[] {
  return [
    ...lines.slice(0, height),
    ...Array.from({ length: Math.max(0, height - lines.length) }, (): Line => []),
  ];
}

interface Body {
  readonly lines: readonly Line[];
  readonly text: readonly string[];
}

function bodyOf(input: FrameInput): Body {
  const { pane, layout, screen } = input;
  const height = layout.body;
  if (pane.body.kind === "text") {
    const { lines } = pane.body;
    const top = textTop(pane.body, screen.place, height);
    const matcher = matcherOf(screen.logs.search);
    return {
      lines: lines.slice(top, top + height).map((each) => marked(each, matcher)),
      text: lines.map(textOfLine),
    };
  }
  return { lines: logLines(input, height), text: [] };
}

/** The first line that is shown of a text. */
export function textTop(
  { lines, anchor }: { readonly lines: readonly unknown[]; readonly anchor: "end" | "start" },
  place: ScreenState["place"],
  height: number,
): number {
  const last = Math.max(0, lines.length - height);
  if (place === "newest" || "bottom" in place) return anchor === "end" ? last : 0;
  return Math.max(0, Math.min(place.top, last));
}

function logLines({ pane, window, screen, size, theme }: FrameInput, height: number): readonly Line[] {
  if (pane.body.kind !== "logs") return [];
  const { logs } = screen;
  if (window.problem !== undefined) return [line(window.problem, "error")];
  if (window.lines.length === 0)
    return window.reading
      ? []
      : emptyTexts(pane.body.empty, screen).map((text) => line(terminalText(text), "dim"));
  const containers = new Set(window.lines.map(({ container }) => container));
  const rows: readonly LogRow[] = logRows(window.lines, {
    ...logs,
    columns: size.columns,
    color: theme.color,
    fields: screen.fields,
    labels: pane.body.labels === "containers" && containers.size < 2 ? "none" : pane.body.labels,
    hits: matcherOf(logs.search),
  });
  // New lines come in at the bottom; few stand at the top.
  return rows.slice(-height).map((each) => each.line);
}

function emptyTexts(empty: readonly string[], { logs }: ScreenState): readonly string[] {
  const isNarrow = logs.filter !== undefined || logs.level !== undefined || logs.container !== undefined;
  return isNarrow ? ["no line passes the filter (esc ends it)"] : empty;
}

/** A pattern that was accepted once, compiled; undefined for one that is none. */
function matcherOf(pattern: LogPattern | undefined): Matcher | undefined {
  if (pattern === undefined) return undefined;
  try {
    return compilePattern(pattern);
  } catch {
    return undefined;
  }
}

function marked(each: Line, matcher: Matcher | undefined): Line {
  if (!matcher) return each;
  return each.flatMap((part) => {
    const ranges = matcher.ranges(part.text);
    if (ranges.length === 0) return [part];
    const spans: Line[number][] = [];
    let at = 0;
    for (const [start, end] of ranges) {
      if (start > at) spans.push({ ...part, text: part.text.slice(at, start) });
      spans.push(span(part.text.slice(start, end), "hit"));
      at = end;
    }
    return [...spans, { ...part, text: part.text.slice(at) }];
  });
}

function rule(input: FrameInput): Line {
  const { row, tab, layout, screen } = input;
  const notes = [
    ...scrolled(input),
    ...(layout.hidden > 0 && !screen.full ? [`${layout.hidden} more rows`] : []),
  ];
  return ruleLine(
    { title: row?.name ?? "all logs", tabs: tabsOf(row), tab, note: notes.join(", ") },
    input.size.columns,
  );
}

const number = new Intl.NumberFormat("en-US");

/** Where in the pane one is, what is left out of it, and what it has lost. */
function scrolled({ pane, window, screen, layout }: FrameInput): readonly string[] {
  const { logs, place } = screen;
  if (pane.body.kind === "text") {
    const { lines } = pane.body;
    const top = textTop(pane.body, place, layout.body);
    return lines.length > layout.body
      ? [`${top + 1} to ${Math.min(lines.length, top + layout.body)} of ${lines.length}`]
      : [];
  }
  const level = logs.level === undefined ? [] : [logs.level === "warn" ? "warnings and errors" : "errors"];
  const last = window.lines.at(-1);
  return [
    ...(logs.filter === undefined ? [] : [`filter ${clip(patternText(logs.filter), 20)}`]),
    ...(logs.container === undefined ? [] : [`container ${logs.container}`]),
    ...level,
    ...(window.reading ? ["looking"] : []),
    ...(place === "newest" || !last
      ? []
      : [`line ${number.format(last.index + 1)} of ${number.format(window.end)}, G newest`]),
    ...(window.dropped > 0 ? [`${number.format(window.dropped)} oldest dropped`] : []),
  ];
}

function footerLine(input: FrameInput): Line {
  const { screen, selected, row, pane, state, size } = input;
  const { overlay, notice } = screen;
  switch (overlay.kind) {
    case "prompt": {
      const name = { filter: "filter: ", search: "/", fields: "fields: " }[overlay.what];
      const hint = {
        filter: "text or /expression/, enter keeps it, empty shows all",
        search: "text or /expression/, enter searches upwards",
        fields: "names with blanks between, empty shows all",
      }[overlay.what];
      return [span(name, "bold"), span(overlay.text), span(" ", "hit"), span(`   ${hint}`, "dim")];
    }
    case "palette":
      return keysLine([
        ["enter", "does it"],
        ["↑ ↓", "choose"],
        ["esc", "back"],
      ]);
    case "help":
    case "text":
      return keysLine([
        ["j k", "scroll"],
        ["esc", "back"],
        ["q", "quit"],
      ]);
    case "none":
  }
  if (notice) return line(notice.text, notice.bad ? "error" : "hint");
  const subject = !selected || selected.kind === "forward" ? undefined : selected;
  const isLog = pane.body.kind === "logs";
  const keys: [string, string][] = [
    ["r", subject === undefined ? "rebuild all" : subject.kind === "deploy" ? "apply again" : "rebuild"],
    ["p", state.paused ? "go on" : "pause"],
    ...(isLog
      ? ([
          ["/", "search"],
          ["f", "filter"],
        ] as [string, string][])
      : []),
    ...(subject?.kind === "workload"
      ? ([
          ["x", "restart"],
          ["!", "shell"],
        ] as [string, string][])
      : []),
    ...(selected && selected.urls.length > 0 ? ([["o", "open"]] as [string, string][]) : []),
    ["enter", screen.full ? "split" : "full"],
    ...(row === undefined ? [] : ([["a", "all logs"]] as [string, string][])),
    ["j/k", screen.full ? "scroll" : "select"],
  ];
  const always: [string, string][] = [
    [":", "commands"],
    ["?", "help"],
    ["q", "quit"],
  ];
  return keysLine(fitting(keys, always, size.columns));
}

/** Those that always stand there, and as many of the others as there is room for. */
function fitting(
  keys: readonly [string, string][],
  always: readonly [string, string][],
  columns: number,
): readonly [string, string][] {
  const width = (list: readonly [string, string][]): number =>
    list.reduce((sum, [key, does]) => sum + key.length + does.length + 4, -3);
  const kept: [string, string][] = [];
  for (const each of keys) if (width([...kept, each, ...always]) <= columns) kept.push(each);
  return [...kept, ...always];
}

function keysLine(keys: readonly (readonly [string, string])[]): Line {
  return keys.flatMap(([key, does], index) => [
    ...(index > 0 ? [span("   ")] : []),
    span(key, "key"),
    span(` ${does}`, "dim"),
  ]);
}
