import type { Writable } from "node:stream";
import { plan } from "../engine/plan.js";
import type { State } from "../engine/state.js";
import { redacting } from "../output/json.js";
import { loopEnded, publicEvent } from "../output/public-event.js";
import { clientStream, type ClientStream } from "./client-stream.js";
import type { ServedLoop } from "./loop.js";
import type { EventLine, LoopIdentity, PublicState } from "./protocol.js";
import { publicStateOf } from "./public-state.js";
import { createStripper } from "./stripped.js";

/** The two streams of a loop: the public events, and the state itself for screens. Each line is made once for all clients. */
export interface EventStreams extends Disposable {
  readonly state: () => PublicState;
  /** Every event with its number, after a first line with the state. Ends with the sink. */
  readonly addEvents: (sink: Writable) => void;
  /** The state and its events as the client's own `reduce` takes them, without secrets. */
  readonly addScreen: (sink: Writable) => void;
}

/** A line for a screen. */
export type ScreenLine =
  | { readonly type: "snapshot"; readonly seq: number; readonly state: State }
  | { readonly type: "event"; readonly seq: number; readonly event: unknown };

/** Follows the store; nothing is done for an event while no client listens. */
export function createEventStreams(
  { store, redact }: Pick<ServedLoop, "store" | "redact">,
  loop: LoopIdentity,
): EventStreams {
  const publicText = (value: object): string => JSON.stringify(value, redacting(redact));
  const stripper = createStripper(redact);
  const events = new Set<ClientStream>();
  const screens = new Set<ClientStream>();
  let seq = 0;
  let before = store.getSnapshot();

  const state = (): PublicState =>
    publicStateOf(store.getSnapshot(), {
      holds: plan(store.getSnapshot()).holds,
      loop,
      seq,
      now: Date.now(),
    });
  const publicSnapshot = (missed: number): string => {
    const line: EventLine = { v: 1, type: "snapshot", seq, missed, state: state() };
    return publicText(line);
  };
  const screenSnapshot = (): string => {
    const line: ScreenLine = { type: "snapshot", seq, state: stripper.state(store.getSnapshot()) };
    return JSON.stringify(line);
  };

  const remove = store.subscribe((event, after) => {
    seq += 1;
    const ended = loopEnded(after, before);
    before = after;
    if (events.size > 0) {
      for (const each of [publicEvent(event), ...(ended ? [ended] : [])]) {
        const text = publicText({ seq, ...each });
        for (const client of events) client.write(text);
      }
    }
    if (screens.size > 0) {
      const line: ScreenLine = { type: "event", seq, event: stripper.event(event) };
      const text = JSON.stringify(line);
      for (const client of screens) client.write(text);
    }
  });

  function add(clients: Set<ClientStream>, sink: Writable, snapshot: (missed: number) => string): void {
    const client = clientStream(sink, { catchUp: snapshot });
    client.write(snapshot(0));
    clients.add(client);
    sink.on("close", () => clients.delete(client));
  }

  return {
    state: () => JSON.parse(publicText(state())) as PublicState,
    addEvents: (sink) => {
      add(events, sink, publicSnapshot);
    },
    addScreen: (sink) => {
      add(screens, sink, screenSnapshot);
    },
    [Symbol.dispose]: remove,
  };
}
