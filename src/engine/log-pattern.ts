import { DevloopError, errorText } from "../lib/errors.js";
import { readableLine } from "../lib/readable-line.js";
import { testAll } from "../lib/guarded-regex.js";
import type { LogPattern } from "./log-source.js";

/** A pattern that is ready to look for. */
export interface Matcher {
  /** Which of the lines match, as they are or, lines of JSON, as people are shown them. Throws USAGE for a regular expression that takes too long. */
  matches(texts: readonly string[]): readonly boolean[];
  /** Where it matches in a text that is on the screen: starts and ends, in order, not overlapping, none empty. */
  ranges(text: string): readonly (readonly [start: number, end: number])[];
}

/** Throws USAGE for a regular expression that is none. */
export function compilePattern(pattern: LogPattern): Matcher {
  const expression = expressionOf(pattern);
  const test = (texts: readonly string[]): readonly boolean[] =>
    pattern.kind === "regex" ? testAll(expression, texts) : texts.map((text) => expression.test(text));
  return {
    matches(texts) {
      const asTheyAre = test(texts);
      const others = texts.flatMap((text, index) =>
        !asTheyAre[index] && text.startsWith("{") ? [{ index, text: readableLine(text) }] : [],
      );
      if (others.length === 0) return asTheyAre;
      const shown = test(others.map(({ text }) => text));
      const found = new Set(others.filter((_, place) => shown[place]).map(({ index }) => index));
      return asTheyAre.map((fits, index) => fits || found.has(index));
    },
    ranges(text) {
      if (pattern.kind === "regex" && testAll(expression, [text])[0] !== true) return [];
      const all = new RegExp(expression.source, `${expression.flags}g`);
      return [...text.matchAll(all)]
        .filter(([found]) => found !== "")
        .map((match) => [match.index, match.index + match[0].length] as const);
    },
  };
}

function expressionOf(pattern: LogPattern): RegExp {
  if (pattern.kind === "text")
    return new RegExp(
      pattern.text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"),
      /\p{Lu}/u.test(pattern.text) ? "" : "i",
    );
  try {
    // `g` and `y` keep a place between calls.
    return new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ""));
  } catch (error) {
    throw new DevloopError("USAGE", `/${pattern.source}/ is no regular expression: ${errorText(error)}`, {
      cause: error,
    });
  }
}
