import { duration } from "../lib/format.js";
import type { BuildStep } from "./steps.js";

/** Lines for steps that have just finished: `step 4/9 RUN npm ci (3.1 s)` and what each printed, indented. */
export function stepLines(finished: readonly BuildStep[], all: readonly BuildStep[]): string[] {
  const own = all.filter(({ place }) => place !== undefined);
  const done = own.filter(({ completed }) => completed !== undefined).length;
  const counted = finished.filter(({ place }) => place !== undefined);
  return counted.flatMap((step, index) => {
    const number = done - counted.length + index + 1;
    return [
      `step ${number}/${own.length} ${step.instruction} (${outcome(step)})`,
      ...step.lines.map((line) => `  ${line}`),
    ];
  });
}

function outcome({ cached, error, started, completed }: BuildStep): string {
  if (cached) return "cached";
  const took = duration((completed ?? 0) - (started ?? completed ?? 0));
  if (error === undefined) return took;
  return /context canceled/.test(error) ? "stopped" : `failed after ${took}`;
}
