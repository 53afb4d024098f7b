import { setTimeout } from "node:timers/promises";

/** Waits so many ms; rejects with the signal's reason when it aborts first. */
export async function pause(ms: number, { signal }: { readonly signal: AbortSignal }): Promise<void> {
  try {
    await setTimeout(ms, undefined, { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}
