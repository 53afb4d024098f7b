import { describe, expect, it } from "vitest";
import fc from "fast-check";
import { demux } from "../../src/docker/demux.js";

function frame(output: number, data: Buffer): Buffer {
  const header = Buffer.alloc(8);
  header[0] = output;
  header.writeUInt32BE(data.length, 4);
  return Buffer.concat([header, data]);
}

async function* cut(whole: Buffer, sizes: readonly number[]): AsyncGenerator<Buffer> {
  let at = 0;
  for (const size of sizes) {
    yield await Promise.resolve(whole.subarray(at, at + size));
    at += size;
  }
  yield whole.subarray(at);
}

describe("demux", () => {
  it("puts each output together again, wherever the stream is cut", async () => {
    const frames = fc.array(fc.tuple(fc.constantFrom(1, 2), fc.uint8Array({ maxLength: 40 })));
    await fc.assert(
      fc.asyncProperty(frames, fc.array(fc.nat(20)), async (given, sizes) => {
        const whole = Buffer.concat(given.map(([output, data]) => frame(output, Buffer.from(data))));
        const found = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
        for await (const { from, data } of demux(cut(whole, sizes))) found[from].push(data);
        const expected = (output: number): Buffer =>
          Buffer.concat(given.filter(([own]) => own === output).map(([, data]) => data));
        expect(Buffer.concat(found.stdout)).toEqual(expected(1));
        expect(Buffer.concat(found.stderr)).toEqual(expected(2));
      }),
    );
  });
});
