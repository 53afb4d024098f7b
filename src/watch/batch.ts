/** Gathers events until they rest. */
export interface Batch {
  /** Something happened; `size` is how many different things by now. */
  touch(size: number): void;
  /** Forgets what is gathered; no flush comes before the next touch. */
  stop(): void;
}

export interface BatchOptions {
  readonly flush: () => void;
  /** Something is under way that will bring more events: asked each time the events rest. */
  readonly isBusy: () => boolean;
  /** Monotonic, in ms. */
  readonly clock?: () => number;
}

/**
 * Flushes a single save 12 ms after it; a burst when it has rested for 50 ms, longer the longer it lasts;
 * either one two seconds after its first event at the latest.
 */
export function createBatch({ flush, isBusy, clock = () => performance.now() }: BatchOptions): Batch {
  let timer: NodeJS.Timeout | undefined;
  let firstAt = 0;
  let lastAt = 0;
  let size = 0;

  function check(): void {
    const now = clock();
    const left = Math.min(firstAt + maxWaitMs - now, lastAt + restMs(size, lastAt - firstAt) - now);
    if (left > 0) {
      wait(left);
    } else if (now < firstAt + maxWaitMs && isBusy()) {
      wait(Math.min(busyPollMs, firstAt + maxWaitMs - now));
    } else {
      timer = undefined;
      flush();
    }
  }

  function wait(ms: number): void {
    // Rounded up: a timer that fires a fraction early would go round once more for it.
    timer = setTimeout(check, Math.ceil(ms));
  }

  return {
    touch(touched) {
      lastAt = clock();
      size = touched;
      if (timer !== undefined) return;
      firstAt = lastAt;
      wait(restMs(size, 0));
    },
    stop() {
      clearTimeout(timer);
      timer = undefined;
    },
  };
}

/** How long nothing may happen before a batch of this size, that has lasted so long, counts as complete. */
export function restMs(size: number, lastedMs: number): number {
  if (size <= fewPaths) return singleRestMs;
  return Math.min(maxRestMs, Math.max(burstRestMs, lastedMs / 4));
}

/** A save touches the file, and perhaps a temporary name and a backup. */
const fewPaths = 3;
const singleRestMs = 12;
const burstRestMs = 50;
const maxRestMs = 250;
const maxWaitMs = 2000;
const busyPollMs = 20;
