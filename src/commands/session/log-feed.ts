import type { LogLine } from "../../engine/state.js";
import type { Redactor } from "../../output/redact.js";

/** Log lines on their way from the containers to the outputs: secrets hidden, and no faster than
 * the slowest output takes them. */
export interface LogFeed {
  readonly subscribeLines: (listener: (lines: readonly LogLine[]) => void) => () => void;
  /** An output that may be slower than the containers: deliveries wait for it. Returns its removal. */
  readonly addDrain: (drain: () => Promise<void>) => () => void;
  readonly deliver: (lines: readonly LogLine[]) => Promise<void>;
}

export function createLogFeed({ redact }: Redactor): LogFeed {
  const listeners = new Set<(lines: readonly LogLine[]) => void>();
  const drains = new Set<() => Promise<void>>();
  return {
    subscribeLines: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    addDrain: (drain) => {
      drains.add(drain);
      return () => drains.delete(drain);
    },
    async deliver(lines) {
      const safe = lines.map((line) => ({ ...line, text: redact(line.text) }));
      for (const listener of listeners) listener(safe);
      await Promise.all([...drains].map((drain) => drain()));
    },
  };
}
