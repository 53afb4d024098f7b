import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { throttle } from "../../src/lib/throttle.js";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

it("runs the first call at once, then at most once every so often, and always after the last", () => {
  const runs: number[] = [];
  const call = throttle(() => runs.push(Date.now()), 50);
  const start = Date.now();
  for (let ms = 0; ms < 200; ms += 10) {
    call();
    vi.advanceTimersByTime(10);
  }
  vi.runAllTimers();
  expect(runs.map((at) => at - start)).toEqual([0, 50, 100, 150, 200]);
});

it("drops a run that is due when disposed of", () => {
  const run = vi.fn();
  const call = throttle(run, 50);
  call();
  call();
  call[Symbol.dispose]();
  vi.runAllTimers();
  expect(run).toHaveBeenCalledTimes(1);
});
