import { addAbortListener } from "node:events";
import type Dockerode from "dockerode";
import { pause } from "../lib/pause.js";
import { postStream } from "./engine-dial.js";

/**
 * How long a step is left alone after its start, in ms. BuildKit's kill of a container that runc is still setting up
 * finds nothing to kill, is not repeated, and the step runs to its end (seen with 26.1: 40 to 70 ms after the start).
 */
const startingMs = 200;
/** How long the engine may take to end a build that it was told to stop before its connection is cut, in ms. */
const patienceMs = 2_000;
const repeatMs = 50;

/** The connection of one build, which outlives the build's signal until the engine has let go. */
export interface Cancellation extends Disposable {
  /** For the build request: aborts once the engine had its chance. */
  readonly transport: AbortSignal;
}

/**
 * Stops a build in the engine when `signal` aborts. Cutting the connection alone does not do it: an engine that has just
 * taken the context in, and not yet begun to solve, goes on to the end (seen with 26.1). The engine's own cancel call is
 * lost likewise when it comes before the build is known there, so it is repeated until the request has ended.
 */
export function cancelOnAbort(
  docker: Dockerode,
  options: {
    readonly address: string;
    readonly buildId: string;
    /** When the newest step began, in ms since the epoch; 0 before the first. */
    readonly stepStartedAt: () => number;
    readonly signal: AbortSignal;
  },
): Cancellation {
  const { address, buildId, stepStartedAt, signal } = options;
  const transport = new AbortController();
  const ended = new AbortController();
  const listener = addAbortListener(signal, () => {
    void cancel();
  });

  const hasEnded = (): boolean => ended.signal.aborted;

  /** Cannot reject: a call that fails is made again, and at the end the connection is cut. */
  async function cancel(): Promise<void> {
    await waitForStart();
    const deadline = Date.now() + patienceMs;
    while (Date.now() < deadline && !hasEnded()) {
      try {
        const request = { query: { id: buildId }, signal: ended.signal };
        (await postStream(docker, address, "/build/cancel", request)).resume();
        await pause(repeatMs, { signal: ended.signal });
      } catch {
        if (!hasEnded()) await pause(repeatMs, { signal: ended.signal }).catch(() => undefined);
      }
    }
    transport.abort(signal.reason);
  }

  async function waitForStart(): Promise<void> {
    const left = stepStartedAt() + startingMs - Date.now();
    if (left <= 0 || ended.signal.aborted) return;
    await pause(left, { signal: ended.signal }).catch(() => undefined);
    // Another step may have begun meanwhile.
    await waitForStart();
  }

  return {
    transport: transport.signal,
    [Symbol.dispose]() {
      listener[Symbol.dispose]();
      ended.abort();
    },
  };
}
