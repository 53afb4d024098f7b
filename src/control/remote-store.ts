import type { Event } from "../engine/event.js";
import type { State } from "../engine/state.js";
import { reduce } from "../engine/reduce.js";
import type { StoreListener } from "../engine/store.js";
import type { ControlClient } from "./client.js";
import type { ScreenLine } from "./event-streams.js";

/** A loop's state in another process, kept equal by the loop's own events. It can be looked at and not be changed. */
export interface RemoteStore {
  readonly getSnapshot: () => State;
  readonly subscribe: (listener: StoreListener) => () => void;
  /** Resolves when the loop ends or its connection is lost; rejects with the signal's reason. */
  readonly ended: Promise<void>;
}

/** Connects to a loop; resolves with its first state. Throws LOOP_VERSION where the loop runs another version. */
export async function openRemoteStore(
  client: ControlClient,
  { signal }: { readonly signal: AbortSignal },
): Promise<RemoteStore> {
  const lines = client.lines("/v1/screen", {}, { signal }) as AsyncGenerator<ScreenLine>;
  const first = await lines.next();
  if (first.done || first.value.type !== "snapshot") throw new Error("the loop's first line is no snapshot");
  let { state } = first.value;
  const listeners = new Set<StoreListener>();

  const tell = (event: Event): void => {
    for (const listener of [...listeners]) listener(event, state);
  };

  async function follow(): Promise<void> {
    for await (const line of lines) {
      if (line.type === "snapshot") {
        state = line.state;
        // We were too slow, and events were left out: what shows the state is told that it is another.
        tell({ at: Date.now(), type: "sources.changed", changes: [] });
      } else {
        const event = line.event as Event;
        state = reduce(state, event);
        tell(event);
      }
    }
  }

  const ended = follow();
  ended.catch(() => undefined);
  return {
    getSnapshot: () => state,
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    ended,
  };
}
