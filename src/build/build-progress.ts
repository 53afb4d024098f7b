import type { StepProgress, TaskProgress } from "../engine/task.js";
import { bytes } from "../lib/format.js";
import type { BuildStep } from "./steps.js";

/** How many lines of a running step are told. */
const shownLines = 5;

/** How far a build is: what it is at in words, and its steps. */
export function buildProgress(steps: readonly BuildStep[]): TaskProgress {
  const own = steps.filter(({ place }) => place !== undefined);
  const told = { steps: [...steps.filter(isTold), ...inOrder(own)].map(toStep) };
  const running = steps.findLast((step) => statusOf(step) === "running");
  const what = running ? nameOf(running) + amountOf(running) : "working";
  if (own.length === 0) return { message: what, ...told };
  const done = own.filter(({ completed }) => completed !== undefined).length;
  const message = running?.place ? `step ${done + 1} of ${own.length}: ${what}` : what;
  return { message, done, total: own.length, ...told };
}

/** BuildKit's own steps matter while they run; of those that are over, what was sent of the context. */
function isTold(step: BuildStep): boolean {
  return step.place === undefined && (statusOf(step) === "running" || /load build context$/.test(step.name));
}

/** Stage by stage as they began, each from the top: BuildKit tells them as its graph has them. */
function inOrder(steps: readonly BuildStep[]): readonly BuildStep[] {
  const begun = new Map<string, number>();
  for (const { place, started } of steps) {
    const stage = place?.stage ?? "";
    begun.set(stage, Math.min(begun.get(stage) ?? Infinity, started ?? Infinity));
  }
  const stages = [...begun].sort(([, a], [, b]) => (a === b ? 0 : a - b)).map(([stage]) => stage);
  const rank = ({ place }: BuildStep): number => stages.indexOf(place?.stage ?? "");
  return [...steps].sort((a, b) => rank(a) - rank(b) || (a.place?.index ?? 0) - (b.place?.index ?? 0));
}

function toStep(step: BuildStep): StepProgress {
  const { place, started, completed, transfer, lines } = step;
  const status = statusOf(step);
  return {
    name: nameOf(step),
    ...(place ? { place: `${place.stage === "" ? "" : `${place.stage} `}${place.index}` } : {}),
    status,
    ...(started === undefined ? {} : { startedAt: started }),
    ...(started === undefined || completed === undefined ? {} : { took: completed - started }),
    ...(transfer ? { transfer: transfer.total > 0 ? transfer : { current: transfer.current } } : {}),
    lines: status === "running" ? lines.slice(-shownLines) : [],
  };
}

function statusOf({ started, completed, cached, error }: BuildStep): StepProgress["status"] {
  if (error !== undefined) return "failed";
  if (completed !== undefined) return cached ? "cached" : "done";
  return started === undefined ? "waiting" : "running";
}

function nameOf({ instruction, name }: BuildStep): string {
  return instruction === "" ? name.replace(/^\[internal\] /, "") : instruction;
}

/** ` (1.2 MB of 30 MB)`; without the total where it is not known. */
function amountOf({ transfer }: BuildStep): string {
  if (!transfer || (transfer.total > 0 && transfer.current >= transfer.total)) return "";
  return ` (${bytes(transfer.current)}${transfer.total > 0 ? ` of ${bytes(transfer.total)}` : ""})`;
}
