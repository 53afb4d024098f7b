import type { State } from "../engine/model.js";
import { duration } from "../lib/format.js";
import type { Health, Row } from "./rows.js";

export interface LoopSummary {
  readonly health: Health;
  /** "ready in 1.8 s", "building monitor-agent: step 4 of 9", "monitor-test failing". */
  readonly text: string;
  /** When the loop ended, in ms since the epoch. */
  readonly since?: number;
}

/** The state of the whole loop, in words. */
export function loopSummary(state: State, rows: readonly Row[]): LoopSummary {
  if (state.stopping) return { health: "waiting", text: "stopping" };
  const busy = rows.filter((row) => row.health === "busy");
  const bad = rows.filter((row) => row.health === "bad");
  if (state.paused && busy.length === 0) return { health: "waiting", text: "paused: p goes on" };
  const [first] = busy;
  if (first) {
    const more = busy.length === 1 ? "" : ` and ${busy.length - 1} more`;
    return { health: "busy", text: `${first.state} ${first.name}${more}` };
  }
  if (bad[0]) {
    const more = bad.length === 1 ? "" : ` and ${bad.length - 1} more`;
    return { health: "bad", text: `${bad[0].name} ${bad[0].state}${more}` };
  }
  const loop = state.loops.at(-1);
  if (loop?.endedAt === undefined) return { health: "busy", text: "starting" };
  const took = duration(loop.endedAt - loop.startedAt);
  return { health: "good", text: `ready in ${took}`, since: loop.endedAt };
}
