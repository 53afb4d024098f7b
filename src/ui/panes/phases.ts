import type { Loop, State } from "../../engine/state.js";
import { parseTaskId } from "../../engine/task-lookup.js";
import { lastPart } from "../../lib/short-name.js";

/** A part of a loop: times in ms since the epoch. */
export interface Phase {
  readonly kind: PhaseKind;
  /** `monitor-agent`. */
  readonly subject: string;
  readonly startedAt: number;
  readonly endedAt: number;
  readonly failed: boolean;
}
export const phaseKinds = ["detect", "render", "build", "load", "apply", "sync", "prune", "start"] as const;
export type PhaseKind = (typeof phaseKinds)[number];

const kinds = {
  build: "build",
  load: "load",
  render: "render",
  deploy: "apply",
  sync: "sync",
  prune: "prune",
} as const;

/** What a loop's time went to, as the state tells while it is the newest; what still runs ends `now`. In order of their starts. */
export function phasesOf(state: State, loop: Loop, now: number): readonly Phase[] {
  const tasks = Object.values(state.tasks).flatMap((task): Phase[] => {
    const { kind, subject } = parseTaskId(task.id);
    const part = { kind: kinds[kind], subject: lastPart(subject) };
    if (task.running) return [{ ...part, startedAt: task.running.startedAt, endedAt: now, failed: false }];
    const { last } = task;
    if (!last || last.startedAt < loop.startedAt) return [];
    return [{ ...part, startedAt: last.startedAt, endedAt: last.endedAt, failed: last.status === "failed" }];
  });
  const applied = Math.max(
    ...tasks.filter(({ kind }) => kind === "apply").map(({ endedAt }) => endedAt),
    -Infinity,
  );
  const starts = Object.values(state.workloads).flatMap(({ name, readyAt }): Phase[] =>
    readyAt !== undefined && readyAt > applied && applied > loop.startedAt
      ? [{ kind: "start", subject: name, startedAt: applied, endedAt: readyAt, failed: false }]
      : [],
  );
  const first = Math.min(...tasks.map(({ startedAt }) => startedAt));
  const detect: Phase[] =
    first === Infinity || first <= loop.startedAt
      ? []
      : [{ kind: "detect", subject: "", startedAt: loop.startedAt, endedAt: first, failed: false }];
  return [...detect, ...tasks, ...starts].sort((a, b) => a.startedAt - b.startedAt);
}
