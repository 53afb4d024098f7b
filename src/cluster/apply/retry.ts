import { pause } from "../../lib/pause.js";
import { isTransient } from "./answers.js";

/** Between tries, in ms. */
const delaysMs = [150, 500, 1500];

/** Runs `request` again when the answer says that it is worth it: busy, an update in between, the connection cut. */
export async function withRetries<T>(
  request: () => Promise<T>,
  { signal }: { readonly signal: AbortSignal },
): Promise<T> {
  for (const delay of delaysMs) {
    try {
      return await request();
    } catch (error) {
      signal.throwIfAborted();
      if (!isTransient(error)) throw error;
    }
    await pause(delay, { signal });
  }
  return await request();
}
