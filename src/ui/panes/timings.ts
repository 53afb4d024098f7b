import type { Loop } from "../../engine/state.js";
import { duration } from "../../lib/format.js";
import { clock } from "../log-lines.js";
import { line, span, type Line } from "../line.js";
import { fit } from "../text.js";
import type { Look } from "../theme.js";
import { changedText, textBody, type Pane, type PaneContext } from "./pane.js";
import { phaseKinds, phasesOf, type Phase } from "./phases.js";

/** Where the last saves' time went, the newest in full, and how long they take as a rule. */
export function timingsPane({ state, now, columns, phases }: PaneContext): Pane {
  const loops = [...state.loops].reverse();
  const [newest] = loops;
  if (!newest) return { head: [], body: textBody([line("nothing was saved yet", "dim")]) };
  const detail =
    newest.endedAt === undefined ? phasesOf(state, newest, now) : (phases.get(newest.number) ?? []);
  return {
    head: [],
    body: textBody([
      ...summary(state.loops, phases),
      [],
      [span(loopTitle(newest), "bold"), span(`  ${changed(newest)}`, "dim")],
      ...waterfall(newest, detail, { now, columns }),
      [],
      ...loops.slice(1).map((loop) => loopLine(loop, Math.max(...loops.map(took)), columns)),
    ]),
  };
}

function changed({ changed: paths, number }: Loop): string {
  return paths.length > 0 ? changedText(paths) : number === 1 ? "the start" : "asked for";
}

function took({ startedAt, endedAt }: Loop): number {
  return (endedAt ?? startedAt) - startedAt;
}

function loopTitle(loop: Loop): string {
  const word = loop.outcome === "failed" ? "failed after" : loop.outcome === "ready" ? "ready in" : "at work";
  return `${clock(loop.startedAt).slice(0, 8)}  ${word}${loop.outcome === undefined ? "" : ` ${duration(took(loop))}`}`;
}

const width = 24;

function loopLine(loop: Loop, longest: number, columns: number): Line {
  const bar = "▇".repeat(Math.max(1, Math.round((took(loop) / Math.max(1, longest)) * width)));
  const rest = columns < 70 ? "" : changed(loop);
  return [
    span(fit(loopTitle(loop), 28), loop.outcome === "failed" ? "bad" : undefined),
    span(fit(bar, width), loop.outcome === "failed" ? "error" : "good"),
    span(`  ${rest}`, "dim"),
  ];
}

const bars: Readonly<Record<Phase["kind"], Look>> = {
  detect: "dim",
  build: "warn",
  load: "label2",
  render: "dim",
  prune: "dim",
  apply: "label1",
  sync: "hint",
  start: "good",
};

/** A row for each part, its bar where it stood in the loop's time. */
function waterfall(
  loop: Loop,
  phases: readonly Phase[],
  { now, columns }: { readonly now: number; readonly columns: number },
): readonly Line[] {
  if (phases.length === 0) return [line("  its parts were not seen from here", "dim")];
  const total = Math.max(1, (loop.endedAt ?? now) - loop.startedAt);
  const names = phases.map(({ kind, subject }) => `${kind} ${subject}`.trim());
  const nameWidth = Math.min(28, Math.max(...names.map((name) => name.length)));
  const room = Math.max(8, columns - nameWidth - 16);
  return phases.map((phase, index) => {
    const at = Math.min(
      room - 1,
      Math.max(0, Math.floor(((phase.startedAt - loop.startedAt) / total) * room)),
    );
    const long = Math.round(((phase.endedAt - phase.startedAt) / total) * room);
    const bar = "▇".repeat(Math.max(1, Math.min(room - at, long)));
    return [
      span(`  ${fit(names[index] ?? "", nameWidth)}  `),
      span(duration(phase.endedAt - phase.startedAt).padStart(9)),
      span(`  ${" ".repeat(at)}`),
      span(bar, phase.failed ? "bad" : bars[phase.kind]),
      ...(phase.failed ? [span(" failed", "bad")] : []),
    ];
  });
}

/** The median and the slow end of the saves that became ready, as a whole and by part. */
function summary(loops: readonly Loop[], phases: ReadonlyMap<number, readonly Phase[]>): readonly Line[] {
  // The first one is the start, not a save.
  const ready = loops.filter(({ outcome, number }) => outcome === "ready" && number > 1);
  if (ready.length === 0) return [line("no save has become ready yet", "dim")];
  const cells = phaseKinds.flatMap((kind) => {
    const times = ready.flatMap(({ number }) => {
      const parts = (phases.get(number) ?? []).filter((phase) => phase.kind === kind);
      if (parts.length === 0) return [];
      return [
        Math.max(...parts.map(({ endedAt }) => endedAt)) -
          Math.min(...parts.map(({ startedAt }) => startedAt)),
      ];
    });
    return times.length === 0 ? [] : [`${kind} ${duration(quantile(times, 0.5))}`];
  });
  const all = ready.map(took);
  return [
    [
      span(`${ready.length} save${ready.length === 1 ? "" : "s"}: `),
      span(`p50 ${duration(quantile(all, 0.5))}`, "bold"),
      span("  "),
      span(`p95 ${duration(quantile(all, 0.95))}`, "bold"),
      span(cells.length === 0 ? "" : `   p50 of ${cells.join(", ")}`, "dim"),
    ],
  ];
}

/** The value that so many of all do not pass. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(part * sorted.length) - 1)] ?? 0;
}
