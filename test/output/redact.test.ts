import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRedactor } from "../../src/output/redact.js";

function redactorOf(...values: string[]) {
  const redactor = createRedactor();
  redactor.add(values);
  return redactor;
}

describe("a redactor", () => {
  it("hides a value in plain, JSON-escaped, URL-encoded and base64 form", () => {
    const secret = 'p"ss wörd/+';
    const { redact } = redactorOf(secret);
    expect(redact(`login ${secret}!`)).toBe("login (hidden)!");
    expect(redact(JSON.stringify({ secret }))).toBe('{"secret":"(hidden)"}');
    expect(redact(`x=${encodeURIComponent(secret)}&y`)).toBe("x=(hidden)&y");
    expect(redact(`x=${new URLSearchParams({ a: secret }).toString()}`)).toBe("x=a=(hidden)");
    expect(redact(`key: ${Buffer.from(secret).toString("base64")}`)).toBe("key: (hidden)");
    expect(redact(`key: ${Buffer.from(secret).toString("base64url")}`)).toBe("key: (hidden)");
  });

  it("hides a value within a longer base64 text, such as basic authentication", () => {
    const { redact } = redactorOf("correct-horse");
    for (const user of ["a", "ab", "abc", "abcd"]) {
      const header = Buffer.from(`${user}:correct-horse`).toString("base64");
      expect(redact(`Basic ${header}`)).toContain("(hidden)");
      expect(Buffer.from(redact(header).replace("(hidden)", ""), "base64").toString()).not.toContain("horse");
    }
  });

  it("hides a value of several lines line by line", () => {
    const { redact } = redactorOf("first-line\nsecond-line\n");
    expect(redact("at second-line")).toBe("at (hidden)");
  });

  it("leaves values shorter than five characters alone", () => {
    expect(redactorOf("dev", "1234").redact("dev 1234")).toBe("dev 1234");
  });

  it("hides the longer of two values that begin alike", () => {
    expect(redactorOf("abcde", "abcdefgh").redact("abcdefgh")).toBe("(hidden)");
  });

  it("takes up values added later", () => {
    const redactor = redactorOf("first-value");
    expect(redactor.redact("second-value")).toBe("second-value");
    redactor.add(["second-value"]);
    expect(redactor.redact("second-value")).toBe("(hidden)");
  });

  it("never lets a value through in any of its forms", () => {
    const secret = fc
      .string({ unit: "grapheme", minLength: 5, maxLength: 200 })
      .filter((value) => value.trim() === value && value.length >= 5 && !/[\r\n]/.test(value))
      .filter((value) => !"(hidden)".includes(value));
    const forms: ((value: string) => string)[] = [
      (value) => value,
      (value) => encodeURIComponent(value),
      (value) => Buffer.from(value).toString("base64"),
      (value) => Buffer.from(value).toString("base64url"),
    ];
    fc.assert(
      fc.property(
        fc.array(secret, { minLength: 1, maxLength: 5 }),
        fc.constantFrom(...forms),
        fc.constantFrom("", " ", "key=", "[", '"'),
        fc.constantFrom("", " ", "&", "]", '"', "\n"),
        (secrets, form, before, after) => {
          const { redact } = redactorOf(...secrets);
          for (const value of secrets) {
            expect(redact(before + form(value) + after).replaceAll("(hidden)", "")).not.toContain(
              form(value),
            );
          }
        },
      ),
    );
  });
});
