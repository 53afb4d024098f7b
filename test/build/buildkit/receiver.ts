import { fileServices, type FileSyncOptions } from "../../../src/build/buildkit/file-sync.js";
import type { GrpcCall } from "../../../src/build/buildkit/grpc-server.js";
import { bytesField, readFields, textField, writeFields } from "../../../src/lib/protobuf.js";

/** What a receiver was told of an entry, and the bytes that it asked for. */
export interface Received {
  readonly path: string;
  /** As Go's os.FileMode. */
  readonly mode: number;
  readonly size: number;
  /** Seconds since the epoch. */
  readonly time: number;
  readonly link: string;
  /** All of it as it came: what the engine compares. */
  readonly stat: string;
  readonly content?: Buffer;
}

/** Asks for a directory as the engine does: takes every entry, and the bytes of those that `wants` has not. */
export async function receive(
  options: FileSyncOptions,
  request: {
    readonly name: string;
    readonly followPaths?: readonly string[];
    readonly wants?: (entry: Received) => boolean;
    /** Called with each piece that came, before the next is taken. */
    readonly onData?: (path: string) => Promise<void>;
  },
): Promise<readonly Received[]> {
  const { name, followPaths = [], wants = () => true, onData } = request;
  const entries: Received[] = [];
  const contents = new Map<number, Buffer[]>();
  const inbox = queue();
  let open = 0;
  let listed = false;
  const finishWhenDone = (): void => {
    if (listed && open === 0) inbox.push(writeFields([[1, 3]]));
  };
  const call: GrpcCall = {
    values: (key) => (key === "dir-name" ? [name] : key === "followpaths" ? followPaths : []),
    messages: inbox,
    signal: options.signal,
    async send(message) {
      const fields = [...readFields(Buffer.from(message))];
      const type = fields.find(({ number }) => number === 1)?.value ?? 0;
      const id = fields.find(({ number }) => number === 3)?.value ?? 0;
      if (type === 0) {
        const stat = bytesField(Buffer.from(message), 2);
        if (!stat) {
          listed = true;
          finishWhenDone();
          return;
        }
        const entry = decodeStat(stat);
        // A directory, a symbolic link (with its mode bits) and a further name of a file have no bytes of their own.
        const isFile = entry.mode < 2 ** 25 && entry.link === "";
        if (isFile && wants(entry)) {
          open += 1;
          contents.set(entries.length, []);
          inbox.push(
            writeFields([
              [1, 1],
              [3, entries.length],
            ]),
          );
        }
        entries.push(entry);
      } else if (type === 2) {
        const data = bytesField(Buffer.from(message), 4);
        if (data) {
          contents.get(id)?.push(data);
          await onData?.(entries[id]?.path ?? "");
        } else {
          open -= 1;
          finishWhenDone();
        }
      } else inbox.end();
    },
  };
  const [serve] = fileServices(options).values();
  await serve?.(call);
  return entries.map((entry, index) => {
    const content = contents.get(index);
    return content ? { ...entry, content: Buffer.concat(content) } : entry;
  });
}

function decodeStat(stat: Buffer): Received {
  const number = (field: number): number =>
    [...readFields(stat)].find((one) => one.number === field)?.value ?? 0;
  return {
    path: textField(stat, 1),
    mode: number(2),
    size: number(5),
    time: Math.round(number(6) / 1e9),
    link: textField(stat, 7),
    stat: stat.toString("hex"),
  };
}

function queue(): AsyncIterable<Buffer> & { push(message: Buffer): void; end(): void } {
  const waiting: Buffer[] = [];
  let ended = false;
  let wake = (): void => undefined;
  return {
    push(message) {
      waiting.push(message);
      wake();
    },
    end() {
      ended = true;
      wake();
    },
    async *[Symbol.asyncIterator]() {
      for (;;) {
        const next = waiting.shift();
        if (next) yield next;
        else if (ended) return;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    },
  };
}
