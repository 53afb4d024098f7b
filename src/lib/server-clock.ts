import { once } from "node:events";
import type { IncomingMessage } from "node:http";

/**
 * What the clock of a server says, by the Date of its answer: ms since the epoch, in whole seconds, since this machine's clock may be
 * another. 0 without an answer.
 */
export async function serverClock(
  answer: Promise<IncomingMessage>,
  { signal }: { readonly signal: AbortSignal },
): Promise<number> {
  try {
    const response = await answer;
    const date = Date.parse(response.headers.date ?? "");
    response.resume();
    if (!response.complete) await once(response, "end", { signal });
    return Number.isNaN(date) ? 0 : date;
  } catch {
    return 0;
  }
}
