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
  // A forward that starts is nobody's work: what it leads to is.
  const busy = rows.filter((row) => row.health === "busy" && row.kind !== "forward");
  const bad = rows.filter((row) => row.health === "bad");
  if (state.paused && busy.length === 0) return { health: "waiting", text: "paused: p goes on" };
  const [first] = busy;
  if (first) {
    const more = busy.length === 1 ? "" : ` and ${busy.length - 1} more`;
    const paused = state.paused ? ", then paused" : "";
    return { health: "busy", text: `${first.state} ${first.name}${more}${paused}` };
  }
  if (bad[0]) {
    const more = bad.length === 1 ? "" : ` and ${bad.length - 1} more`;
    return { health: "bad", text: `${bad[0].name} ${bad[0].state}${more}` };
  }
  const loop = state.loops.at(-1);
  if (loop?.endedAt === undefined) {
    if (loop === undefined || loop.number === 1) return { health: "busy", text: "starting" };
    const waits = rows.some((row) => row.health === "waiting" && row.kind !== "forward");
    // Between two tasks nothing runs for a moment.
    return waits ? { health: "waiting", text: "waiting" } : { health: "busy", text: "working" };
  }
  const took = duration(loop.endedAt - loop.startedAt);
  return { health: "good", text: `ready in ${took}`, since: loop.endedAt };
}
