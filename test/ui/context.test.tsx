import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { paced } from "../../src/ui/context.js";
import { scriptedStore } from "../fakes/scripted-store.js";
import { sampleState } from "../fakes/state.js";
import { sampleEvents } from "../output/sample-events.js";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

it("a paced store moves at most every 50 ms, and always ends at the newest state", () => {
  const store = scriptedStore(sampleState());
  const view = paced(store, 50);
  const seen: number[] = [];
  const remove = view.subscribe(() => seen.push(view.getSnapshot().configRevision));
  for (let n = 1; n <= 1000; n += 1) {
    store.tell(sampleEvents["task.progress"], sampleState({ configRevision: n }));
    vi.advanceTimersByTime(1);
  }
  vi.runAllTimers();
  expect(seen.length).toBeLessThanOrEqual(22);
  expect(seen.at(-1)).toBe(1000);

  remove();
  store.tell(sampleEvents["task.progress"], sampleState({ configRevision: 1001 }));
  vi.runAllTimers();
  expect(seen.at(-1)).toBe(1000);
  expect(view.getSnapshot().configRevision).toBe(1001);
});
