import type { Matcher } from "../engine/log-pattern.js";
import type { KeptLine, LogLevel, ViewedLine } from "../engine/log-source.js";
import { readableLine } from "../lib/readable-line.js";
import { lastPart } from "../lib/short-name.js";
import { terminalText } from "../lib/terminal-text.js";
import { span, type Line, type Span } from "./line.js";
import type { LogLook } from "./screen-state.js";
import { fit, from, rows, widthOf, withoutColors } from "./text.js";
import type { Look } from "./theme.js";

export interface LogFormat extends LogLook {
  readonly columns: number;
  readonly color: boolean;
  readonly fields: readonly string[];
  /** Whose line it is stands before each. */
  readonly labels: "none" | "resources" | "containers";
  readonly hits: Matcher | undefined;
}

/** Rows of the screen, oldest first, and the index of the line that each belongs to. */
export interface LogRow {
  readonly index: number;
  readonly line: Line;
}

/** A label takes no more columns than this. */
const maxLabel = 22;

export function logRows(lines: readonly ViewedLine[], format: LogFormat): readonly LogRow[] {
  const width = Math.min(maxLabel, Math.max(0, ...lines.map((line) => widthOf(labelOf(line, format)))));
  return lines.flatMap((line) => {
    const head = headOf(line, format, width);
    const room = Math.max(8, format.columns - head.reduce((sum, { text }) => sum + widthOf(text), 0));
    const shown = terminalText(format.raw ? line.text : readableLine(line.text, format.fields), format);
    const look = levelLooks[line.level ?? "info"];
    const texts = format.wrap ? rows(shown, room) : [from(shown, format.sideways)];
    return texts.map((text, row) => ({
      index: line.index,
      line: [
        ...(row === 0 ? head : head.map((each) => span(" ".repeat(widthOf(each.text))))),
        ...textSpans(text, look, format.hits),
      ],
    }));
  });
}

const levelLooks: Readonly<Record<LogLevel, Look | undefined>> = {
  trace: "dim",
  debug: "dim",
  info: undefined,
  warn: "warn",
  error: "error",
  fatal: "error",
};

function headOf(line: KeptLine, format: LogFormat, width: number): readonly Span[] {
  const label = labelOf(line, format);
  return [
    ...(format.times ? [span(`${clock(line.time)} `, "dim")] : []),
    ...(label === "" && width === 0
      ? []
      : [span(fit(label, width), labelLook(line, format)), span(" │ ", "dim")]),
    ...(line.previous ? [span("(before its restart) ", "dim")] : []),
  ];
}

/** Local time of day, to the millisecond. */
export function clock(time: number): string {
  const date = new Date(time);
  const two = (part: number): string => String(part).padStart(2, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

function labelOf({ workload, container }: KeptLine, { labels }: LogFormat): string {
  if (labels === "none") return "";
  return labels === "containers" ? container : resourceLabel(workload);
}

/** A workload's name, or `monitor-agent build` for a task's own output. */
export function resourceLabel(workload: string): string {
  const [, kind, image] = /^(build|sync):(.*)$/.exec(workload) ?? [];
  return kind === undefined ? lastPart(workload) : `${lastPart(image ?? "")} ${kind}`;
}

const labelLooks = ["label0", "label1", "label2", "label3", "label4", "label5"] as const;

/** The same colour for the same name, in every session. */
function labelLook(line: KeptLine, format: LogFormat): Look {
  let hash = 0;
  for (const character of format.labels === "containers" ? line.container : line.workload)
    hash = (hash * 31 + (character.codePointAt(0) ?? 0)) % 65_521;
  return labelLooks[hash % labelLooks.length] ?? "label0";
}

/** Where hits are marked, a program's own colours give way. */
function textSpans(text: string, look: Look | undefined, hits: Matcher | undefined): readonly Span[] {
  const bare = hits ? withoutColors(text) : text;
  const ranges = hits?.ranges(bare) ?? [];
  if (ranges.length === 0)
    return [look === undefined || text.includes("\u001b") ? span(text) : span(text, look)];
  const spans: Span[] = [];
  let at = 0;
  for (const [start, end] of ranges) {
    if (start > at) spans.push(span(bare.slice(at, start), look));
    spans.push(span(bare.slice(start, end), "hit"));
    at = end;
  }
  if (at < bare.length) spans.push(span(bare.slice(at), look));
  return spans;
}
