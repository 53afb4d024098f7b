import { setTimeout as sleep } from "node:timers/promises";
import { toFailure } from "../lib/errors.js";
import type { Store } from "./store.js";
import type { Task, TaskId, TaskOutput, TaskProgress } from "./task.js";
import { plan } from "./plan.js";
import { isInterruptible, parseTaskId, taskState, transientCodes } from "./task-lookup.js";

/** Does one task's work. Rejects with the signal's reason when aborted; anything else it throws is the task's failure. */
export type RunTask = (task: Task, context: TaskContext) => Promise<TaskOutput>;
export interface TaskContext {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: TaskProgress) => void;
  /** Lines that the work printed, already sanitised. */
  readonly onOutput: (lines: readonly string[]) => void;
  /** Something the user should know that is not a failure. */
  readonly onNote: (message: string) => void;
}

/** The reason of an abort: a newer edit outdates the task. Not an error. */
export class SupersededError extends Error {
  constructor(id: TaskId) {
    super(`${id} is outdated by a newer edit`);
    this.name = "SupersededError";
  }
}
/** The reason of an abort: the session ends. */
export class StoppedError extends Error {
  constructor() {
    super("stopped");
    this.name = "StoppedError";
  }
}

export interface Engine {
  /** Starts nothing more, aborts builds at once and the short tasks after `graceMs`, and waits until all have settled. */
  stop(options?: { readonly graceMs?: number }): Promise<void>;
}

/** When what failed for such a reason is tried again, longer each time, in ms. */
const retryDelaysMs = [1_000, 2_000, 5_000, 10_000, 15_000];

/**
 * Carries out the plan after every event: aborts what is outdated, starts what is due, and turns each outcome into an
 * event. All decisions are in `plan`; a task's successor starts only once the task has settled.
 */
export function startEngine(store: Store, runTask: RunTask): Engine {
  const running = new Map<
    TaskId,
    { readonly controller: AbortController; readonly settled: Promise<void> }
  >();
  const stopping = new AbortController();
  const retries = new Map<TaskId, number>();
  let advancing = false;

  function advance(): void {
    // Starting dispatches, and dispatching comes back here: one loop carries out all of it.
    if (advancing) return;
    advancing = true;
    try {
      for (
        let next = plan(store.getSnapshot());
        next.start.length + next.cancel.length > 0;
        next = plan(store.getSnapshot())
      ) {
        for (const id of next.cancel) supersede(id);
        for (const task of next.start) start(task);
      }
    } finally {
      advancing = false;
    }
  }

  function supersede(id: TaskId): void {
    store.dispatch({ type: "task.superseded", id, attempt: taskState(store.getSnapshot(), id).attempts });
    running
      .get(id)
      ?.controller.abort(store.getSnapshot().stopping ? new StoppedError() : new SupersededError(id));
  }

  function start(task: Task): void {
    const controller = new AbortController();
    store.dispatch({ type: "task.started", task });
    running.set(task.id, { controller, settled: run(task, controller.signal) });
  }

  async function run(task: Task, signal: AbortSignal): Promise<void> {
    const { id, attempt } = task;
    const context: TaskContext = {
      signal,
      onProgress: (progress) => {
        store.dispatch({ type: "task.progress", id, attempt, progress });
      },
      onOutput: (lines) => {
        // What an aborted attempt still says is of no use to anyone.
        if (!signal.aborted) store.dispatch({ type: "task.output", id, attempt, lines });
      },
      onNote: (message) => {
        store.dispatch({ type: "task.note", id, attempt, message });
      },
    };
    try {
      // Asynchronous from here on: what the task says at once must not come before its own start was told.
      await Promise.resolve();
      const output = await runTask(task, context);
      running.delete(id);
      retries.delete(id);
      // A build that ended although it was told to stop is of no use: its successor waits.
      if (signal.aborted && isInterruptible(parseTaskId(id).kind))
        store.dispatch({ type: "task.cancelled", id, attempt });
      else store.dispatch({ type: "task.succeeded", id, attempt, output });
    } catch (error) {
      running.delete(id);
      if (signal.aborted) {
        store.dispatch({ type: "task.cancelled", id, attempt });
        return;
      }
      const failure = toFailure(error);
      store.dispatch({ type: "task.failed", id, attempt, failure });
      if (transientCodes.has(failure.code)) void retryLater(id, attempt);
    }
  }

  async function retryLater(id: TaskId, attempt: number): Promise<void> {
    const count = retries.get(id) ?? 0;
    retries.set(id, count + 1);
    const delay = retryDelaysMs[Math.min(count, retryDelaysMs.length - 1)] ?? 1_000;
    const waited = await sleep(delay, true, { signal: stopping.signal }).catch(() => false);
    if (waited && taskState(store.getSnapshot(), id).attempts === attempt)
      store.dispatch({ type: "task.due", id });
  }

  const unsubscribe = store.subscribe(advance);
  advance();

  return {
    async stop({ graceMs = 5_000 } = {}) {
      stopping.abort();
      if (!store.getSnapshot().stopping) store.dispatch({ type: "session.stopping", reason: "stopped" });
      const grace = new AbortController();
      const settled = Promise.all([...running.values()].map((task) => task.settled)).then(() => {
        grace.abort();
      });
      await sleep(graceMs, undefined, { signal: grace.signal }).catch(() => undefined);
      for (const { controller } of running.values()) controller.abort(new StoppedError());
      await settled;
      unsubscribe();
    },
  };
}
