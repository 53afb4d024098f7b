import type { State } from "../engine/state.js";
import type { Store } from "../engine/store.js";
import { loopEnded, publicEvent } from "../output/public-event.js";

/** Events that are remembered. */
const keptEvents = 2_000;

/** What happened lately, as `--output json` tells it, without what programs printed: that is in the logs. */
export interface EventHistory extends Disposable {
  /** JSON, the oldest first. */
  readonly lines: () => readonly string[];
}

export function followEvents(store: Pick<Store, "getSnapshot" | "subscribe">): EventHistory {
  const kept: object[] = [];
  let before = store.getSnapshot();
  const remove = store.subscribe((event, after: State) => {
    const ended = loopEnded(after, before);
    before = after;
    // A screen in another process has no event where it was given the state anew.
    const quiet = event.type === "task.output" || event.type === "task.progress";
    if (!quiet) kept.push(publicEvent(event));
    if (ended) kept.push(ended);
    kept.splice(0, kept.length - keptEvents);
  });
  return { lines: () => kept.map((each) => JSON.stringify(each)), [Symbol.dispose]: remove };
}
