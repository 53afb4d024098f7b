import { createHash } from "node:crypto";
import { chmod, mkdir, symlink, utimes, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Connected, connect, isRoot, makePlace, type Place, plainUser } from "./agent-rig.js";

const signal = new AbortController().signal;
let place: Place;
let connected: Connected;
beforeEach(async () => {
  place = await makePlace();
  connected = await connect(place, isRoot ? { uid: plainUser } : {});
});
afterEach(async () => {
  await connected[Symbol.asyncDispose]();
  await place[Symbol.asyncDispose]();
});
const at = (path: string): string => join(place.root, path);
const sha256 = (content: string | Uint8Array): string =>
  createHash("sha256").update(content).digest("base64");

describe.runIf(process.platform === "linux")("what the agent finds", () => {
  it("is told by kind, with the hash of files, and through no link", async () => {
    await mkdir(at("d"), { mode: 0o750 });
    await writeFile(at("d/f"), "content", { mode: 0o640 });
    await chmod(at("d/f"), 0o644);
    await chmod(at("d"), 0o755);
    await symlink("d/f", at("l"));
    await symlink("d", at("dl"));
    await writeFile(at("secret"), "s");
    await chmod(at("secret"), 0);
    const socket = createServer().listen(at("socket"));
    const paths = ["d/f", "d", "l", "missing", "d/f/below", "missing/below", "dl/f", "secret", "socket"];
    expect(await connected.agent.query(place.root, paths, { signal })).toEqual([
      { kind: "file", mode: 0o644, size: 7, sha256: sha256("content") },
      { kind: "directory", mode: 0o755 },
      { kind: "link", target: "d/f" },
      { kind: "missing" },
      { kind: "missing" },
      { kind: "missing" },
      { kind: "unreadable", errno: 40 },
      { kind: "unreadable", errno: 13 },
      { kind: "other" },
    ]);
    socket.close();
    expect(await connected.agent.query(at("no/root"), ["x"], { signal })).toEqual([{ kind: "missing" }]);
    expect(await connected.agent.query(place.root, [], { signal })).toEqual([]);
  });

  it("is hashed as sha256 has it, at every length around its blocks", async () => {
    const sizes = [0, 1, 55, 56, 57, 63, 64, 65, 119, 120, 127, 128, 65_535, 65_536, 65_537, 200_003];
    for (const size of sizes) await writeFile(at(`f${size}`), Buffer.alloc(size, `${size} `));
    const found = await connected.agent.query(
      place.root,
      sizes.map((size) => `f${size}`),
      { signal },
    );
    expect(found).toMatchObject(
      sizes.map((size) => ({ size, sha256: sha256(Buffer.alloc(size, `${size} `)) })),
    );
  });

  it("is answered for more paths than a frame holds, in their order", async () => {
    for (const index of [0, 999, 1000, 2500]) await writeFile(at(`f${index}`), `${index}`);
    const paths = Array.from({ length: 2501 }, (_, index) => `f${index}`);
    const found = await connected.agent.query(place.root, paths, { signal });
    expect(found).toHaveLength(2501);
    expect([...found.entries()].filter(([, { kind }]) => kind === "file").map(([index]) => index)).toEqual([
      0, 999, 1000, 2500,
    ]);
  });

  it("is listed as a tree, directories before what is in them, links and closed directories as such", async () => {
    await mkdir(at("a/b"), { recursive: true });
    await writeFile(at("a/b/f"), "12345");
    await chmod(at("a/b/f"), 0o751);
    await utimes(at("a/b/f"), 1_700_000_000, 1_700_000_000.25);
    await symlink("a", at("l"));
    await mkdir(at("closed"));
    await chmod(at("closed"), 0);
    const entries = await connected.agent.walk(place.root, { signal });
    const byPath = new Map(entries.map((entry) => [entry.path, entry]));
    expect([...byPath.keys()].sort()).toEqual(["a", "a/b", "a/b/f", "closed", "l"]);
    expect(byPath.get("a/b/f")).toEqual({
      ...{ kind: "file", path: "a/b/f", mode: 0o751, size: 5 },
      modifiedAt: 1_700_000_000_250_000_000n,
    });
    expect(byPath.get("l")).toMatchObject({ kind: "link" });
    expect(byPath.get("closed")).toEqual({ kind: "unreadable", path: "closed", errno: 13 });
    const order = entries.map(({ path }) => path);
    expect(order.indexOf("a")).toBeLessThan(order.indexOf("a/b"));
    expect(await connected.agent.walk(at("missing"), { signal })).toEqual([]);
    expect(await connected.agent.walk(at("a/b/f"), { signal })).toEqual([
      { kind: "unreadable", path: "", errno: 20 },
    ]);
    await chmod(at("closed"), 0o755);
  });

  it("is listed in as many frames as it takes, and to a depth that no path has", async () => {
    for (let directory = 0; directory < 20; directory++) {
      await mkdir(at(`d${directory}`));
      const names = Array.from({ length: 200 }, (_, index) => `${"n".repeat(60)}${index}`);
      await Promise.all(names.map((name) => writeFile(at(`d${directory}/${name}`), "")));
    }
    expect(await connected.agent.walk(place.root, { signal })).toHaveLength(20 * 201);
    await mkdir(at(`deep${"/d".repeat(300)}`), { recursive: true });
    const deep = (await connected.agent.walk(at("deep"), { signal })).at(-1);
    expect(deep).toMatchObject({ kind: "unreadable", errno: 40 });
  });

  it("is fetched with its bytes; what cannot be read says why", async () => {
    const content = Buffer.alloc(1_000_003, "devloop");
    await writeFile(at("large"), content);
    await writeFile(at("empty"), "");
    await symlink("large", at("l"));
    const fetch = (path: string): Promise<Uint8Array> => connected.agent.fetch(place.root, path, { signal });
    expect(content.equals(await fetch("large"))).toBe(true);
    expect(await fetch("empty")).toHaveLength(0);
    await expect(fetch("missing")).rejects.toMatchObject({ name: "AgentError", code: "ENOENT" });
    await expect(fetch("l")).rejects.toMatchObject({ code: "ELOOP" });
    await expect(fetch(".")).rejects.toMatchObject({ code: "EINVAL" });
    await mkdir(at("d"));
    await expect(fetch("d")).rejects.toMatchObject({ code: "EINVAL" });
    await connected.agent.ping({ signal });
  });
});
