import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createBatch } from "../../src/watch/batch.js";

describe("createBatch", () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  function start(isBusy = () => false) {
    const flushes: number[] = [];
    const began = Date.now();
    const batch = createBatch({
      flush: () => flushes.push(Date.now() - began),
      isBusy,
      clock: () => Date.now(),
    });
    return { batch, flushes };
  }

  it("flushes a single save 12 ms after it", () => {
    const { batch, flushes } = start();
    batch.touch(1);
    vi.advanceTimersByTime(4);
    batch.touch(1);
    vi.advanceTimersByTime(100);
    expect(flushes).toEqual([16]);
  });

  it("waits until a burst rests for 50 ms", () => {
    const { batch, flushes } = start();
    for (let n = 1; n <= 10; n++) {
      batch.touch(n);
      vi.advanceTimersByTime(10);
    }
    vi.advanceTimersByTime(200);
    expect(flushes).toEqual([90 + 50]);
  });

  it("flushes after two seconds at the latest, and begins anew", () => {
    const { batch, flushes } = start();
    for (let ms = 0; ms < 4500; ms += 10) {
      batch.touch(100);
      vi.advanceTimersByTime(10);
    }
    expect(flushes).toEqual([2000, 4000]);
  });

  it("waits for what is under way, two seconds at most", () => {
    let busy = true;
    const { batch, flushes } = start(() => busy);
    batch.touch(1);
    vi.advanceTimersByTime(500);
    expect(flushes).toEqual([]);
    busy = false;
    vi.advanceTimersByTime(30);
    expect(flushes).toHaveLength(1);
    busy = true;
    batch.touch(1);
    vi.advanceTimersByTime(2001);
    expect(flushes).toHaveLength(2);
  });

  it("flushes nothing once stopped", () => {
    const { batch, flushes } = start();
    batch.touch(1);
    batch.stop();
    vi.advanceTimersByTime(3000);
    expect(flushes).toEqual([]);
  });
});
