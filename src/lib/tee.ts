import type { Readable, Writable } from "node:stream";

/**
 * Copies a stream into every sink, each chunk at the pace of the slowest, and ends them. A sink that is destroyed on the
 * way is left out; once none is left the source is destroyed unread. Throws what the source fails with, sinks not ended.
 */
export async function tee(
  source: Readable,
  sinks: readonly Writable[],
  onChunk: (chunk: Buffer) => void = () => undefined,
): Promise<void> {
  for await (const chunk of source as AsyncIterable<Buffer>) {
    const open = sinks.filter((sink) => !sink.destroyed);
    if (open.length === 0) return;
    await Promise.all(open.map((sink) => write(sink, chunk)));
    onChunk(chunk);
  }
  for (const sink of sinks) sink.end();
}

/** Resolves when the sink takes more, or is gone. */
async function write(sink: Writable, chunk: Buffer): Promise<void> {
  if (sink.write(chunk)) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      sink.off("drain", done).off("close", done);
      resolve();
    };
    sink.on("drain", done).on("close", done);
  });
}
