import { once } from "node:events";
import type { Writable } from "node:stream";

/** Writes to a stream that may be slower than what is written: a pipe into a program that reads slowly. */
export interface LineWriter {
  readonly write: (text: string) => void;
  /**
   * Resolves once the stream takes more. Who has a lot to write awaits it, so that no line is lost and none piles up.
   * A stream that has ended or failed takes everything, silently: there is nobody left to read.
   */
  readonly drain: (options?: { readonly signal?: AbortSignal }) => Promise<void>;
}

export function createLineWriter(stdout: Writable): LineWriter {
  let blocked: Promise<void> | undefined;
  // Without a listener a closed pipe (EPIPE) would bring the process down; whoever owns stdout decides what it means.
  stdout.on("error", () => undefined);
  return {
    write(text) {
      if (stdout.destroyed || stdout.writableEnded) return;
      if (!stdout.write(text)) blocked ??= unblocked(stdout).finally(() => (blocked = undefined));
    },
    async drain({ signal } = {}) {
      if (!blocked) return;
      if (!signal) return blocked;
      signal.throwIfAborted();
      const settled = new AbortController();
      try {
        await Promise.race([blocked, once(signal, "abort", { signal: settled.signal })]);
      } finally {
        settled.abort();
      }
      signal.throwIfAborted();
    },
  };
}

async function unblocked(stdout: Writable): Promise<void> {
  const done = new AbortController();
  const { signal } = done;
  try {
    await Promise.race(["drain", "close", "finish"].map((name) => once(stdout, name, { signal })));
  } catch {
    // The stream failed: its error comes out of once() as well.
  } finally {
    done.abort();
  }
}
