import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { hasNewerEngine } from "../newer-engine.js";
import { compileIgnore, parseIgnoreFile } from "../../src/lib/ignore-file.js";

describe.runIf(hasNewerEngine)("against docker build", () => {
  const names = ["a", "b", "ab", "x.js"];
  const files = names.flatMap((one) =>
    one === "x.js"
      ? [`top-${one}`, one]
      : names.flatMap((two) =>
          two === "x.js" ? [`${one}/${two}`] : [`${one}/${two}/a`, `${one}/${two}/x.js`],
        ),
  );
  const context = mkdtempSync(join(tmpdir(), "devloop-dockerignore-"));
  afterAll(() => {
    rmSync(context, { recursive: true });
  });
  for (const file of files) {
    mkdirSync(dirname(join(context, file)), { recursive: true });
    writeFileSync(join(context, file), "");
  }
  writeFileSync(join(context, "Dockerfile"), "FROM scratch\nCOPY . /context/\n");

  it.each(patternSets().map((patterns) => ({ patterns: patterns.join(" ") })))(
    "agrees on $patterns",
    ({ patterns }) => {
      const text = patterns.replaceAll(" ", "\n");
      const output = mkdtempSync(join(tmpdir(), "devloop-dockerignore-out-"));
      writeFileSync(join(context, ".dockerignore"), text);
      try {
        execFileSync("docker", ["build", "-q", "-o", output, context], {
          stdio: "pipe",
          env: { ...process.env, DOCKER_BUILDKIT: "1" },
        });
        const copied = filesBelow(join(output, "context"));
        const matcher = compileIgnore(parseIgnoreFile(text));
        expect(files.filter((file) => !matcher.matches(file)).sort()).toEqual(
          copied.filter((file) => file !== ".dockerignore" && file !== "Dockerfile").sort(),
        );
      } finally {
        rmSync(output, { recursive: true });
      }
    },
  );
});

function filesBelow(directory: string): string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(directory, join(entry.parentPath, entry.name)));
}

/** The same sets every time: some written down, some from a fixed sequence of numbers. */
function patternSets(): string[][] {
  let seed = 7;
  const pick = <T>(from: readonly T[]): T => {
    seed = (seed * 1103515245 + 12345) % 2 ** 31;
    return from[Math.floor((seed / 2 ** 31) * from.length)]!;
  };
  const words = ["a", "b", "ab", "*", "**", "?", "a*", "[ab]", "x.js", "*.js"];
  const random = Array.from({ length: 20 }, () =>
    Array.from(
      { length: 1 + pick([0, 1, 2, 3]) },
      (_, at) =>
        (at > 0 && pick([0, 1]) === 1 ? "!" : "") +
        Array.from({ length: pick([1, 2, 3]) }, () => pick(words)).join("/"),
    ),
  );
  return [["*", "!a/b"], ["a", "!a/**/x.js"], ["a/b", "!a"], ["**/x.js", "!/a/../b/"], ...random];
}
