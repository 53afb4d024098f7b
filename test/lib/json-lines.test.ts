import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { jsonLines } from "../../src/lib/json-lines.js";

async function* inPieces(whole: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < whole.length; at += size) yield await Promise.resolve(whole.subarray(at, at + size));
}

describe("jsonLines", () => {
  it("reads every value, wherever the stream is cut", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.jsonValue()), fc.integer({ min: 1, max: 9 }), async (values, size) => {
        const text = values.map((value) => JSON.stringify(value)).join("\r\n\n");
        const found: unknown[] = [];
        for await (const value of jsonLines(inPieces(Buffer.from(text), size))) found.push(value);
        expect(JSON.stringify(found)).toBe(JSON.stringify(values));
      }),
    );
  });
  it("refuses what is not JSON", async () => {
    const read = jsonLines(inPieces(Buffer.from('{"a":'), 2)).next();
    await expect(read).rejects.toThrow(SyntaxError);
  });
});
