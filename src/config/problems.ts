import { DevloopError } from "../lib/errors.js";
import { printable, type Source, type Span } from "./source.js";

/** One thing wrong with devloop.yaml, and where. */
export interface Problem {
  readonly span: Span;
  readonly message: string;
  readonly hint?: string | undefined;
}

/** Problems that are written out; the rest is counted. */
const shownProblems = 20;

/**
 * One CONFIG_INVALID for all problems: the first in the file is the message, `devloop.yaml:12:5 …`; its source line
 * and the others, each with its own, are the detail.
 */
export function invalidConfig(source: Source, problems: readonly Problem[]): DevloopError {
  const ordered = distinct(problems).sort((left, right) => left.span.start - right.span.start);
  const blocks = ordered
    .slice(0, shownProblems)
    .map((problem, index) =>
      [
        ...(index === 0 ? [] : [located(source, problem)]),
        source.excerpt(problem.span).replace(/^/gm, "  "),
        ...(index === 0 || problem.hint === undefined ? [] : [`  ${problem.hint}`]),
      ].join("\n"),
    );
  const rest = ordered.length - blocks.length;
  if (rest > 0) blocks.push(`and ${rest} more`);
  const first = ordered[0];
  return new DevloopError("CONFIG_INVALID", first ? located(source, first) : `${source.shown} is not valid`, {
    hint: first?.hint,
    detail: blocks.join("\n\n"),
  });
}

function located(source: Source, { span, message }: Problem): string {
  const { line, column } = source.position(span.start);
  return printable(`${source.shown}:${line}:${column} ${message}`);
}

/** The same text read twice (by an alias, or alone and merged) is one problem. */
function distinct(problems: readonly Problem[]): Problem[] {
  return [
    ...new Map(problems.map((problem) => [`${problem.span.start} ${problem.message}`, problem])).values(),
  ];
}
