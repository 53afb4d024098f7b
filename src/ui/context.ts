import { createContext, useContext, useSyncExternalStore } from "react";
import type { State } from "../engine/state.js";
import type { Store } from "../engine/store.js";
import { throttle } from "../lib/throttle.js";

/** What components may do to the state: read it and hear of changes. */
export interface ViewStore {
  readonly getSnapshot: () => State;
  readonly subscribe: (listener: () => void) => () => void;
}

export const StoreContext = createContext<ViewStore | undefined>(undefined);

/** A slice of the state. The selector must return what lives in the state, not something made anew. */
export function useSelect<T>(select: (state: State) => T): T {
  const store = useContext(StoreContext);
  if (store === undefined) throw new Error("useSelect() needs a <StoreContext.Provider>");
  return useSyncExternalStore(store.subscribe, () => select(store.getSnapshot()));
}

/**
 * The store at a pace that eyes follow: its snapshot moves at most once every `ms`, and always ends at the newest one.
 * One timer serves all components, so that a frame never mixes two moments.
 */
export function paced(store: Pick<Store, "getSnapshot" | "subscribe">, ms: number): ViewStore {
  const listeners = new Set<() => void>();
  let snapshot = store.getSnapshot();
  let end: (() => void) | undefined;

  function begin(): () => void {
    const tell = throttle(() => {
      snapshot = store.getSnapshot();
      for (const listener of [...listeners]) listener();
    }, ms);
    const remove = store.subscribe(tell);
    snapshot = store.getSnapshot();
    return () => {
      remove();
      tell[Symbol.dispose]();
    };
  }

  return {
    getSnapshot: () => (end ? snapshot : store.getSnapshot()),
    subscribe: (listener) => {
      listeners.add(listener);
      end ??= begin();
      return () => {
        listeners.delete(listener);
        if (listeners.size > 0) return;
        end?.();
        end = undefined;
      };
    },
  };
}
