import { DevloopError, type ErrorCode } from "./errors.js";
import { printable, type Source, type Span } from "./source.js";

/** One thing wrong with a file that people write, and where. */
export interface Problem {
  readonly span: Span;
  readonly message: string;
  readonly hint?: string | undefined;
}
export interface PlacedProblem extends Problem {
  readonly source: Source;
}

/** Problems that are written out; the rest is counted. */
const shownProblems = 20;

/** One CONFIG_INVALID for all problems of devloop.yaml. */
export function invalidConfig(source: Source, problems: readonly Problem[]): DevloopError {
  const placed = problems.map((problem) => ({ ...problem, source }));
  return invalidFile("CONFIG_INVALID", placed, `${source.shown} is not valid`);
}

/**
 * One error for all problems: the first in the (first) file is the message, `devloop.yaml:12:5 …`; its source line
 * and the others, each with its own, are the detail. `otherwise` is the message where there are none.
 */
export function invalidFile(
  code: ErrorCode,
  problems: readonly PlacedProblem[],
  otherwise: string,
): DevloopError {
  const ordered = inFileOrder(distinct(problems));
  const blocks = ordered
    .slice(0, shownProblems)
    .map((problem, index) =>
      [
        ...(index === 0 ? [] : [located(problem)]),
        problem.source.excerpt(problem.span).replace(/^/gm, "  "),
        ...(index === 0 || problem.hint === undefined ? [] : [`  ${problem.hint}`]),
      ].join("\n"),
    );
  const rest = ordered.length - blocks.length;
  if (rest > 0) blocks.push(`and ${rest} more`);
  const first = ordered[0];
  return new DevloopError(code, first ? located(first) : otherwise, {
    hint: first?.hint,
    detail: blocks.join("\n\n"),
  });
}

function located({ source, span, message }: PlacedProblem): string {
  const { line, column } = source.position(span.start);
  return printable(`${source.shown}:${line}:${column} ${message}`);
}

/** The same text read twice (by an alias, or alone and merged) is one problem. */
function distinct(problems: readonly PlacedProblem[]): PlacedProblem[] {
  return [
    ...new Map(
      problems.map((problem) => [`${problem.source.file} ${problem.span.start} ${problem.message}`, problem]),
    ).values(),
  ];
}

/** Files in the order in which they were first found wrong, problems in the order in which they stand there. */
function inFileOrder(problems: readonly PlacedProblem[]): PlacedProblem[] {
  const files = [...new Set(problems.map(({ source }) => source.file))];
  return problems.toSorted(
    (left, right) =>
      files.indexOf(left.source.file) - files.indexOf(right.source.file) ||
      left.span.start - right.span.start,
  );
}
