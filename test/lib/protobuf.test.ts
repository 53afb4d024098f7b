import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readFields, writeFields } from "../../src/lib/protobuf.js";

describe("protobuf", () => {
  it("reads what it writes", () => {
    const number = fc.integer({ min: 1, max: 100_000 });
    const value = fc.oneof(fc.maxSafeNat(), fc.uint8Array());
    fc.assert(
      fc.property(fc.array(fc.tuple(number, value)), (fields) => {
        const read = [...readFields(writeFields(fields))].map(
          ({ number: field, value: found, bytes }, index) => [
            field,
            typeof fields[index]?.[1] === "number" ? found : Uint8Array.from(bytes),
          ],
        );
        expect(read).toEqual(fields);
      }),
    );
  });
  it("writes a negative number as all of its 64 bits", () => {
    expect(writeFields([[1, -1n]]).toString("hex")).toBe("08ffffffffffffffffff01");
  });
  it("reads fixed numbers and refuses a cut message", () => {
    const fixed = Buffer.from([0x0d, 1, 0, 0, 0, 0x11, 2, 0, 0, 0, 0, 0, 0, 0]);
    expect([...readFields(fixed)].map(({ number, value }) => [number, value])).toEqual([
      [1, 1],
      [2, 2],
    ]);
    expect(() => [...readFields(fixed.subarray(0, -1))]).toThrow(RangeError);
    expect(() => [...readFields(Buffer.from([0x0b]))]).toThrow("wire type 3");
  });
});
