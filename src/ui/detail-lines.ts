import type { LogLine } from "../engine/model.js";

/** What stands under the table for one row, or for all of them. */
export interface Details {
  readonly title: string;
  /** Wrapped, from the top: what is wrong and what to do. */
  readonly head: readonly DetailLine[];
  /** One row of the screen each, the newest at the bottom. */
  readonly body: readonly string[];
}
export interface DetailLine {
  readonly text: string;
  readonly tone: "plain" | "dim" | "bad" | "hint";
}

/** The newest log lines; `undefined` for those of all workloads. */
export interface LogSource {
  readonly getVersion: () => number;
  readonly subscribe: (listener: () => void) => () => void;
  tail(workload: string | undefined, count: number): readonly LogLine[];
}

/** Paths in one line: three of them by name. */
export function changedText(changed: readonly string[]): string {
  const shown = changed.slice(0, 3).join(", ");
  return changed.length > 3 ? `${shown} and ${changed.length - 3} more` : shown;
}

/** What is there to know, and neither bad nor to be done. */
export const dim = (text: string): DetailLine => ({ text, tone: "dim" });
