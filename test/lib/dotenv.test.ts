import fc from "fast-check";
import { expect, it } from "vitest";
import { parseDotenv } from "../../src/lib/dotenv.js";

const read = (text: string): Record<string, string> => Object.fromEntries(parseDotenv(text));

it.each<readonly [what: string, text: string, variables: Record<string, string>]>([
  ["plain, trimmed", "A=1\n B = two words \n", { A: "1", B: "two words" }],
  ["export", "export A=1\nexport B\n", { A: "1" }],
  ["comments", "# c\nA=1 # c\nB=a#b\nC=# c\nD='x' # c\n", { A: "1", B: "a#b", C: "", D: "x" }],
  ["empty", "A=\nB=''\nC=\"\"", { A: "", B: "", C: "" }],
  ["single quotes keep all", "A='a\\n$B # \"'", { A: 'a\\n$B # "' }],
  ["backticks keep all", "A=`'\"`", { A: "'\"" }],
  ["double quotes know escapes", 'A="a\\nb\\t\\"\\\\\\$\\q"', { A: 'a\nb\t"\\$\\q' }],
  ["over several lines", "A=\"one\ntwo\"\nB='1\n2'\nC=3", { A: "one\ntwo", B: "1\n2", C: "3" }],
  ["an unclosed quote is a character", "A=it's\nB=\"x\nC=3", { A: "it's", B: '"x', C: "3" }],
  ["text after a closing quote", "A='x'y\nB=1", { A: "'x'y", B: "1" }],
  ["nothing is substituted", "A=1\nB=${A}$A\n", { A: "1", B: "${A}$A" }],
  ["CRLF and a byte order mark", "\uFEFFA=1\r\nB=2\r\n", { A: "1", B: "2" }],
  ["equals signs in a value", "A=b=c==", { A: "b=c==" }],
  ["the last counts", "A=1\nA=2", { A: "2" }],
  ["lines of another form are left out", "nonsense\n1A=2\n=3\nB=4", { B: "4" }],
])("%s", (_what, text, variables) => {
  expect(read(text)).toEqual(variables);
});

it("what stands in single quotes comes back as it is", () => {
  const quotable = fc.string({ unit: "grapheme" }).filter((text) => !/['\r]/.test(text));
  fc.assert(
    fc.property(quotable, (text) => {
      expect(read(`A=1\nB='${text}'\nC=2`)).toEqual({ A: "1", B: text, C: "2" });
    }),
  );
});
