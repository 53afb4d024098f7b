import type { Loop, State } from "../engine/state.js";
import { outcomeOf } from "../engine/reduce.js";
import type { Store } from "../engine/store.js";
import { describeFailure } from "../lib/failure-lines.js";
import { DevloopError } from "../lib/errors.js";
import { startDeadline } from "../lib/deadline.js";
import { attachLines, closeLines } from "./up.js";
import type { Attestation } from "../build/frontend-attributes.js";
import { loadProject, openSession, type ProjectOptions } from "./session/session.js";

export interface RunOptions extends ProjectOptions {
  readonly output: "plain" | "json";
  /** What the images are to carry, as BuildKit makes it; none by default. */
  readonly attest: readonly Attestation[];
  /** Given up after so many ms. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/**
 * `devloop run`: the loop once. Exit code 0 when everything is ready, 1 when a task or a workload failed for good;
 * throws TIMEOUT when neither happened in time.
 */
export async function runCommand(options: RunOptions): Promise<number> {
  const loaded = await loadProject(options);
  const over = new AbortController();
  const signal = AbortSignal.any([options.signal, over.signal]);
  const session = openSession(loaded, { ...options, watch: false }, signal);
  const output = attachLines(session, options.output, { showLogs: true, signal });
  const timer = setTimeout(() => {
    over.abort();
  }, options.timeoutMs);
  const ended = loopEnd(session.store, signal);
  // An abort while it is still connecting is what `begin` throws.
  ended.catch(() => undefined);
  try {
    await session.begin({ onNote: (message) => process.stderr.write(`${message}\n`) });
    if ((await ended) !== "ready") return 1;
    using limit = startDeadline(tidyMs, signal);
    await session.tidy({ signal: limit.signal });
    return 0;
  } catch (error) {
    if (options.signal.aborted) return 130;
    if (over.signal.aborted) throw timeout(options.timeoutMs, session.store.getSnapshot());
    throw error;
  } finally {
    clearTimeout(timer);
    await session.end(options.signal.aborted ? "interrupted" : "done");
    await closeLines(output);
  }
}

/** How long the end may wait for old builds to be removed, in ms. */
const tidyMs = 5_000;
/** How long a workload may stay failed before it counts, in ms: one that crashes at first may wait for its database. */
const healMs = 20_000;

/** Resolves when everything is ready, when a task has failed, or when a workload has failed and does not heal. */
function loopEnd(
  { getSnapshot, subscribe }: Pick<Store, "getSnapshot" | "subscribe">,
  signal: AbortSignal,
): Promise<Loop["outcome"]> {
  return new Promise((resolve, reject) => {
    let giveUp: NodeJS.Timeout | undefined;
    const end = (outcome: Loop["outcome"]): void => {
      clearTimeout(giveUp);
      stop();
      resolve(outcome);
    };
    const look = (): void => {
      const state = getSnapshot();
      const outcome = outcomeOf(state);
      const taskFailed = Object.values(state.tasks).some(({ last }) => last?.status === "failed");
      if (outcome === "ready" || (outcome === "failed" && taskFailed)) end(outcome);
      else if (outcome === "failed") giveUp ??= setTimeout(end, healMs, "failed");
      else {
        clearTimeout(giveUp);
        giveUp = undefined;
      }
    };
    const stop = subscribe(look);
    const onAbort = (): void => {
      clearTimeout(giveUp);
      stop();
      reject(signal.reason as Error);
    };
    signal.addEventListener("abort", onAbort, { once: true });
  });
}

function timeout(ms: number, state: State): DevloopError {
  const waiting = Object.values(state.workloads)
    .filter(({ health }) => health?.status !== "ready")
    .map(
      ({ kind, name, health }) =>
        `${kind}/${name}: ${health?.cause?.message ?? health?.message ?? "not seen yet"}`,
    );
  const failures = Object.values(state.tasks).flatMap(({ last }) =>
    last?.status === "failed" ? describeFailure(last.failure) : [],
  );
  return new DevloopError("TIMEOUT", `not ready after ${ms / 1000} s`, {
    detail: [...failures, ...waiting].join("\n") || undefined,
    hint: "--timeout 20m waits longer",
  });
}
