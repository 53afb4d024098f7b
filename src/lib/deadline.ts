import { addAbortListener, setMaxListeners } from "node:events";

/** A signal that aborts when its parent does or the time is over. Dispose it once the work is done. */
export interface Deadline extends Disposable {
  readonly signal: AbortSignal;
  /** The time was over before the parent aborted. */
  readonly expired: boolean;
  /** Starts the time anew. */
  refresh(): void;
  /** Aborts now, for a reason of the caller's. */
  abort(reason: unknown): void;
}

/**
 * Limits how long something may take, in ms. Unlike AbortSignal.any and AbortSignal.timeout it leaves nothing behind on
 * a parent that lives as long as the session, and the timer does not outlive the work.
 */
export function startDeadline(ms: number, parent: AbortSignal): Deadline {
  const controller = new AbortController();
  // Many wait for one deadline: that is what it is for, and no leak.
  setMaxListeners(0, controller.signal);
  let expired = false;
  const timer = setTimeout(() => {
    expired = !controller.signal.aborted;
    controller.abort(new Error(`not done within ${ms / 1000} s`));
  }, ms);
  const listener = addAbortListener(parent, () => {
    controller.abort(parent.reason);
  });
  return {
    signal: controller.signal,
    get expired() {
      return expired;
    },
    refresh: () => void timer.refresh(),
    abort: (reason) => {
      controller.abort(reason);
    },
    [Symbol.dispose]() {
      clearTimeout(timer);
      listener[Symbol.dispose]();
    },
  };
}
