import { StringDecoder } from "node:string_decoder";

/** Reads a stream of JSON values, one a line; empty lines are passed over. Throws SyntaxError for what is not JSON. */
export async function* jsonLines(stream: AsyncIterable<Buffer>): AsyncGenerator {
  const decoder = new StringDecoder("utf8");
  // Pieces of a long line are kept apart and joined once: a line may be megabytes in many chunks.
  let pieces: string[] = [];
  for await (const chunk of stream) {
    const parts = decoder.write(chunk).split("\n");
    for (const part of parts.slice(0, -1)) {
      pieces.push(part);
      const line = pieces.join("").trim();
      pieces = [];
      if (line !== "") yield JSON.parse(line) as unknown;
    }
    pieces.push(parts.at(-1) ?? "");
  }
  const last = (pieces.join("") + decoder.end()).trim();
  if (last !== "") yield JSON.parse(last) as unknown;
}
