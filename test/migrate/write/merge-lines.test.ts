import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { mergeLines } from "../../../src/migrate/write/merge-lines.js";

describe("merging by lines", () => {
  it("takes both changes where they are apart", () => {
    expect(mergeLines("a\nb\nc\nd\n", "A\nb\nc\nd\n", "a\nb\nc\nD\ne\n")).toBe("A\nb\nc\nD\ne\n");
  });
  it("takes a change that both made once", () => {
    expect(mergeLines("a\nb\n", "a\nx\n", "a\nx\n")).toBe("a\nx\n");
  });
  it("gives up where both changed one line", () => {
    expect(mergeLines("a\nb\nc\n", "a\nx\nc\n", "a\ny\nc\n")).toBeUndefined();
  });
  it("keeps the end of a last line as it is", () => {
    expect(mergeLines("a\nb", "a\nb", "z\na\nb")).toBe("z\na\nb");
  });

  const text = fc
    .array(fc.constantFrom("a\n", "b\n", "c\n"), { maxLength: 12 })
    .map((lines) => lines.join(""));
  it("gives the other side where one side changed nothing", () => {
    fc.assert(
      fc.property(text, text, (base, other) => {
        expect(mergeLines(base, base, other)).toBe(other);
        expect(mergeLines(base, other, base)).toBe(other);
        expect(mergeLines(base, other, other)).toBe(other);
      }),
    );
  });
});
