import stringWidth from "string-width";

/** Columns that text takes on a terminal: colours none, CJK and emoji two. */
export function widthOf(text: string): number {
  return plain.test(text) ? text.length : stringWidth(text);
}

/** Only characters of one column. */
const plain = /^[\u0020-\u007e\u2500-\u25ff\u00a1-\u00ac\u00ae-\u00ff]*$/;
const pieces = /\u001b\[[\d;:]*m|[^\u001b]+/g;
const segmenter = new Intl.Segmenter();

/** The text's beginning in so many columns, with `…` where something was left out. Colours of what is left out stay out. */
export function clip(text: string, columns: number): string {
  if (columns <= 0) return "";
  if (text.length <= columns && plain.test(text)) return text;
  if (plain.test(text)) return `${text.slice(0, columns - 1)}…`;
  if (widthOf(text) <= columns) return text;
  const [first = ""] = rows(text, columns - 1, 1);
  return `${first}…`;
}

/** Clipped, or filled with blanks. */
export function fit(text: string, columns: number): string {
  const clipped = clip(text, columns);
  return clipped + " ".repeat(Math.max(0, columns - widthOf(clipped)));
}

/** The text from a column on, for looking at long lines sideways. */
export function from(text: string, column: number): string {
  if (column <= 0) return text;
  if (plain.test(text)) return text.slice(column);
  const [, ...rest] = rows(text, column, 2, true);
  return rest.join("");
}

/** The text broken into rows of so many columns; colours go on in the next row. At most `limit` rows, the rest left out. */
export function rows(text: string, columns: number, limit = Infinity, keepRest = false): readonly string[] {
  if (columns <= 0) return [];
  if (plain.test(text)) {
    const broken: string[] = [];
    for (let at = 0; at < text.length && broken.length < limit; at += columns)
      broken.push(text.slice(at, at + columns));
    return broken.length === 0 ? [""] : broken;
  }
  const done: string[] = [];
  let row = "";
  let width = 0;
  let style = "";
  const isLast = (): boolean => keepRest && done.length === limit - 1;
  for (const [piece] of text.matchAll(pieces)) {
    if (piece.startsWith("\u001b")) {
      style = /^\u001b\[0?m$/.test(piece) ? "" : style + piece;
      row += piece;
      continue;
    }
    for (const { segment } of segmenter.segment(piece)) {
      const wide = segment.length === 1 && plain.test(segment) ? 1 : stringWidth(segment);
      if (width + wide > columns && !isLast()) {
        done.push(style === "" ? row : `${row}\u001b[0m`);
        if (done.length >= limit) return done;
        row = style;
        width = 0;
      }
      row += segment;
      width += wide;
    }
  }
  done.push(style === "" ? row : `${row}\u001b[0m`);
  return done;
}

/** The text without its colours. */
export function withoutColors(text: string): string {
  return text.includes("\u001b") ? text.replace(/\u001b\[[\d;:]*m/g, "") : text;
}
