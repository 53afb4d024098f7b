import { unquote } from "./dockerfile-args.js";

/** A word: what stands between blanks, where blanks in quotes do not count. */
export const word = /(?:"[^"]*"|'[^']*'|\S)+/g;

/** For each character of an instruction's joined text, where it stands in the file. */
export type Span = readonly number[];

/** One instruction, its continued lines joined and the comments between them left out. */
export interface Instruction {
  /** In capitals: FROM, RUN, … */
  readonly keyword: string;
  /** What follows the keyword. */
  readonly text: string;
  readonly span: Span;
  /** The lines it stands on, the first being 1; heredocs belong to it. */
  readonly startLine: number;
  readonly endLine: number;
}

/** Splits a Dockerfile into instructions. It accepts everything: telling what is wrong is BuildKit's part. */
export function parseDockerfile(text: string): { instructions: readonly Instruction[]; escape: string } {
  const lines = splitLines(text);
  const escape = escapeDirective(lines);
  const continued = new RegExp(`${escape === "`" ? "`" : "\\\\"}[ \\t]*$`);
  const instructions: Instruction[] = [];
  for (let index = 0; index < lines.length; index += 1) {
    if (isBlankOrComment(lines[index])) continue;
    const startLine = index + 1;
    let joined = "";
    const span: number[] = [];
    for (; index < lines.length; index += 1) {
      const line = lines[index] ?? { text: "", start: 0 };
      // Between continued lines, comments and empty lines are as if they were not there.
      if (index + 1 > startLine && isBlankOrComment(line)) continue;
      const more = continued.exec(line.text);
      const kept = more ? line.text.slice(0, more.index) : line.text;
      joined += kept;
      for (let at = 0; at < kept.length; at += 1) span.push(line.start + at);
      if (!more) break;
    }
    const head = /^(\s*)(\S+)(\s*)/.exec(joined);
    if (!head) continue;
    const keyword = (head[2] ?? "").toUpperCase();
    const rest = joined.slice(head[0].length);
    for (const heredoc of heredocs(keyword, rest)) index = heredocEnd(lines, index, heredoc);
    instructions.push({
      keyword,
      text: rest.trimEnd(),
      span: span.slice(head[0].length),
      startLine,
      endLine: Math.min(index + 1, lines.length),
    });
  }
  return { instructions, escape };
}

interface Line {
  readonly text: string;
  /** Offset of its first character in the file. */
  readonly start: number;
}

function splitLines(text: string): readonly Line[] {
  const lines: Line[] = [];
  // A byte order mark is no part of the first instruction.
  let start = text.startsWith("\uFEFF") ? 1 : 0;
  for (const line of text.slice(start).split("\n")) {
    lines.push({ text: line.replace(/\r$/, ""), start });
    start += line.length + 1;
  }
  return lines;
}

function isBlankOrComment(line: Line | undefined): boolean {
  return line === undefined || /^\s*(#|$)/.test(line.text);
}

/** Directives stand in comments before everything else; the first line that is none ends them. */
function escapeDirective(lines: readonly Line[]): string {
  for (const { text } of lines) {
    const directive = /^\s*#\s*([a-zA-Z][\w-]*)\s*=\s*(.+?)\s*$/.exec(text);
    if (!directive) break;
    if (directive[1]?.toLowerCase() === "escape") return directive[2] === "`" ? "`" : "\\";
  }
  return "\\";
}

interface Heredoc {
  readonly name: string;
  /** `<<-`: tabs before the end's name do not count. */
  readonly tabs: boolean;
}

function heredocs(keyword: string, text: string): readonly Heredoc[] {
  if (!["RUN", "COPY", "ADD", "ONBUILD"].includes(keyword)) return [];
  return (
    text.match(word)?.flatMap((found) => {
      const [, dash, name = ""] = /^\d*<<(-?)([^<]+)$/.exec(found) ?? [];
      return name === "" ? [] : [{ name: unquote(name), tabs: dash === "-" }];
    }) ?? []
  );
}

/** The index of the line that ends it; where none does, `<<` meant something else. */
function heredocEnd(lines: readonly Line[], from: number, { name, tabs }: Heredoc): number {
  const end = lines.findIndex(
    ({ text }, index) => index > from && (tabs ? text.replace(/^\t+/, "") : text) === name,
  );
  return end === -1 ? from : end;
}
