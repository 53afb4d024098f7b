import type { Event, NewEvent } from "../../src/engine/event.js";
import type { LogLine, State } from "../../src/engine/state.js";
import type { StoreListener } from "../../src/engine/store.js";

/** A store whose states are given, not reduced: what an output sees is exactly what the test says. */
export function scriptedStore(initial: State) {
  let state = initial;
  const listeners = new Set<StoreListener>();
  const dispatched: NewEvent[] = [];
  return {
    dispatched,
    getSnapshot: () => state,
    dispatch: (event: NewEvent) => {
      dispatched.push(event);
    },
    subscribe: (listener: StoreListener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    /** An event, and the state after it. */
    tell(event: Event, next: State = state): void {
      state = next;
      for (const listener of listeners) listener(event, state);
    },
  };
}

/** Log lines that the test sends by hand. */
export function scriptedLogs() {
  const listeners = new Set<(lines: readonly LogLine[]) => void>();
  return {
    subscribeLines: (listener: (lines: readonly LogLine[]) => void) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    send(...lines: readonly LogLine[]): void {
      for (const listener of listeners) listener(lines);
    },
  };
}
