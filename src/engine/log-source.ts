import type { LogLine } from "./state.js";

/** How grave a line is, as its text tells: a JSON or logfmt field, a word near its start, a klog letter. In rising order. */
export const logLevels = ["trace", "debug", "info", "warn", "error", "fatal"] as const;
export type LogLevel = (typeof logLevels)[number];

export function isLogLevel(word: string): word is LogLevel {
  return logLevels.some((level) => level === word);
}

/** A line that is kept; `order` is its place among all lines of all resources of the session, from 1. */
export interface KeptLine extends LogLine {
  readonly order: number;
  readonly level?: LogLevel;
}

/** A line, and where it stands in a view. */
export interface ViewedLine extends KeptLine {
  readonly index: number;
}

/** What to look for in a line's text. */
export type LogPattern =
  /** Case counts only where the text has a capital letter. */
  | { readonly kind: "text"; readonly text: string }
  /** A JavaScript regular expression. */
  | { readonly kind: "regex"; readonly source: string; readonly flags: string };

/** Which lines a view shows; what is left out of it does not restrict. */
export interface LogFilter {
  /** Ids of workloads, and of tasks (`build:web`) whose programs print. None: nothing passes. */
  readonly resources?: readonly string[];
  /** A pod's name, without its namespace. */
  readonly pod?: string;
  readonly container?: string;
  readonly pattern?: LogPattern;
  /** Lines at least as grave; a line without a level passes as `info`. */
  readonly level?: LogLevel;
  /** ms since the epoch. */
  readonly since?: number;
}

/**
 * The lines that a filter lets through, by index: `first` to `end - 1`. New ones come at the end; `first` rises when the
 * oldest are dropped, and an index means the same line for as long as the view lives. A line that its resource dropped before others
 * is left out of what `lines` gives.
 */
export interface LogView extends AsyncDisposable {
  readonly first: number;
  readonly end: number;
  /** Whether lines from before the view was opened are still being looked through: `end` is not to be trusted yet. */
  readonly reading: boolean;
  /** Why the view shows no more lines than it does: a regular expression that takes too long, say. */
  readonly problem: string | undefined;
  /** Lines of its resources that are no longer kept, whether they would pass the filter or not. */
  readonly dropped: number;
  /** The lines `from` to `to - 1`, as far as they are kept. */
  lines(
    from: number,
    to: number,
    options?: { readonly signal?: AbortSignal },
  ): Promise<readonly ViewedLine[]>;
  /** The nearest index that matches, beginning with `from` itself; undefined when there is none in that direction. Rejects with USAGE as `view` throws it. */
  find(
    pattern: LogPattern,
    from: number,
    direction: "back" | "forth",
    options?: { readonly signal?: AbortSignal },
  ): Promise<number | undefined>;
  /** The listener is told of growth and drops at most 20 times a second, and always after the last line. Returns its removal. */
  subscribe(listener: () => void): () => void;
}

/** The lines that were kept, of one session: its own process's files, or another process's by its socket. */
export interface LogSource {
  /** Throws USAGE for a regular expression that is none. */
  view(filter: LogFilter): LogView;
}
