/** A function that runs at most once every so often, and always after the last call. */
export interface Throttled extends Disposable {
  (): void;
}

/**
 * Runs `run` at once when it has rested for `ms`, else once when that time is over; the last call is never lost.
 * Disposing drops a run that is still due. A due run does not keep the process alive.
 */
export function throttle(
  run: () => void,
  ms: number,
  { now = Date.now }: { now?: () => number } = {},
): Throttled {
  let ranAt = -Infinity;
  let timer: NodeJS.Timeout | undefined;
  const runNow = (): void => {
    timer = undefined;
    ranAt = now();
    run();
  };
  const call = (): void => {
    if (timer) return;
    const wait = ranAt + ms - now();
    if (wait <= 0) runNow();
    else timer = setTimeout(runNow, Math.min(wait, ms)).unref();
  };
  return Object.assign(call, {
    [Symbol.dispose]: () => {
      clearTimeout(timer);
    },
  });
}
