import type { Row } from "./rows.js";

/** What the lower half shows: by itself the first failure, else all logs; or what a person chose. */
export type View =
  | { readonly mode: "auto" }
  | { readonly mode: "row"; readonly id: string }
  | { readonly mode: "logs"; readonly id: string | undefined };

export const startView: View = { mode: "auto" };

/** The row to show; undefined for all logs. */
export function shownRow(view: View, rows: readonly Row[]): Row | undefined {
  switch (view.mode) {
    case "auto":
      return rows.find((row) => row.health === "bad");
    case "row":
      return rows.find((row) => row.id === view.id);
    case "logs":
      return undefined;
  }
}

/** The row that the mark stands at: also while all logs are shown. */
export function selectedRow(view: View, rows: readonly Row[]): Row | undefined {
  return view.mode === "logs" ? rows.find((row) => row.id === view.id) : shownRow(view, rows);
}

/** The view after moving the mark by so many rows; from nowhere, to the first. */
export function moved(view: View, rows: readonly Row[], by: number): View {
  const selected = selectedRow(view, rows);
  const from = selected ? rows.indexOf(selected) : -1;
  const to = from === -1 ? 0 : Math.max(0, Math.min(rows.length - 1, from + by));
  const row = rows[to];
  return row ? { mode: "row", id: row.id } : startView;
}

/** All logs, or back to the row. */
export function toggledLogs(view: View, rows: readonly Row[]): View {
  const shown = shownRow(view, rows);
  if (shown) return { mode: "logs", id: shown.id };
  const back = selectedRow(view, rows) ?? rows[0];
  return back ? { mode: "row", id: back.id } : startView;
}
