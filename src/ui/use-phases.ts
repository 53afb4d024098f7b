import { useMemo, useRef } from "react";
import type { State } from "../engine/state.js";
import { phasesOf, type Phase } from "./panes/phases.js";

/** What the time of each loop went to, kept as it was when it ended: the state has only the newest tasks. */
export function usePhases(state: State): ReadonlyMap<number, readonly Phase[]> {
  const known = useRef<ReadonlyMap<number, readonly Phase[]>>(new Map());
  return useMemo(() => {
    const loop = state.loops.at(-1);
    if (loop?.endedAt === undefined) return known.current;
    const kept = state.loops.flatMap(({ number }): [number, readonly Phase[]][] => {
      const phases =
        number === loop.number ? phasesOf(state, loop, loop.endedAt ?? 0) : known.current.get(number);
      return phases ? [[number, phases]] : [];
    });
    // Read nowhere but here: what a render leaves behind is the same when it is done twice.
    known.current = new Map(kept);
    return known.current;
  }, [state]);
}
