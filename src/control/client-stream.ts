import type { Writable } from "node:stream";

/** How much may wait for one client, in bytes; beyond it what it is owed is dropped and told anew. */
const defaultLimit = 4 * 1024 * 1024;

/** The lines that go to one client. Nothing here waits: who writes never hears of a slow reader. */
export interface ClientStream {
  /** Queues a line, without its line feed. */
  readonly write: (line: string) => void;
}

/**
 * A bounded queue before a socket that may be read slowly, or not at all. When more than `limit` bytes wait, all of it is dropped;
 * once the client reads again it gets what `catchUp` says, told how many lines it missed.
 */
export function clientStream(
  sink: Writable,
  {
    catchUp,
    limit = defaultLimit,
  }: { readonly catchUp: (missed: number) => string; readonly limit?: number },
): ClientStream {
  let queue: string[] = [];
  let waiting = 0;
  let missed = 0;

  const send = (line: string): void => {
    sink.write(`${line}\n`);
  };
  sink.on("drain", () => {
    if (missed > 0) {
      const count = missed;
      missed = 0;
      send(catchUp(count));
    }
    while (!sink.writableNeedDrain) {
      const line = queue.shift();
      if (line === undefined) break;
      waiting -= line.length;
      send(line);
    }
  });

  return {
    write(line) {
      if (sink.destroyed || sink.writableEnded) return;
      if (missed > 0) {
        missed += 1;
        return;
      }
      if (!sink.writableNeedDrain) {
        send(line);
        return;
      }
      queue.push(line);
      waiting += line.length;
      if (waiting <= limit) return;
      missed = queue.length;
      queue = [];
      waiting = 0;
    },
  };
}
