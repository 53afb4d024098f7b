import { differences, type Difference } from "../../lib/line-diff.js";
import { line, span, type Line } from "../line.js";
import { textBody, type Pane, type PaneContext } from "./pane.js";

/** A workload's manifest as it was applied last, and what is new in it. */
export function manifestPane({ detail }: PaneContext): Pane {
  switch (detail?.status) {
    case "manifest": {
      const { manifest } = detail;
      if (!manifest) return { head: [], body: textBody([line("this session has not applied it", "dim")]) };
      if (manifest.before === undefined)
        return { head: [line("applied once in this session", "dim")], body: textBody(plain(manifest.text)) };
      const all = differences(manifest.before.trimEnd().split("\n"), manifest.text.trimEnd().split("\n"));
      const changes = all.filter(({ kind }) => kind !== "same").length;
      return {
        head: [line(changes === 0 ? "the same as before" : "new since the apply before: + and -", "dim")],
        body: textBody([
          ...(changes === 0 ? [] : [...hunks(all), [], line("all of it", "bold")]),
          ...plain(manifest.text),
        ]),
      };
    }
    case "failed":
      return { head: [line(detail.message, "error")], body: textBody([]) };
    case "loading":
    case "described":
    case "previous":
    case undefined:
      return { head: [], body: textBody([line("reading", "dim")]) };
  }
}

function plain(text: string): readonly Line[] {
  return text
    .trimEnd()
    .split("\n")
    .map((each) => line(`  ${each}`));
}

/** Lines that stand around a change. */
const around = 2;

/** The changes with some lines around each, and where in the file they are. */
function hunks(all: readonly Difference[]): readonly Line[] {
  const near = all.map((_, index) =>
    all.slice(Math.max(0, index - around), index + around + 1).some(({ kind }) => kind !== "same"),
  );
  return all.flatMap(({ kind, text }, index): Line[] => {
    if (!near[index]) return [];
    const gap: Line[] = index > 0 && !near[index - 1] ? [[span("  ⋯", "dim")]] : [];
    const sign = { same: "  ", added: "+ ", removed: "- " }[kind];
    return [...gap, [span(`${sign}${text}`, kind === "same" ? undefined : kind)]];
  });
}
