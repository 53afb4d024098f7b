import type { StepProgress } from "../engine/task.js";
import { bytes, duration } from "../lib/format.js";
import { signs } from "./theme.js";

const health = { waiting: "waiting", running: "busy", done: "good", cached: "good", failed: "bad" } as const;

/** A running build's steps, one line each, and under those that run what they printed last. `now` in ms since the epoch. */
export function stepLines(steps: readonly StepProgress[], now: number): readonly string[] {
  const places = Math.max(...steps.map(({ place }) => place?.length ?? 0), 0);
  return steps.flatMap((step) => {
    const place = places === 0 ? "" : `${(step.place ?? "").padEnd(places)}  `;
    const facts = [stateOf(step, now), amountOf(step)].filter((fact) => fact !== "");
    const head = `${signs[health[step.status]]} ${place}${step.name}${facts.length > 0 ? `  ${facts.join(", ")}` : ""}`;
    return [head, ...step.lines.map((line) => `    ${line}`)];
  });
}

function stateOf({ status, startedAt, took }: StepProgress, now: number): string {
  switch (status) {
    case "waiting":
      return "waits";
    case "cached":
      return "cached";
    case "running":
      return startedAt === undefined ? "" : duration(now - startedAt);
    case "done":
      return took === undefined ? "" : duration(took);
    case "failed":
      return `failed${took === undefined ? "" : ` after ${duration(took)}`}`;
  }
}

function amountOf({ transfer }: StepProgress): string {
  if (!transfer) return "";
  return `${bytes(transfer.current)}${transfer.total === undefined ? "" : ` of ${bytes(transfer.total)}`}`;
}
