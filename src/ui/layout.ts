import type { Failure } from "../lib/errors.js";
import { clipLine, lineWidth, span, type Line, type Span } from "./line.js";
import { bannerLines, nameWidthOf, tableLine, tableLines, visiblePart, type TableLine } from "./overview.js";
import type { Row } from "./rows.js";
import type { Size } from "./use-size.js";
import { rows as textRows } from "./text.js";

/** With fewer rows than this there is only the first one. */
export const leastHeight = 8;

export interface Layout {
  readonly banners: readonly Line[];
  /** The part of the table that there is room for. */
  readonly table: readonly TableLine[];
  /** Rows of it that there is no room for. */
  readonly hidden: number;
  readonly head: readonly Line[];
  /** Rows for what the pane scrolls. */
  readonly body: number;
}

/** Who gets how many rows: all but the first, the rule, and the last. */
export function layoutOf(
  { columns, rows: height }: Size,
  given: {
    readonly failures: readonly Failure[];
    readonly rows: readonly Row[];
    readonly selected: string | undefined;
    readonly head: readonly Line[];
    /** The pane alone. */
    readonly full: boolean;
  },
): Layout {
  const banners = bannerLines(given.failures, { height, columns });
  const middle = Math.max(1, height - 3 - banners.length);
  const all = given.full ? [] : tableLines(given.rows);
  const tableHeight = Math.min(all.length, middle - Math.max(3, Math.floor(middle * 0.4)));
  const table = visiblePart(all, Math.max(0, tableHeight), given.selected);
  const room = middle - table.length;
  const head = given.head
    .flatMap((each) => wrapped(each, columns))
    .slice(0, Math.max(1, Math.floor(room / 2)));
  return { banners, table, hidden: all.length - table.length, head, body: Math.max(0, room - head.length) };
}

/** A line in as many rows as it needs; one look alone goes on in the next row. */
function wrapped(line: Line, columns: number): readonly Line[] {
  const [only] = line;
  if (lineWidth(line) <= columns || !only) return [line];
  if (line.length > 1) return [clipLine(line, columns)];
  return textRows(only.text, columns).map((text): Line => [{ ...only, text }]);
}

export function tableRows(
  table: readonly TableLine[],
  {
    rows,
    selected,
    columns,
    now,
  }: { rows: readonly Row[]; selected: string | undefined; columns: number; now: number },
): readonly Line[] {
  const nameWidth = nameWidthOf(rows, columns);
  const saves = rows.some(({ loopsMs }) => loopsMs.length > 0);
  return table.map((each) => tableLine(each, { selected, columns, now, nameWidth, saves }));
}

/** What divides the table from the pane: its title, tabs, and how far it was scrolled. */
export function ruleLine(
  {
    title,
    tabs,
    tab,
    note,
  }: {
    readonly title: string;
    readonly tabs: readonly string[];
    readonly tab: string;
    readonly note: string;
  },
  columns: number,
): Line {
  const start: Span[] = [span("── ", "dim"), span(title, "bold"), span(tabs.length > 1 ? " " : "")];
  if (tabs.length > 1)
    for (const [index, name] of tabs.entries())
      start.push(span(` ${index + 1} `, "dim"), name === tab ? span(name, "chosen") : span(name, "dim"));
  start.push(span(" "));
  const end = note === "" ? [] : [span(` ${note} `), span("──", "dim")];
  const room = columns - lineWidth(end);
  const left = clipLine(start, room);
  return [...left, span("─".repeat(Math.max(0, room - lineWidth(left))), "dim"), ...end];
}
