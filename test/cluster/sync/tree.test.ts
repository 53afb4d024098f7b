import { describe, expect, it } from "vitest";
import {
  changeTree,
  formerPlaces,
  makeTree,
  stepsTo,
  type SyncTree,
  type TreeEntry,
} from "../../../src/cluster/sync/tree.js";
import { compileSync } from "../../../src/engine/sync-rules.js";

const rule = (src: string, dest: string) => ({ src, dest, ignore: [], then: { kind: "nothing" } as const });

function tree(files: Record<string, string>, rules = [rule("src", "/app/src")]): SyncTree {
  const entries = Object.entries(files).map(([name, fingerprint]) => {
    const kind = fingerprint.startsWith("link ")
      ? "link"
      : fingerprint === "directory"
        ? fingerprint
        : "file";
    return [name, { kind, fingerprint } as const] as const;
  });
  const map = compileSync({ rules, rebuild: [] });
  return makeTree({ revision: "r", context: "/ctx", rules, notes: [], map }, entries);
}
const steps = (now: SyncTree, held: Record<string, string>, former: string[] = []) =>
  stepsTo(now.wanted, new Map(Object.entries(held)), formerPlaces(now, former)).map(
    (step) => `${step.do} ${step.dest}`,
  );

describe("the steps to what a container is to hold", () => {
  it("are none where it holds it", () => {
    expect(steps(tree({ "src/a": "0 x" }), { "/app/src/a": "0 x" })).toEqual([]);
  });

  it("write what differs in bytes, mode, target or kind, directories first", () => {
    const now = tree({ "src/d/a": "111 x", "src/d": "directory", "src/l": "link a", "src/same": "0 s" });
    const held = { "/app/src/d/a": "0 x", "/app/src/l": "link b", "/app/src/same": "0 s" };
    expect(steps(now, held)).toEqual(["put /app/src/d", "put /app/src/d/a", "put /app/src/l"]);
  });

  it("remove what was here once, what is in a directory before it, and nothing else", () => {
    const held = { "/app/src/d": "directory", "/app/src/d/a": "0 x", "/app/src/foreign": "0 f" };
    expect(steps(tree({}), held, ["src/d", "src/d/a", "src/never-there"])).toEqual([
      "remove /app/src/d/a",
      "remove /app/src/d",
    ]);
  });

  it("empty a directory before a file takes its place", () => {
    const held = { "/app/src/d": "directory", "/app/src/d/a": "0 x" };
    expect(steps(tree({ "src/d": "0 y" }), held, ["src/d", "src/d/a"])).toEqual([
      "remove /app/src/d/a",
      "put /app/src/d",
    ]);
  });

  it("leave out what cannot be read here", () => {
    expect(steps(tree({ "src/a": "unreadable" }), {})).toEqual([]);
  });

  it("take the later of two rules that meet", () => {
    const now = tree({ "a/x": "0 a", "b/x": "0 b" }, [rule("a", "/app"), rule("b", "/app")]);
    expect([...now.wanted.values()].map(({ name }) => name)).toEqual(["b/x"]);
  });
});

describe("a tree that changes", () => {
  const entry = (fingerprint: string): TreeEntry => ({ kind: "file", fingerprint });

  it.each([
    { rules: [rule("src", "/app/src")] },
    { rules: [rule("a", "/app"), rule("b", "/app"), rule("src", "/app/src")] },
    { rules: [rule("src", "/app/src"), rule("b", "/app/src/d")] },
  ])("is the one that would be made anew, $rules.length rules", ({ rules }) => {
    const names = ["src/a", "src/d/b", "src/c", "a/x", "b/x", "b/b", "a/src/a", "other"];
    let files = new Map(names.slice(0, 5).map((name) => [name, entry(`0 ${name}`)]));
    const fresh = () => {
      const map = compileSync({ rules, rebuild: [] });
      return makeTree({ revision: "r", context: "/ctx", rules, notes: [], map }, files);
    };
    let tree = fresh();
    let random = 7;
    for (let step = 0; step < 300; step += 1) {
      random = (random * 1103515245 + 12345) % 2 ** 31;
      const name = names[random % names.length]!;
      const next = random % 3 === 0 ? undefined : entry(`0 ${step}`);
      files = new Map(files);
      files.delete(name);
      if (next) files.set(name, next);
      tree = changeTree(tree, "r", [[name, next]]);
      expect(Object.fromEntries(tree.wanted)).toEqual(Object.fromEntries(fresh().wanted));
    }
  });
});
