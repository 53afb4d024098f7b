import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { SyncRule } from "../../src/engine/project.js";
import {
  compileSync,
  fixedPart,
  isPattern,
  whenMatches,
  type PathKind,
} from "../../src/engine/sync-rules.js";

const rule = (src: string, dest: string, more: Partial<SyncRule> = {}): SyncRule => ({
  src,
  dest,
  ignore: [],
  then: { kind: "nothing" },
  ...more,
});
const places = (rules: readonly SyncRule[], path: string, kind?: PathKind, rebuild: string[] = []): unknown =>
  compileSync({ rules, rebuild })
    .targets(path, kind)
    .map(({ index, dest, root, path: inside }) => [index, dest, root, inside]);

describe("compileSync", () => {
  it.each<
    [what: string, rule: SyncRule, path: string, kind: PathKind, place: [string, string, string] | null]
  >([
    [
      "a file below",
      rule("src", "/app/src"),
      "src/a/b.js",
      "file",
      ["/app/src/a/b.js", "/app/src", "a/b.js"],
    ],
    ["a slash at dest's end", rule("src", "/app/"), "src/a.js", "file", ["/app/a.js", "/app", "a.js"]],
    ["a directory below", rule("src", "/app"), "src/lib", "directory", ["/app/lib", "/app", "lib"]],
    ["a link below", rule("src", "/app"), "src/a", "link", ["/app/a", "/app", "a"]],
    ["the directory itself", rule("src", "/app/x/"), "src", "directory", ["/app/x", "/app/x", ""]],
    ["the context itself", rule(".", "/app"), "", "directory", ["/app", "/app", ""]],
    ["a file of the context", rule(".", "/app"), "a/b", "file", ["/app/a/b", "/app", "a/b"]],
    ["a directory above", rule("a/b", "/app"), "a", "directory", null],
    ["a name that begins alike", rule("src", "/app"), "src2/a", "file", null],
    ["a file rule", rule("c.json", "/etc/x.json"), "c.json", "file", ["/etc/x.json", "/etc", "x.json"]],
    [
      "a file into a directory",
      rule("d/c.json", "/etc/"),
      "d/c.json",
      "file",
      ["/etc/c.json", "/etc", "c.json"],
    ],
    ["a file below the root", rule("run.sh", "/run.sh"), "run.sh", "file", ["/run.sh", "/", "run.sh"]],
    ["a link that the rule names", rule("current", "/app"), "current", "link", null],
    ["a pattern", rule("src/*.js", "/app"), "src/a.js", "file", ["/app/a.js", "/app", "a.js"]],
    ["a pattern, deeper", rule("src/*", "/app"), "src/lib/a.js", "file", null],
    ["two stars", rule("src/**/*.js", "/app"), "src/x/y/a.js", "file", ["/app/x/y/a.js", "/app", "x/y/a.js"]],
    ["two stars at the end", rule("src/**", "/app/"), "src/x/a", "file", ["/app/x/a", "/app", "x/a"]],
    ["the pattern's own directory", rule("src/**", "/app"), "src", "directory", null],
    [
      "a wildcard in the middle",
      rule("p/*/src/a", "/app"),
      "p/x/src/a",
      "file",
      ["/app/x/src/a", "/app", "x/src/a"],
    ],
    ["a written pattern's link", rule("src/*", "/app"), "src/l", "link", ["/app/l", "/app", "l"]],
    ["COPY's link", rule("src/*", "/app", { origin: "COPY in Dockerfile:1" }), "src/l", "link", null],
    [
      "brackets taken literally",
      rule("app/\\[id\\]", "/a"),
      "app/[id]/p.js",
      "file",
      ["/a/p.js", "/a", "p.js"],
    ],
    [
      "brackets in what is below",
      rule("app", "/a"),
      "app/[id]/p.js",
      "file",
      ["/a/[id]/p.js", "/a", "[id]/p.js"],
    ],
    ["ignored", rule("src", "/app", { ignore: ["**/*.test.js"] }), "src/x/a.test.js", "file", null],
    ["ignored directory", rule("src", "/app", { ignore: ["src/tmp"] }), "src/tmp/a", "file", null],
    [
      "brought back",
      rule("src", "/app", { ignore: ["src", "!src/a"] }),
      "src/a",
      "file",
      ["/app/a", "/app", "a"],
    ],
  ])("%s", (_what, given, path, kind, place) => {
    expect(places([given], path, kind)).toEqual(place === null ? [] : [[0, ...place]]);
  });

  it("a path that several rules cover goes to each, but not where it is ignored", () => {
    const rules = [
      rule(".", "/app"),
      rule("a", "/b"),
      rule("a/*.js", "/c"),
      rule(".", "/d", { ignore: ["a"] }),
    ];
    expect(places(rules, "a/x.js")).toEqual([
      [0, "/app/a/x.js", "/app", "a/x.js"],
      [1, "/b/x.js", "/b", "x.js"],
      [2, "/c/x.js", "/c", "x.js"],
    ]);
  });

  it("a path that is unclear to one rule goes nowhere", () => {
    const all = rule(".", "/all");
    expect(places([all, rule("run", "/x", { onlyDirectory: true })], "run")).toEqual([]);
    expect(places([all, rule("run.d", "/")], "run.d/a")).toEqual([]);
    expect(places([all, rule("run", "/x")], "run", "link")).toEqual([]);
  });

  it("what rebuild has goes nowhere, exceptions counted", () => {
    const rebuild = ["package*.json", "config", "!config/live"];
    expect(places([rule(".", "/app")], "package-lock.json", "file", rebuild)).toEqual([]);
    expect(places([rule(".", "/app")], "config/x", "file", rebuild)).toEqual([]);
    expect(places([rule(".", "/app")], "config/live/x", "file", rebuild)).toHaveLength(1);
  });

  it("explains", () => {
    const rules = [
      rule("src", "/app", { ignore: ["**/*.md"] }),
      rule("src/doc", "/doc", { ignore: ["src/doc/*"] }),
    ];
    const map = compileSync({ rules, rebuild: ["src/gen"] });
    expect(map.explain("other")).toEqual({ kind: "uncovered" });
    expect(map.explain("src/gen/a")).toEqual({ kind: "rebuild", pattern: "src/gen" });
    expect(map.explain("src/doc/a.md")).toEqual({
      kind: "ignored",
      by: [
        { rule: rules[0], index: 0, pattern: "**/*.md" },
        { rule: rules[1], index: 1, pattern: "src/doc/*" },
      ],
    });
    expect(map.explain("src", "link")).toEqual({ kind: "unclear", index: 0, found: "link" });
    expect(map.explain("src/a.js")).toEqual({ kind: "synced", targets: map.targets("src/a.js") });
  });

  it("has a key that is equal for equal rules, wherever they come from", () => {
    const key = (rules: readonly SyncRule[], rebuild: string[] = []): string =>
      compileSync({ rules, rebuild }).key;
    const one = rule("a", "/b");
    expect(key([{ ...one, origin: "COPY in Dockerfile:7" }])).toBe(key([rule("a", "/b")]));
    const others = [
      key([one], ["x"]),
      key([rule("a", "/c")]),
      key([rule("a", "/b", { then: { kind: "restart" } })]),
      key([rule("a", "/b", { ignore: ["x"] })]),
    ];
    expect(new Set([key([one]), ...others]).size).toBe(5);
  });

  it("refuses a malformed pattern", () => {
    expect(() => compileSync({ rules: [rule("a/[b", "/c")], rebuild: [] })).toThrow("malformed");
  });

  it("agrees with a naive model", () => {
    const name = fc.constantFrom("a", "b", "c", "a.js", "b.md");
    const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"));
    const glob = fc
      .tuple(
        fc.array(fc.constantFrom("a", "b", "*", "**"), { maxLength: 3 }),
        fc.constantFrom("*", "*.js", "?", "**"),
      )
      .map(([above, last]) => [...above, last].join("/"));
    const source = fc.oneof(fc.constant("."), path, glob);
    const someRule = fc.record({
      src: source,
      dest: fc.tuple(path, fc.constantFrom("", "/")).map(([dest, slash]) => `/${dest}${slash}`),
      ignore: fc.array(path, { maxLength: 2 }),
      then: fc.constant({ kind: "nothing" } as const),
    });
    const kinds = fc.constantFrom<PathKind>("file", "directory", "link");
    fc.assert(
      fc.property(
        fc.array(someRule, { maxLength: 4 }),
        fc.array(path, { maxLength: 2 }),
        fc.array(fc.tuple(path, kinds), { maxLength: 8 }),
        (rules, rebuild, asked) => {
          const map = compileSync({ rules, rebuild });
          for (const [one, kind] of asked) {
            const found = map.targets(one, kind).map(({ index, dest }) => [index, dest]);
            expect(found).toEqual(naive(rules, rebuild, one, kind));
            for (const { dest, root, path: inside } of map.targets(one, kind)) {
              expect(inside === "" ? root : `${root}/${inside}`.replace("//", "/")).toBe(dest);
            }
            expect(map.explain(one, kind).kind === "synced").toBe(found.length > 0);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  it("makes nothing new where nothing matches", () => {
    const map = compileSync({ rules: [rule("src", "/app")], rebuild: [] });
    expect(map.targets("x/a")).toBe(map.targets("y/b"));
  });
});

/** By comparing names one by one, ancestors included. */
function naive(
  rules: readonly SyncRule[],
  rebuild: readonly string[],
  path: string,
  kind: PathKind,
): unknown {
  const parts = path.split("/");
  const under = (top: string): boolean => path === top || path.startsWith(`${top}/`);
  if (rebuild.some(under)) return [];
  const found: [number, string][] = [];
  for (const [index, { src, dest, ignore }] of rules.entries()) {
    const trimmed = dest.replace(/\/$/, "");
    let base: string[];
    if (/[*?]/.test(src)) {
      const pattern = src.split("/");
      base = pattern.slice(
        0,
        pattern.findIndex((part) => /[*?]/.test(part)),
      );
      if (!matchParts(pattern, parts)) continue;
    } else {
      if (src !== "." && !under(src)) continue;
      if (path === src && kind === "link") return [];
      base = src === "." ? [] : src.split("/");
    }
    if (ignore.some(under)) continue;
    const rest = parts.slice(base.length);
    const isFile = rest.length === 0 && kind !== "directory";
    const name = isFile && dest.endsWith("/") ? [parts.at(-1) ?? ""] : rest;
    found.push([index, [trimmed, ...name].join("/")]);
  }
  return found;
}

function matchParts([first, ...rest]: readonly string[], parts: readonly string[]): boolean {
  if (first === undefined) return parts.length === 0;
  if (first === "**") {
    if (rest.length === 0) return parts.length > 0;
    return parts.some((_, at) => matchParts(rest, parts.slice(at))) || matchParts(rest, parts);
  }
  const [part, ...others] = parts;
  if (part === undefined) return false;
  const expression = new RegExp(
    `^${first.replaceAll(".", "\\.").replaceAll("*", ".*").replaceAll("?", ".")}$`,
  );
  return expression.test(part) && matchParts(rest, others);
}

it("tells patterns from names", () => {
  expect(["a*", "a?/b", "[a]b", "a\\\\*"].map(isPattern)).toEqual([true, true, true, true]);
  expect(["a", "a\\*", "\\[a\\]", ".", "a{b,c}"].map(isPattern)).toEqual([false, false, false, false, false]);
  expect(["a/b*/c", "*", "a/b", ".", "a\\[1\\]/*"].map(fixedPart)).toEqual(["a", "", "a/b", "", "a[1]"]);
});

it("an exec runs when a file that it waits for changed", () => {
  const action = (when: string[]) => ({ kind: "exec" as const, command: ["make"], when });
  expect(whenMatches(action([]), ["a"])).toBe(true);
  expect(whenMatches(action([]), [])).toBe(false);
  const sources = action(["**/*.c", "!gen/**"]);
  expect(whenMatches(sources, ["a.h", "lib/b.c"])).toBe(true);
  expect(whenMatches(sources, ["a.h", "gen/b.c"])).toBe(false);
});
