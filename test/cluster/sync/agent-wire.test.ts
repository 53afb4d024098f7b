import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { errorName } from "../../../src/cluster/sync/agent-errno.js";
import { type Frame, frame, readFrames, u16, u64 } from "../../../src/cluster/sync/agent-wire.js";

async function* pieces(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Buffer> {
  let at = 0;
  for (let turn = 0; at < bytes.length; turn++) {
    const size = sizes[turn % sizes.length]!;
    yield await Promise.resolve(bytes.subarray(at, at + size));
    at += size;
  }
}

async function framesOf(bytes: Buffer, sizes: readonly number[] = [1000]): Promise<readonly Frame[]> {
  const frames = [];
  for await (const one of readFrames(pieces(bytes, sizes))) frames.push(one);
  return frames;
}

describe("frames", () => {
  it("come out as they went in, however the stream cuts them", async () => {
    const field = fc.tuple(
      fc.nat(),
      fc.string({ unit: "grapheme" }),
      fc.uint8Array(),
      fc.nat(0xffff),
      fc.nat(),
    );
    const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 });
    await fc.assert(
      fc.asyncProperty(fc.array(field), sizes, async (fields, cuts) => {
        const sent = fields.map(([id, text, bytes, small, large]) =>
          frame("t", id, text, u16(small), u64(large * 2 ** 20), bytes),
        );
        const received = await framesOf(Buffer.concat(sent), cuts);
        const values = received.map(({ fields: it }) => [
          it.u32(),
          it.text(),
          it.u16(),
          it.u64(),
          Uint8Array.from(it.rest()),
        ]);
        expect(values).toEqual(
          fields.map(([id, text, bytes, small, large]) => [id, text, small, large * 2 ** 20, bytes]),
        );
      }),
    );
  });

  it.each([
    ["no type", Buffer.from([0, 0, 0, 0])],
    ["an impossible length", Buffer.from([0xff, 0xff, 0xff, 0xff, 0])],
    ["a cut length", Buffer.from([0, 0])],
    ["a cut end", frame("n", 1).subarray(0, 8)],
  ])("with %s are refused", async (_, bytes) => {
    await expect(framesOf(bytes)).rejects.toThrow(RangeError);
  });

  it("refuse to give what they do not hold", async () => {
    const fieldsOf = async (...values: Parameters<typeof frame>[1][]): Promise<Frame["fields"]> =>
      (await framesOf(frame("x", ...values)))[0]!.fields;
    const empty = await fieldsOf();
    expect(() => empty.u8()).toThrow(RangeError);
    const text = await fieldsOf(5, Buffer.from("four"));
    expect(() => text.text()).toThrow(RangeError);
    const large = await fieldsOf(Buffer.alloc(8, 0xff));
    expect(() => large.u64()).toThrow(RangeError);
    const left = await fieldsOf(1, 2);
    left.u32();
    expect(() => {
      left.end();
    }).toThrow(RangeError);
  });

  it("name Linux's errors", () => {
    expect([errorName(13), errorName(28), errorName(9999)]).toEqual(["EACCES", "ENOSPC", "errno 9999"]);
  });
});
