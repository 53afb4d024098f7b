/** Splits the engine's multiplexed stream of a program without a terminal into its two outputs. */
export async function* demux(
  stream: AsyncIterable<Buffer>,
): AsyncGenerator<{ readonly from: "stdout" | "stderr"; readonly data: Buffer }> {
  // A frame: one byte for the output, three of nothing, four of length, then the data, which is passed on as it comes.
  const header = Buffer.alloc(8);
  let headerLength = 0;
  let left = 0;
  for await (const chunk of stream) {
    let at = 0;
    while (at < chunk.length) {
      if (left === 0) {
        const copied = chunk.copy(header, headerLength, at, at + 8 - headerLength);
        headerLength += copied;
        at += copied;
        if (headerLength < 8) break;
        headerLength = 0;
        left = header.readUInt32BE(4);
        continue;
      }
      const data = chunk.subarray(at, at + left);
      at += data.length;
      left -= data.length;
      yield { from: header[0] === 2 ? "stderr" : "stdout", data };
    }
  }
}
