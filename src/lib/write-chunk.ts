/** What writeChunk needs of a stream: Node's and other libraries' have it. */
export interface ChunkSink {
  readonly destroyed: boolean;
  write(chunk: Buffer): boolean;
  on(event: "drain" | "close", listener: () => void): unknown;
  off(event: "drain" | "close", listener: () => void): unknown;
}

/** Writes a chunk, and resolves when the sink takes more or is gone: whoever needs to know which asks `destroyed`. */
export async function writeChunk(sink: ChunkSink, chunk: Buffer): Promise<void> {
  // One that is gone may have told so already, and would never be heard of again.
  if (sink.destroyed || sink.write(chunk)) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      sink.off("drain", done);
      sink.off("close", done);
      resolve();
    };
    sink.on("drain", done);
    sink.on("close", done);
  });
}
