import type { Milestone } from "./project.js";
import type { State } from "./state.js";
import { joinKey, taskId, taskState } from "./task-lookup.js";

const laterPrefix = "later ";

/** A deploy's key: what it applies, and which workloads it holds back. */
export function laterKey(basis: string, later: Readonly<Record<string, string>>): string {
  return joinKey([basis, ...Object.keys(later).map((name) => laterPrefix + name)]);
}

/**
 * The workloads whose turn has not come, with what they wait for. After any change all that wait for something are held back
 * once: what they wait for may have to be made anew first.
 */
export function laterWorkloads(
  state: State,
  deploy: string,
  basis: string,
): Readonly<Record<string, string>> {
  const applied = taskState(state, taskId("deploy", deploy)).success?.key;
  const current = applied === basis || applied?.startsWith(joinKey([basis, laterPrefix])) === true;
  return Object.fromEntries(
    Object.entries(state.project.order).flatMap(([name, needs]) => {
      const unmet = Object.entries(needs).find(
        ([other, milestone]) => !current || !hasReached(state, other, milestone),
      );
      return unmet ? [[name, untilWords(state, unmet, current)]] : [];
    }),
  );
}

function untilWords(
  { workloads, project }: State,
  [name, milestone]: readonly [string, Milestone],
  current: boolean,
): string {
  const known = name in project.order || Object.values(workloads).some((workload) => workload.name === name);
  if (current && !known) return `there is ${name}, which no manifest has`;
  return `${name} ${milestoneWords[milestone]}`;
}

const milestoneWords: Readonly<Record<Milestone, string>> = {
  started: "has started",
  ready: "is ready",
  completed: "has completed",
};

function hasReached(state: State, name: string, milestone: Milestone): boolean {
  const workload = Object.values(state.workloads).find((each) => each.name === name);
  const { health, expected = 0 } = workload ?? {};
  if (!health || health.generation < expected) return false;
  if (health.status === "ready") return true;
  return milestone === "started" && health.pods.some(({ current, phase }) => current && phase === "Running");
}

/** Whether workloads are still held back for others: the loop is not at its end then. */
export function hasLater(state: State): boolean {
  return Object.values(state.tasks).some(({ success }) => {
    return success?.output.kind === "deploy" && success.output.later.length > 0;
  });
}
