/** A range of characters in the file's text: [start, end). */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** The text of a file that people write, with what it takes to point into it. */
export interface Source {
  /** Absolute path. */
  readonly file: string;
  /** The path as messages show it: relative to where the user stands. */
  readonly shown: string;
  readonly text: string;
  /** Line and column of a character, from 1. */
  position(offset: number): { readonly line: number; readonly column: number };
  /** The line that holds the span's start, its number before it, and a line of carets under the span. */
  excerpt(span: Span): string;
}

/** Characters of a source line that an excerpt shows at most. */
const excerptWidth = 120;

export function createSource(options: {
  readonly file: string;
  readonly shown: string;
  readonly text: string;
}): Source {
  const { text } = options;
  const lineStarts = [0];
  for (let index = text.indexOf("\n"); index !== -1; index = text.indexOf("\n", index + 1)) {
    lineStarts.push(index + 1);
  }

  function position(offset: number): { line: number; column: number } {
    const inside = Math.max(0, Math.min(offset, text.length));
    let low = 0;
    let high = lineStarts.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((lineStarts[middle] ?? 0) <= inside) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: inside - (lineStarts[low] ?? 0) + 1 };
  }

  return {
    ...options,
    position,
    excerpt(span) {
      const { line, column } = position(span.start);
      const start = lineStarts[line - 1] ?? 0;
      const whole = text.slice(start, (lineStarts[line] ?? text.length + 1) - 1).replace(/\r$/, "");
      const from = column > excerptWidth ? column - excerptWidth / 2 : 0;
      const shown = whole.slice(from, from + excerptWidth);
      const left = column - 1 - from;
      const width = Math.max(1, Math.min(span.end - span.start, shown.length - left));
      const gutter = `${line} | `;
      // Tabs stay tabs, so that the carets stand under their characters at any tab width.
      const indent = shown.slice(0, left).replace(/[^\t]/g, " ");
      return `${gutter}${printable(shown)}\n${" ".repeat(gutter.length - 2)}| ${indent}${"^".repeat(width)}`;
    },
  };
}

/** A file's text must not drive the terminal: control characters but tab become a dot, of the same width. */
export function printable(text: string): string {
  return text.replace(/[\u0000-\u0008\u000A-\u001F\u007F-\u009F]/g, "\u00B7");
}
