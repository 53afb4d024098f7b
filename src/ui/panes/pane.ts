import type { LogFilter } from "../../engine/log-source.js";
import type { State } from "../../engine/state.js";
import { line, type Line } from "../line.js";
import type { Phase } from "./phases.js";

/** What stands under the table, or fills the screen, for one row or for all of them. */
export interface Pane {
  /** Wrapped, always there: what is wrong and what to do. */
  readonly head: readonly Line[];
  readonly body: LogBody | TextBody;
}
/** Lines from the log store. */
export interface LogBody {
  readonly kind: "logs";
  readonly filter: LogFilter;
  readonly labels: "none" | "resources" | "containers";
  /** What stands there without a line. */
  readonly empty: readonly string[];
}
export interface TextBody {
  readonly kind: "text";
  readonly lines: readonly Line[];
  /** Where it begins to be read: at its newest lines, or at its first. */
  readonly anchor: "end" | "start";
}

/** What panes are made from. */
export interface PaneContext {
  readonly state: State;
  /** ms since the epoch. */
  readonly now: number;
  readonly columns: number;
  /** What was asked for of the workload that is shown, once it is there. */
  readonly detail: Detail | undefined;
  /** Of a workload's logs: those of the run before. */
  readonly previous: boolean;
  /** Of loops that were seen to end, by their number. */
  readonly phases: ReadonlyMap<number, readonly Phase[]>;
}

/** What the loop was asked about a workload. */
export type Detail =
  | { readonly status: "loading" }
  | { readonly status: "failed"; readonly message: string }
  | { readonly status: "described"; readonly text: string }
  | { readonly status: "previous"; readonly text: string }
  | {
      readonly status: "manifest";
      readonly manifest: { readonly text: string; readonly before?: string } | undefined;
    };

export const textBody = (lines: readonly Line[], anchor: TextBody["anchor"] = "start"): TextBody => ({
  kind: "text",
  lines,
  anchor,
});

/** Paths in one line: three of them by name. */
export function changedText(changed: readonly string[]): string {
  const shown = changed.slice(0, 3).join(", ");
  return changed.length > 3 ? `${shown} and ${changed.length - 3} more` : shown;
}

/** What changed last, where that is known. */
export const changedLines = (changed: readonly string[]): readonly Line[] =>
  changed.length > 0 ? [line(`last change: ${changedText(changed)}`, "dim")] : [];
