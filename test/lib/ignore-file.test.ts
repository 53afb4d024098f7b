import fc from "fast-check";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  compileIgnore,
  parseIgnoreFile,
  parseIgnoreRules,
  readDockerignore,
} from "../../src/lib/ignore-file.js";

describe("parseIgnoreFile", () => {
  it.each<[string, string[]]>([
    ["# comment\n\n  \nnode_modules\n", ["node_modules"]],
    ["\uFEFFfirst\r\nsecond\r\n", ["first", "second"]],
    [" # not a comment", ["# not a comment"]],
    ["/dist/", ["dist"]],
    ["./a//b/../c", ["a/c"]],
    ["../up", ["../up"]],
    ["! spaced/", ["!spaced"]],
    ["!/abs/", ["!abs"]],
    ["/", ["/"]],
    ["a\\ b", ["a\\ b"]],
  ])("reads %j as %j", (text, patterns) => {
    expect(parseIgnoreFile(text)).toEqual(patterns);
  });

  it("knows the line of each pattern", () => {
    expect(parseIgnoreRules("# c\n\na\n!b\n")).toEqual([
      { pattern: "a", line: 3 },
      { pattern: "!b", line: 4 },
    ]);
  });
});

describe("compileIgnore", () => {
  // Patterns, then paths that are ignored, then paths that are not. From moby's and BuildKit's own tests, and by reading them.
  it.each<[string[], string[], string[]]>([
    [["**"], ["file", "dir/file", "a/b/c"], []],
    [["**/"], ["file", "dir/file"], []],
    [["*"], ["file", "dir", "dir/file"], []],
    [["dir"], ["dir", "dir/a", "dir/a/b"], ["dirx", "a/dir"]],
    [["**/**"], ["dir/file", "dir/dir2/file"], []],
    [["dir/**"], ["dir/file", "dir/dir2/file"], ["dir", "dirx/file"]],
    [["**/dir2/*"], ["dir/dir2/file", "dir/dir2/dir2/file", "dir2/a"], ["dir/file", "dir2"]],
    [["**file"], ["file", "dir/file", "dir/dir/file", "afile"], ["filea"]],
    [["**/file"], ["file", "dir/file", "file/below"], ["afile", "dir/afile"]],
    [["**/*.txt"], ["a.txt", "dir/a.txt", "dir/dir/a.txt"], ["a.txtx", "dir/txt"]],
    [["**/.foo"], [".foo", "bar/.foo"], ["foo", "bar.foo"]],
    [["a/**/b"], ["a/b", "a/x/b", "a/x/y/b"], ["a/bc", "ab"]],
    [["a**/b"], ["a/b", "ax/b", "ax/y/b", "ab"], ["a/c"]],
    [["a**"], ["a", "abc", "ab/c"], ["ba"]],
    [["*.c"], ["x.c"], ["d/x.c", "x.h"]],
    [["*/x"], ["a/x", "b/x/y"], ["x", "a/b/x"]],
    [["a?c"], ["abc"], ["ac", "a/c", "abbc"]],
    [["a[b-d]e"], ["abe", "ade"], ["aae", "ae"]],
    [["a[^b]e"], ["ace"], ["abe"]],
    [["[a-z]/x"], ["q/x"], ["Q/x"]],
    [["a\\*b"], ["a*b"], ["axb"]],
    [["a.b+c(d)|e{f}$"], ["a.b+c(d)|e{f}$"], ["axb+c(d)|e{f}$"]],
    [["*.{js}"], ["a.{js}"], ["a.js"]],
    [["a\u{1F600}?"], ["a\u{1F600}\u{1F600}"], ["a\u{1F600}"]],
    [["../a", "/"], [], ["a", "b/a"]],
    [["a", "!a"], [], ["a", "a/b"]],
    [["!a", "a"], ["a", "a/b"], []],
    [
      ["*", "!src"],
      ["a", "srcx", "lib/src"],
      ["src", "src/a/b"],
    ],
    [
      ["*", "!src/keep"],
      ["src", "src/a"],
      ["src/keep", "src/keep/x"],
    ],
    [
      ["**", "!**/*.go"],
      ["a", "d/a.js"],
      ["a.go", "d/e/a.go"],
    ],
    [
      ["docs", "!docs/README*", "docs/README-secret.md"],
      ["docs/a", "docs/README-secret.md"],
      ["docs/README.md"],
    ],
    [
      ["docs", "!docs/README*", "docs/README-secret.md", "!docs/README*"],
      ["docs/a"],
      ["docs/README-secret.md"],
    ],
    [
      ["a", "!a/b", "a/b/c", "!a/b/c/d"],
      ["a/x", "a/b/c", "a/b/c/x"],
      ["a/b", "a/b/x", "a/b/c/d", "a/b/c/d/e"],
    ],
    [
      ["x/**", "!x/**/y"],
      ["x/a", "x/a/b"],
      ["x", "x/y", "x/a/y", "x/a/y/z"],
    ],
    [
      ["**/node_modules", "!keep/node_modules"],
      ["node_modules/a", "a/node_modules/b"],
      ["keep/node_modules/a"],
    ],
    [["  a  ", ""], ["a"], ["b"]],
  ])("%j ignores %j and not %j", (patterns, ignored, kept) => {
    const matcher = compileIgnore(patterns);
    expect(ignored.filter((path) => !matcher.matches(path))).toEqual([]);
    expect(kept.filter((path) => matcher.matches(path))).toEqual([]);
  });

  it("never ignores the root", () => {
    expect(compileIgnore(["**"]).matches("")).toBe(false);
    expect(compileIgnore(["**"]).canSkipDirectory("")).toBe(false);
  });

  it.each<[string[], string, boolean]>([
    [["node_modules"], "node_modules", true],
    [["node_modules"], "src", false],
    [["node_modules"], "node_modules/a/b", true],
    [["*", "!src/keep"], "src", false],
    [["*", "!src/keep"], "lib", true],
    [["*", "!src/keep"], "src/keepx", true],
    [["*", "!**/keep"], "lib", false],
    [["*", "!s*/keep"], "lib", true],
    [["*", "!s*/keep"], "src/deep", false],
    [["src/gen", "!src"], "src/gen", true],
  ])("%j lets %j be skipped: %j", (patterns, directory, skippable) => {
    expect(compileIgnore(patterns).canSkipDirectory(directory)).toBe(skippable);
  });

  it("never skips a directory that holds something to keep", () => {
    const name = fc.constantFrom("a", "b", "ab", "*", "**", "?", "[ab]");
    const pattern = fc
      .tuple(fc.boolean(), fc.array(name, { minLength: 1, maxLength: 3 }))
      .map(([exception, names]) => (exception ? "!" : "") + names.join("/"));
    const path = fc.array(fc.constantFrom("a", "b", "ab"), { minLength: 2, maxLength: 4 });
    fc.assert(
      fc.property(fc.array(pattern, { maxLength: 5 }), path, (patterns, names) => {
        const matcher = compileIgnore(patterns);
        const kept = !matcher.matches(names.join("/"));
        const skipped = names
          .slice(0, -1)
          .some((_, at) => matcher.canSkipDirectory(names.slice(0, at + 1).join("/")));
        expect(kept && skipped).toBe(false);
      }),
      { numRuns: 2000 },
    );
  });

  it("says which pattern decided", () => {
    const matcher = compileIgnore(parseIgnoreRules("# c\ndocs\n!docs/*.md\n"));
    expect(matcher.explain("docs/a/b")).toEqual({ ignored: true, pattern: "docs", line: 2 });
    expect(matcher.explain("docs/a.md")).toEqual({ ignored: false, pattern: "!docs/*.md", line: 3 });
    expect(matcher.explain("src")).toEqual({ ignored: false });
    expect(compileIgnore(["x"]).explain("x")).toEqual({ ignored: true, pattern: "x" });
  });

  it.each(["[", "a[b", "a\\", "!"])("refuses the malformed pattern %j", (pattern) => {
    expect(() => compileIgnore([pattern])).toThrow(/malformed/);
  });
});

describe("readDockerignore", () => {
  it("takes the Dockerfile's own file first, alone", async () => {
    const context = mkdtempSync(join(tmpdir(), "devloop-ignore-"));
    try {
      const dockerfile = join(context, "Dockerfile");
      expect(await readDockerignore(context, dockerfile)).toEqual({ file: undefined, patterns: [] });
      writeFileSync(join(context, ".dockerignore"), "a\n");
      expect(await readDockerignore(context, dockerfile)).toEqual({
        file: join(context, ".dockerignore"),
        patterns: ["a"],
      });
      writeFileSync(`${dockerfile}.dockerignore`, "");
      expect(await readDockerignore(context, dockerfile)).toEqual({
        file: `${dockerfile}.dockerignore`,
        patterns: [],
      });
    } finally {
      rmSync(context, { recursive: true });
    }
  });
});
