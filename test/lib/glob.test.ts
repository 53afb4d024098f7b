import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { expandBraces, globDirectories, globFiles } from "../../src/lib/glob.js";

const root = path.resolve(import.meta.dirname, "../fixtures/render/manifests");

async function match(pattern: string): Promise<string[]> {
  return (await globFiles(root, pattern)).map((file) => path.relative(root, file));
}

describe("glob", () => {
  it.each([
    ["*.yaml", ["a.yaml"]],
    ["?.yaml", ["a.yaml"]],
    ["**", ["a.yaml", "nested/b.json", "nested/deep/c.yml"]],
    ["**/*.{yml,json}", ["nested/b.json", "nested/deep/c.yml"]],
    ["nested/**/c.yml", ["nested/deep/c.yml"]],
    ["./nested/../*.yaml", ["a.yaml"]],
    ["a.yaml", ["a.yaml"]],
    [".hidden/*", [".hidden/x.yaml"]],
    ["nested", []],
    ["*.y+ml", []],
    ["gone/**", []],
  ])("%s", async (pattern, files) => {
    expect(await match(pattern)).toEqual(files);
  });

  it("enters neither node_modules nor links to directories, and ends", async () => {
    const directory = await mkdtemp(path.join(tmpdir(), "devloop-glob-"));
    try {
      await mkdir(path.join(directory, "node_modules"));
      await writeFile(path.join(directory, "node_modules/a.yaml"), "");
      await writeFile(path.join(directory, "b.yaml"), "");
      await symlink(directory, path.join(directory, "loop"));
      expect(await globFiles(directory, "**/*.yaml")).toEqual([path.join(directory, "b.yaml")]);
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  it("takes absolute patterns", async () => {
    expect(await globFiles("/", path.join(root, "*.yaml"))).toEqual([path.join(root, "a.yaml")]);
    expect(globDirectories("/elsewhere", `${root}/**/*.yaml`)).toEqual([root]);
    expect(globDirectories("/at", "*.yaml")).toEqual(["/at"]);
  });

  it.each([
    ["a{b,c}d", ["abd", "acd"]],
    ["{a,b{c,d}}", ["a", "bc", "bd"]],
    ["{a}{b,c}", ["{a}b", "{a}c"]],
    ["a{b", ["a{b"]],
  ])("takes %s apart", (pattern, parts) => {
    expect(expandBraces(pattern)).toEqual(parts);
  });
});
