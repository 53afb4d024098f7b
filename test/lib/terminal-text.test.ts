import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { terminalText } from "../../src/lib/terminal-text.js";

describe("terminalText", () => {
  it("keeps colours and ends them with the line", () => {
    expect(terminalText("\u001b[31mred")).toBe("\u001b[31mred\u001b[0m");
    expect(terminalText("\u001b[1;31mred\u001b[0m")).toBe("\u001b[1;31mred\u001b[0m");
  });

  it("takes colours out where none are wanted", () => {
    expect(terminalText("\u001b[31mred\u001b[0m", { color: false })).toBe("red");
  });

  it.each([
    ["cursor movement", "a\u001b[2Ab"],
    ["clearing the screen", "a\u001b[2Jb"],
    ["a window title", "a\u001b]0;owned\u0007b"],
    ["a title ended by ST", "a\u001b]0;owned\u001b\\b"],
    ["a title without an end", "ab\u001b]0;owned"],
    ["a device control string", "a\u001bPq#0\u001b\\b"],
    ["a full reset", "a\u001bcb"],
    ["a private mode", "a\u001b[?1049hb"],
    ["an 8-bit sequence", "a\u009b2Jb"],
    ["bells and returns", "a\u0007\rb"],
    ["a lone escape", "ab\u001b"],
  ])("takes out %s", (_, text) => {
    expect(terminalText(text)).toBe("ab");
  });

  it("moves tabs to the next stop", () => {
    expect(terminalText("a\tb")).toBe("a       b");
  });

  it("leaves no control character but colours, whatever is printed", () => {
    const piece = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.constantFrom("\u001b", "\u001b[", "[31m", "\u009b", "\u001b]0;", "\u0007", "m", ";", "\n"),
    );
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        const rest = terminalText(pieces.join("")).replace(/\u001b\[[\d;:]*m/g, "");
        expect(rest).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
      }),
    );
  });
});
