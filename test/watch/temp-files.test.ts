import { expect, it } from "vitest";
import { isNeverWatched } from "../../src/watch/temp-files.js";

it.each([
  "4913",
  ".a.js.swp",
  ".a.js.swx",
  ".a.swo",
  ".env.swp",
  "a.js~",
  ".#a.js",
  "#a.js#",
  "a.js___jb_tmp___",
  "a.js___jb_old___",
  "a.js.kate-swp",
  "sedR3kQ9z",
  "x-go-tmp-umask",
  ".DS_Store",
  ".git",
  ".goutputstream-AB12CD",
  ".nfs00000000001c",
  ".~lock.a.odt#",
])("never watches %s", (name) => {
  expect(isNeverWatched(name)).toBe(true);
});

it.each([
  "a.js",
  "sedentary",
  "sediment.md",
  ".env",
  ".gitignore",
  ".github",
  "49130",
  "swp",
  "a.swp",
  "#",
  "lock#",
  ".dockerignore",
])("watches %s", (name) => {
  expect(isNeverWatched(name)).toBe(false);
});
