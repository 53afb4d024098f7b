import { transientCodes } from "../engine/task-lookup.js";
import { pause } from "../lib/pause.js";
import type { ControlClient } from "./client.js";
import type { PublicState } from "./protocol.js";

export interface WaitOptions {
  /** How long a workload may be failed before that counts, in ms: one that crashes at first may wait for its database. */
  readonly healMs: number;
  readonly signal: AbortSignal;
}

/** How a loop came to rest. */
export interface Rest {
  readonly outcome: "ready" | "failed";
  readonly state: PublicState;
}

/** How long a loop must be at rest, in ms: a save from this moment may not have been noticed yet. */
const restMs = 1_000;
/** How often a loop is asked at most, in ms. */
const askMs = 100;

/**
 * Waits until everything is ready, or something has failed for good. Throws the signal's reason, and LOOP_NOT_RUNNING when the loop ends
 * meanwhile.
 */
export async function waitReady(client: ControlClient, { healMs, signal }: WaitOptions): Promise<Rest> {
  let badSince: number | undefined;
  let rest: { readonly of: string; readonly at: number } | undefined;
  for (;;) {
    const state = (await client.get("/v1/state", {}, { signal })) as PublicState;
    const now = performance.now();
    const { phase, rounds } = state;
    if (phase !== "ready" && phase !== "failed") {
      rest = undefined;
      badSince = undefined;
    } else {
      const of = `${rounds?.number ?? 0} ${phase}`;
      if (rest?.of !== of) rest = { of, at: now };
      badSince = phase === "failed" ? (badSince ?? now) : undefined;
      const rested = now - rest.at >= restMs;
      if (phase === "ready" && rested) return { outcome: "ready", state };
      // A task that failed waits for an edit; a workload may still heal.
      const forGood = state.problems.some(({ code }) => code !== undefined && !transientCodes.has(code));
      if (badSince !== undefined && (forGood ? rested : now - badSince >= healMs))
        return { outcome: "failed", state };
    }
    await pause(askMs, { signal });
  }
}
