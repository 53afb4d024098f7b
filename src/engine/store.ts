import type { Event, NewEvent } from "./event.js";
import type { State } from "./state.js";
import { reduce } from "./reduce.js";

/** The one place where the state lives. */
export interface Store {
  readonly getSnapshot: () => State;
  /** The listener is told after each event, in order, with the event and the state after it. Returns its removal. */
  readonly subscribe: (listener: StoreListener) => () => void;
  /** Reduces at once; listeners hear of it before this returns, or, during a notification, right after it. */
  readonly dispatch: (event: NewEvent) => void;
}
export type StoreListener = (event: Event, state: State) => void;

/** Makes a store over `initial`; `now` gives the events their time, in ms since the epoch. */
export function createStore(initial: State, { now = Date.now }: { now?: () => number } = {}): Store {
  let state = initial;
  let notifying = false;
  const listeners = new Set<StoreListener>();
  const pending: { readonly event: Event; readonly state: State }[] = [];

  return {
    getSnapshot: () => state,
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    dispatch: (newEvent) => {
      const event = { ...newEvent, at: newEvent.at ?? now() } as Event;
      state = reduce(state, event);
      pending.push({ event, state });
      // A listener that dispatches (the engine does) must not overtake: later listeners would hear of the
      // second event before the first.
      if (notifying) return;
      notifying = true;
      try {
        for (let next = pending.shift(); next !== undefined; next = pending.shift()) {
          for (const listener of [...listeners]) listener(next.event, next.state);
        }
      } finally {
        notifying = false;
      }
    },
  };
}
