import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Agent, WalkEntry } from "../../../src/cluster/sync/agent-types.js";
import { pullOnce } from "../../../src/cluster/sync/pull.js";
import { type Connected, connect, makePlace, type Place } from "./agent-rig.js";

const signal = new AbortController().signal;
let place: Place;
let connected: Connected;
let dest: string;
let notes: string[];
let taken: Map<string, string>;
beforeEach(async () => {
  place = await makePlace();
  connected = await connect(place, {});
  dest = join(await mkdtemp(join(tmpdir(), "devloop-pull-")), "here");
  notes = [];
  taken = new Map();
});
afterEach(async () => {
  await connected[Symbol.asyncDispose]();
  await place[Symbol.asyncDispose]();
  await rm(join(dest, ".."), { recursive: true });
});
const look = (agent: Agent = connected.agent) =>
  pullOnce({ src: place.root, dest }, agent, { taken, onNote: (note) => void notes.push(note), signal });

/** An agent that names files as a container that means ill might. */
function naming(path: string): Agent {
  const entry: WalkEntry = { kind: "file", path, mode: 0o644, size: 1, modifiedAt: 1n };
  return {
    ...connected.agent,
    walk: () => Promise.resolve([entry]),
    fetch: () => Promise.resolve(Buffer.from("x")),
  };
}

describe.runIf(process.platform === "linux")("files that come back", () => {
  it("are written with their directories and executable bits, and again when they change", async () => {
    await mkdir(join(place.root, "types/deep"), { recursive: true });
    await writeFile(join(place.root, "types/deep/a.d.ts"), "one");
    await writeFile(join(place.root, "run"), "#!");
    await chmod(join(place.root, "run"), 0o755);
    await look();
    expect(await readFile(join(dest, "types/deep/a.d.ts"), "utf8")).toBe("one");
    expect((await stat(join(dest, "run"))).mode & 0o777).toBe(0o755);
    await writeFile(join(place.root, "types/deep/a.d.ts"), "two");
    await utimes(join(place.root, "types/deep/a.d.ts"), 1, 1);
    await look();
    expect(await readFile(join(dest, "types/deep/a.d.ts"), "utf8")).toBe("two");
    expect(notes).toEqual([]);
  });

  it("are taken once, and never deleted here", async () => {
    await writeFile(join(place.root, "a"), "a");
    await look();
    await writeFile(join(dest, "a"), "edited here");
    await rm(join(place.root, "a"));
    await look();
    await writeFile(join(place.root, "b"), "b");
    await look();
    expect(await readFile(join(dest, "a"), "utf8")).toBe("edited here");
    expect((await readdir(dest)).sort()).toEqual(["a", "b"]);
  });

  it.each(["../out", "a/../../out", "/etc/out", "a//b", "..", "a\\b"])(
    "never leave dest: %s",
    async (path) => {
      await look(naming(path));
      expect(notes).toEqual([expect.stringContaining("is not brought back: its name leads elsewhere")]);
      expect(await readdir(join(dest, "..")).catch(() => [])).toEqual([]);
    },
  );

  it("follow no link that stands in dest", async () => {
    const outside = await mkdtemp(join(tmpdir(), "devloop-outside-"));
    await mkdir(dest, { recursive: true });
    await symlink(outside, join(dest, "d"));
    await mkdir(join(place.root, "d"));
    await writeFile(join(place.root, "d/f"), "x");
    await look();
    expect(await readdir(outside)).toEqual([]);
    expect(notes).toEqual([expect.stringContaining("is not a directory")]);
    await rm(outside, { recursive: true });
  });

  it("are left where they are when they are links", async () => {
    await symlink("/etc/passwd", join(place.root, "l"));
    await look();
    expect(await readdir(dest).catch(() => [])).toEqual([]);
  });
});
