import { clip, widthOf } from "./text.js";
import type { Look, Theme } from "./theme.js";

/** A stretch of text in one look. The text may have colours of its own, made safe by `terminalText`. */
export interface Span {
  readonly text: string;
  readonly look?: Look;
  /** An address: terminals that can make the text a link to it. */
  readonly link?: string;
}

/** What stands in one row of the screen. */
export type Line = readonly Span[];

export const span = (text: string, look?: Look): Span => (look === undefined ? { text } : { text, look });
export const line = (text: string, look?: Look): Line => [span(text, look)];

/** Columns that it takes. */
export function lineWidth(spans: Line): number {
  return spans.reduce((sum, { text }) => sum + widthOf(text), 0);
}

/** Left and right of a row, with what is between them blank; the left gives way. */
export function spread(left: Line, right: Line, columns: number): Line {
  const room = columns - lineWidth(right) - 2;
  const kept = clipLine(left, room);
  return [...kept, span(" ".repeat(Math.max(0, columns - lineWidth(kept) - lineWidth(right)))), ...right];
}

export function clipLine(spans: Line, columns: number): Line {
  const kept: Span[] = [];
  let room = columns;
  for (const each of spans) {
    if (room <= 0) break;
    const width = widthOf(each.text);
    kept.push(width <= room ? each : { ...each, text: clip(each.text, room) });
    room -= width;
  }
  return kept;
}

/** As the terminal takes it: clipped to its width, and the rest of the row erased. */
export function paint(spans: Line, columns: number, theme: Theme): string {
  const kept = clipLine(spans, columns);
  const text = kept.map((each) => paintSpan(each, theme)).join("");
  // At the last column a terminal may take the eraser for the character before it.
  return lineWidth(kept) < columns ? `${text}\u001b[K` : text;
}

function paintSpan({ text, look, link }: Span, theme: Theme): string {
  const [open, close] = look === undefined ? ["", ""] : theme.codes(look);
  // A reset inside, of a program's own colours, would end the look too early.
  const body = open === "" ? text : text.replaceAll("\u001b[0m", `\u001b[0m${open}`);
  const shown = `${open}${body}${close}`;
  return link === undefined || !theme.links ? shown : `\u001b]8;;${link}\u001b\\${shown}\u001b]8;;\u001b\\`;
}
