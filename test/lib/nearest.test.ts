import { expect, it } from "vitest";
import { editDistance, nearest } from "../../src/lib/nearest.js";

it.each([
  ["imags", "images"],
  ["iamges", "images"],
  ["Images", "images"],
  ["forward", "forwards"],
  ["hsot", "host"],
  ["knd", "kind"],
])("%s was meant to be %s", (word, meant) => {
  expect(nearest(word, ["kind", "images", "forwards", "host", "deploy"])).toBe(meant);
});

it("nothing is suggested for a word that is far from all", () => {
  expect(nearest("volumes", ["images", "forwards", "name"])).toBeUndefined();
  expect(nearest("abcd", ["abxy"])).toBeUndefined();
  expect(nearest("x", [])).toBeUndefined();
});

it("the nearest of several near ones wins, the first of equals", () => {
  expect(nearest("labelz", ["lables", "labels"])).toBe("labels");
  expect(nearest("pot", ["pod", "pat"])).toBe("pod");
});

it("a swap of neighbours is one edit", () => {
  expect(editDistance("ab", "ba")).toBe(1);
  expect(editDistance("kitten", "sitting")).toBe(3);
  expect(editDistance("", "abc")).toBe(3);
});
