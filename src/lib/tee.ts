import type { Readable, Writable } from "node:stream";
import { writeChunk } from "./write-chunk.js";

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
    await Promise.all(open.map((sink) => writeChunk(sink, chunk)));
    onChunk(chunk);
  }
  for (const sink of sinks) sink.end();
}
