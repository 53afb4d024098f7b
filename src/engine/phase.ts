import type { State } from "./state.js";
import type { Health, Resource } from "./resources.js";
import { duration } from "../lib/format.js";

/** Where the whole loop stands. `failed`: nothing runs, and something is not well; `waiting`: for a service, or for another try. */
export type Phase = "starting" | "working" | "ready" | "failed" | "waiting" | "paused" | "stopping";

export interface LoopSummary {
  readonly phase: Phase;
  readonly health: Health;
  /** "ready in 1.8 s", "building monitor-agent, step 4 of 9", "monitor-test failing". */
  readonly text: string;
  /** When the loop became ready, in ms since the epoch. */
  readonly since?: number;
}

/** The state of the whole loop, in words. */
export function loopSummary(state: State, resources: readonly Resource[]): LoopSummary {
  if (state.stopping) return { phase: "stopping", health: "waiting", text: "stopping" };
  // A forward that starts is nobody's work: what it leads to is.
  const own = resources.filter(({ kind }) => kind !== "forward");
  const busy = own.filter(({ health }) => health === "busy");
  const [first] = busy;
  if (first) {
    const [step] = /^step \d+ of \d+/.exec(first.text) ?? [];
    const parts = [
      `${first.status} ${first.name}${andMore(busy)}`,
      ...(step === undefined ? [] : [step]),
      ...(state.paused ? ["then paused"] : []),
    ];
    const phase = state.loops.length <= 1 && !state.cluster ? "starting" : "working";
    return { phase, health: "busy", text: parts.join(", ") };
  }
  if (state.paused)
    return { phase: "paused", health: "waiting", text: "paused: changes are noticed and wait" };
  if (state.configFailure)
    return { phase: "failed", health: "bad", text: "devloop.yaml cannot be used as it is" };
  const lost = (["engine", "cluster"] as const).find((name) => state.services[name].status === "down");
  if (lost) {
    const what = lost === "engine" ? "container engine" : "cluster";
    return { phase: "waiting", health: "waiting", text: `waiting for the ${what}` };
  }
  const bad = resources.filter(({ health }) => health === "bad");
  if (bad[0])
    return { phase: "failed", health: "bad", text: `${bad[0].name} ${bad[0].status}${andMore(bad)}` };
  return atRest(state, own);
}

function atRest(state: State, own: readonly Resource[]): LoopSummary {
  const loop = state.loops.at(-1);
  if (loop?.endedAt !== undefined) {
    const took = duration(loop.endedAt - loop.startedAt);
    return loop.outcome === "failed"
      ? { phase: "failed", health: "bad", text: `failed after ${took}` }
      : { phase: "ready", health: "good", text: `ready in ${took}`, since: loop.endedAt };
  }
  const isFirst = (loop?.number ?? 1) === 1;
  if (isFirst && !state.cluster) return { phase: "starting", health: "busy", text: "starting" };
  const waits = own.find(({ health }) => health === "waiting");
  // Between two tasks nothing runs for a moment.
  return waits
    ? { phase: "waiting", health: "waiting", text: `waiting: ${waits.name} ${waits.text}`.trimEnd() }
    : { phase: "working", health: "busy", text: isFirst ? "starting" : "working" };
}

function andMore(all: readonly unknown[]): string {
  return all.length === 1 ? "" : ` and ${all.length - 1} more`;
}
