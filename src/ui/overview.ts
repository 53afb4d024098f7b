import type { State } from "../engine/state.js";
import type { Failure } from "../lib/errors.js";
import { age, count, duration } from "../lib/format.js";
import { terminalText } from "../lib/terminal-text.js";
import { line, span, spread, type Line, type Span } from "./line.js";
import type { LoopSummary } from "../engine/phase.js";
import type { Row } from "./rows.js";
import { sparkline } from "./sparkline.js";
import { fit, rows as textRows } from "./text.js";
import { signs } from "./theme.js";

/** The first line: whose loop this is, where it runs, and how it stands. */
export function headerLine(
  state: State,
  summary: LoopSummary,
  { now, columns }: { readonly now: number; readonly columns: number },
): Line {
  const { cluster, project } = state;
  const where = cluster
    ? [cluster.context, cluster.namespace]
    : [state.services.cluster.status === "down" ? "no cluster" : "connecting to the cluster"];
  const ago = summary.since === undefined ? "" : `, ${age(now - summary.since)} ago`;
  const focus = state.focus.length === 0 ? [] : [span(`  focus on ${state.focus.join(", ")}`, "hint")];
  const spark = columns < 100 ? "" : lastSaves(state);
  return spread(
    [
      span("devloop", "bold"),
      span(` ${project.name}`),
      ...(columns < 80 ? [] : [span(`  ${where.join(" / ")}`, "dim")]),
      ...focus,
    ],
    [
      span(`${signs[summary.health]} ${summary.text}`, summary.health),
      span(ago, "dim"),
      ...(spark === "" ? [] : [span(`  ${spark}`, "dim")]),
    ],
    columns,
  );
}

/** How long the last saves took, the newest at the right. */
function lastSaves(state: State): string {
  const times = state.loops
    .filter(({ number, outcome }) => number > 1 && outcome === "ready")
    .slice(-10)
    .map(({ startedAt, endedAt }) => (endedAt ?? startedAt) - startedAt);
  if (times.length < 2) return "";
  return `${sparkline(times)} up to ${duration(Math.max(...times))}`;
}

/** What is wrong with the loop itself, not with one image or workload: the config, the engine, the cluster. */
export function bannersOf(state: State): readonly Failure[] {
  const services = Object.values(state.services).flatMap((service) =>
    service.status === "down" ? [service.failure] : [],
  );
  return [...(state.configFailure ? [state.configFailure] : []), ...services];
}

/** Two rows for each: there is always room left for the table. */
export function bannerLines(
  failures: readonly Failure[],
  { height, columns }: { readonly height: number; readonly columns: number },
): readonly Line[] {
  return failures.slice(0, height < 20 ? 1 : 3).flatMap(({ message, hint }) => {
    const [first = "", ...rest] = textRows(`✗ ${terminalText(message)}`, columns);
    const second = rest.length > 0 ? rest.join("") : "";
    return [
      line(first, "bad"),
      [
        ...(second === "" ? [] : [span(second, "bad")]),
        ...(hint === undefined ? [] : [span(`  → ${hint}`, "hint")]),
      ],
    ];
  });
}

/** A line of the table: a heading or a row. */
export type TableLine = { readonly heading: Row["kind"] } | { readonly row: Row };

/** The rows with a heading above each kind; deploys stand with the images. */
export function tableLines(rows: readonly Row[]): readonly TableLine[] {
  return rows.flatMap((row, index) => {
    const before = rows[index - 1];
    const isNew = !before || (before.kind !== row.kind && row.kind !== "deploy");
    return isNew ? [{ heading: row.kind }, { row }] : [{ row }];
  });
}

/** The part of `lines` that fits `height`, with the selected row in it. */
export function visiblePart(
  lines: readonly TableLine[],
  height: number,
  selected: string | undefined,
): readonly TableLine[] {
  const at = lines.findIndex((each) => "row" in each && each.row.id === selected);
  const first = Math.max(0, Math.min(at - Math.floor(height / 2), lines.length - height));
  return lines.slice(first, first + height);
}

/** Widest name that the table gives room to, in columns. */
const maxNameWidth = 32;

export interface TableLook {
  readonly selected: string | undefined;
  readonly columns: number;
  readonly now: number;
  readonly nameWidth: number;
  /** Whether anything was saved yet: else there are no times to show. */
  readonly saves: boolean;
}

export function nameWidthOf(rows: readonly Row[], columns: number): number {
  const longest = Math.max("WORKLOADS".length, ...rows.map((row) => row.name.length));
  return Math.min(longest, maxNameWidth, Math.max(9, Math.floor(columns * 0.3)));
}

export function tableLine(each: TableLine, look: TableLook): Line {
  const saves = savesWidth(look);
  if ("heading" in each) {
    const pods = each.heading === "workload" ? "PODS" : saves > 0 ? "    " : "";
    const last = saves > 0 && each.heading !== "forward" ? "LAST SAVE" : "";
    const name = fit(`${each.heading.toUpperCase()}S`, look.nameWidth);
    return line(`    ${name}  STATE       AGE  ${pods}  ${last}`.trimEnd(), "dim");
  }
  return rowLine(each.row, saves, look);
}

const lastWidth = 8;
const sparkWidth = 8;

/** Columns for what the last saves took: only where enough is left for what a row does. */
function savesWidth({ columns, nameWidth, saves }: TableLook): number {
  if (!saves) return 0;
  const room = columns - nameWidth - 30;
  if (columns < 100 || room < 48 + lastWidth) return 0;
  return room < 52 + lastWidth + sparkWidth ? lastWidth + 2 : lastWidth + sparkWidth + 3;
}

/** How long the newest one took until the row was done, and the ones before it as bars. */
function savesText({ loopsMs }: Row, width: number): string {
  const last = loopsMs.at(-1);
  if (last === undefined || width === 0) return " ".repeat(width);
  const bars = width > lastWidth + 2 && loopsMs.length > 1 ? sparkline(loopsMs.slice(-sparkWidth)) : "";
  return fit(`${duration(last).padEnd(lastWidth)} ${bars}`, width);
}

function rowLine(row: Row, saves: number, { selected, columns, now, nameWidth }: TableLook): Line {
  const isSelected = row.id === selected;
  const since = row.since === undefined ? "" : age(now - row.since);
  // The count is part of most causes.
  const restarts = row.restarts && !row.text.includes("restarted") ? count(row.restarts, "restart") : "";
  const pods = row.pods ? `${row.pods.ready}/${row.pods.desired}` : undefined;
  const text = [restarts, row.text].filter((part) => part !== "").join(", ");
  // Ports alone, where there is no room for addresses.
  const urls = row.urls.map((url, index): Span => {
    const shown = columns < 72 ? url.slice(url.lastIndexOf(":")) : url;
    return { text: `${index > 0 || text !== "" ? "  " : ""}${shown}`, look: "link", link: url };
  });
  return [
    span(isSelected ? "› " : "  ", isSelected ? "bold" : undefined),
    span(signs[row.health], row.health),
    span(` ${fit(row.name, nameWidth)}`, isSelected ? "bold" : undefined),
    span(`  ${row.status.padEnd(10)}`, row.health),
    span(since.padStart(5), "dim"),
    span(pods === undefined && saves === 0 ? "  " : `  ${(pods ?? "").padEnd(4)}  `),
    span(savesText(row, saves), "dim"),
    span(text, row.health === "bad" ? "error" : undefined),
    ...urls,
  ];
}
