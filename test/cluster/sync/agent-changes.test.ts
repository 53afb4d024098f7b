import { createHash } from "node:crypto";
import {
  chmod,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Agent, type ChangeResult, type TreeChange } from "../../../src/cluster/sync/agent-client.js";
import { changeFrame } from "../../../src/cluster/sync/agent-messages.js";
import { frame } from "../../../src/cluster/sync/agent-wire.js";
import {
  type Connected,
  connect,
  ending,
  isRoot,
  makePlace,
  type Place,
  plainUser,
  start,
  until,
} from "./agent-rig.js";

const signal = new AbortController().signal;
let place: Place;
let connected: Connected;
let agent: Agent;
let root: string;
beforeEach(async () => {
  place = await makePlace();
  connected = await connect(place);
  ({ agent } = connected);
  ({ root } = place);
});
afterEach(async () => {
  await connected[Symbol.asyncDispose]();
  await place[Symbol.asyncDispose]();
});

const sha256 = (content: string | Uint8Array): string =>
  createHash("sha256").update(content).digest("base64");
const at = (path: string): string => join(root, path);
const read = (path: string): Promise<string> => readFile(at(path), "utf8");
const mode = async (path: string): Promise<number> => (await lstat(at(path))).mode & 0o7777;
const done = (content: string): ChangeResult => ({ kind: "done", sha256: sha256(content) });
const failed = (code: string, call: string): ChangeResult => ({ kind: "failed", code, call });

function file(path: string, content: string, settings: { mode?: number; root?: string } = {}): TreeChange {
  return {
    kind: "file",
    root: settings.root ?? root,
    path,
    mode: settings.mode ?? 0o644,
    content: Buffer.from(content),
  };
}
const link = (path: string, target: string): TreeChange => ({ kind: "link", root, path, target });
const directory = (path: string, bits = 0o755): TreeChange => ({ kind: "directory", root, path, mode: bits });
const remove = (path: string): TreeChange => ({ kind: "remove", root, path });
const apply = (...changes: TreeChange[]): Promise<readonly ChangeResult[]> =>
  agent.apply(changes, { signal });

describe.runIf(process.platform === "linux")("changes by the agent", () => {
  it("are files with their bytes and modes, in directories that are made", async () => {
    const results = await apply(
      file("a/b/run.sh", "#!/bin/sh\n", { mode: 0o755 }),
      file("empty", ""),
      file("read-only", "r", { mode: 0o444 }),
      file("setuid", "s", { mode: 0o4711 }),
    );
    expect(results).toEqual([done("#!/bin/sh\n"), done(""), done("r"), done("s")]);
    expect(await read("a/b/run.sh")).toBe("#!/bin/sh\n");
    expect(await read("empty")).toBe("");
    expect([
      await mode("a"),
      await mode("a/b/run.sh"),
      await mode("read-only"),
      await mode("setuid"),
    ]).toEqual([0o755, 0o755, 0o444, 0o4711]);
    expect(await readdir(root)).not.toContain(".empty.devloop");
  });

  it("replace a file in one step: who has it open keeps the old one", async () => {
    await apply(file("f", "one"));
    const before = await stat(at("f"));
    expect(await apply(file("f", "two"))).toEqual([done("two")]);
    expect((await stat(at("f"))).ino).not.toBe(before.ino);
    expect(await read("f")).toBe("two");
  });

  it("are links, also in the place of other things, and never through them", async () => {
    await writeFile(at("target"), "kept");
    await symlink("target", at("was-link"));
    await mkdir(at("was-empty"));
    const results = await apply(
      link("l", "../outside/of it"),
      link("was-empty", "target"),
      file("was-link", "now a file"),
      link("deep/er", "x"),
    );
    expect(results.map(({ kind }) => kind)).toEqual(["done", "done", "done", "done"]);
    expect(await readlink(at("l"))).toBe("../outside/of it");
    expect(await readlink(at("was-empty"))).toBe("target");
    expect(await readlink(at("deep/er"))).toBe("x");
    expect(await read("was-link")).toBe("now a file");
    expect(await read("target")).toBe("kept");
  });

  it("are directories: made, given another mode, in the place of a file", async () => {
    await mkdir(at("there"), { mode: 0o700 });
    await writeFile(at("there/in"), "in");
    await writeFile(at("was-file"), "f");
    await symlink("there", at("was-link"));
    expect(
      await apply(directory("new", 0o1777), directory("there"), directory("was-file"), directory("was-link")),
    ).toEqual(Array(4).fill({ kind: "done" }));
    expect([await mode("new"), await mode("there"), await mode("was-file")]).toEqual([0o1777, 0o755, 0o755]);
    expect(await read("there/in")).toBe("in");
    expect((await lstat(at("was-link"))).isDirectory()).toBe(true);
  });

  it("remove files, links and empty directories; what is missing is no failure, what holds something stays", async () => {
    await mkdir(at("empty"));
    await mkdir(at("full"));
    await writeFile(at("full/in"), "in");
    await writeFile(at("f"), "f");
    await symlink("full", at("l"));
    const results = await apply(
      ...[
        remove("empty"),
        remove("full"),
        remove("f"),
        remove("l"),
        remove("gone"),
        remove("gone/too"),
        remove("f/below"),
      ],
    );
    expect(results.map(({ kind }) => kind)).toEqual(["done", "kept", "done", "done", "done", "done", "done"]);
    expect(await readdir(root)).toEqual(["full"]);
    expect(await readdir(at("full"))).toEqual(["in"]);
  });

  it("fail one by one, with the call and the reason, and leave nothing behind", async () => {
    await mkdir(at("full"));
    await writeFile(at("full/in"), "in");
    await mkdir(at("empty"));
    await writeFile(at("plain"), "p");
    await symlink("full", at("link"));
    const long = "n".repeat(256);
    const wrong = {
      size: 3,
      sha256: sha256("other"),
      chunks: (async function* () {
        yield await Promise.resolve(Buffer.from("abc"));
      })(),
    };
    const results = await apply(
      file("full", "f"),
      file("empty", "now a file"),
      file("plain/below", "x"),
      file("link/below", "x"),
      link("link/l", "x"),
      directory("link/d"),
      remove("link/in"),
      file(long, "x"),
      file(`${long}/x`, "x"),
      link(long, "x"),
      { kind: "file", root, path: "mismatch", mode: 0o644, content: wrong },
      file("last", "still done"),
    );
    expect(results).toEqual([
      failed("ENOTEMPTY", "rmdir"),
      done("now a file"),
      failed("ENOTDIR", "open"),
      failed("ELOOP", "open"),
      failed("ELOOP", "open"),
      failed("ELOOP", "open"),
      failed("ELOOP", "open"),
      failed("ENAMETOOLONG", "open"),
      failed("ENAMETOOLONG", "open"),
      failed("ENAMETOOLONG", "rename"),
      failed("EBADMSG", "hash"),
      done("still done"),
    ]);
    expect((await readdir(root)).sort()).toEqual(["empty", "full", "last", "link", "plain"]);
    expect(await readdir(at("full"))).toEqual(["in"]);
  });

  it("write names of every length that a file may have", async () => {
    const names = [245, 246, 247, 255].map((length) => "n".repeat(length));
    const wide = "é".repeat(127);
    expect(
      (await apply(...names.map((name) => file(name, name)), file(wide, "w"))).map(({ kind }) => kind),
    ).toEqual(Array(5).fill("done"));
    expect((await readdir(root)).sort()).toEqual([...names, wide].sort());
  });

  it.each(["../x", "..", "a/../x", ".", "./x", "/etc/x", "", "a//x", "a/", "a/.", "a\0b"])(
    "stay below their root: %j is refused",
    async (path) => {
      const results = await apply(file(path, "x"), link(path, "x"), directory(path), remove(path));
      expect(results).toEqual(Array(4).fill(failed("EINVAL", "open")));
      expect(await agent.query(root, [path], { signal })).toEqual([{ kind: "unreadable", errno: 22 }]);
      await expect(agent.fetch(root, path, { signal })).rejects.toMatchObject({ code: "EINVAL" });
      expect(await readdir(root)).toEqual([]);
    },
  );

  it("follow links in the root's own name, and make a root that is missing", async () => {
    await mkdir(at("real"));
    await symlink("real", at("alias"));
    expect(
      await apply(file("f", "1", { root: at("alias") }), file("f", "2", { root: at("new/root//x/") })),
    ).toEqual([done("1"), done("2")]);
    expect([await read("real/f"), await read("new/root/x/f")]).toEqual(["1", "2"]);
    expect(
      await apply({ kind: "remove", root: at("no/root"), path: "x" }, file("x", "", { root: "" })),
    ).toEqual([{ kind: "done" }, failed("EINVAL", "open")]);
    expect(await readdir(root)).not.toContain("no");
  });

  it("tell what may not be written, as a user that is not root", async () => {
    await mkdir(at("closed"), { mode: 0o755 });
    await writeFile(at("closed/f"), "f");
    if (!isRoot) await chmod(at("closed"), 0o555);
    await using other = await connect(place, isRoot ? { uid: plainUser } : {});
    if (isRoot) expect(other.agent.hello).toEqual({ uid: plainUser, gid: plainUser, supervised: false });
    const changes = [
      file("closed/f", "x"),
      directory("closed/d"),
      link("closed/l", "x"),
      remove("closed/f"),
      file("mine", "m"),
    ];
    expect(await other.agent.apply(changes, { signal })).toEqual([
      failed("EACCES", "open"),
      failed("EACCES", "mkdir"),
      failed("EACCES", "symlink"),
      failed("EACCES", "unlink"),
      done("m"),
    ]);
    await chmod(at("closed"), 0o755);
  });

  it("tell of a full disk and of a read-only one, and go on with what fits", async () => {
    const mounts =
      'mount -t tmpfs -o size=64k devloop "$1" && mkdir "$1/ro" && mount -t tmpfs -o ro devloop "$1/ro" && exec "$0" serve';
    const before = [...(isRoot ? [] : ["sudo", "-n"]), "unshare", "--mount", "sh", "-c", mounts];
    const child = start([...before, place.agent, root]);
    const { openAgent } = await import("../../../src/cluster/sync/agent-client.js");
    using full = await openAgent({ input: child.stdin, output: child.stdout }, { signal });
    const results = await full.apply(
      [
        file("large", "x".repeat(300_000)),
        file("small", "s"),
        file("ro/f", "x"),
        file("f", "new/f", { root: at("ro/new/root") }),
      ],
      { signal },
    );
    expect(results).toEqual([
      failed("ENOSPC", "write"),
      done("s"),
      failed("EROFS", "open"),
      failed("EROFS", "open"),
    ]);
    expect((await full.walk(root, { signal })).map(({ path }) => path).sort()).toEqual(["ro", "small"]);
    full[Symbol.dispose]();
    expect(await ending(child)).toBe(0);
  });

  it("are 2,000 in one batch, and equal sizes do not hide an edit", async () => {
    const changes = (text: string): TreeChange[] =>
      Array.from({ length: 2000 }, (_, index) => file(`d${index % 40}/f${index}`, `${text} ${index}`));
    expect((await agent.apply(changes("one"), { signal })).every(({ kind }) => kind === "done")).toBe(true);
    expect(await agent.apply(changes("two"), { signal })).toEqual(
      Array.from({ length: 2000 }, (_, index) => done(`two ${index}`)),
    );
    const paths = Array.from({ length: 2000 }, (_, index) => `d${index % 40}/f${index}`);
    const found = await agent.query(root, paths, { signal });
    expect(found.map((one) => (one.kind === "file" ? one.sha256 : one.kind))).toEqual(
      paths.map((_, index) => sha256(`two ${index}`)),
    );
  });

  it("stream a file of 300 MB without holding it", { timeout: 300_000 }, async () => {
    const chunk = Buffer.alloc(1024 * 1024, "devloop");
    const count = 300;
    const hash = createHash("sha256");
    for (let sent = 0; sent < count; sent++) hash.update(chunk);
    const digest = hash.digest("base64");
    let highest = 0;
    const chunks = async function* (): AsyncGenerator<Buffer> {
      for (let sent = 0; sent < count; sent++) {
        highest = Math.max(highest, connected.child.stdin.writableLength);
        yield await Promise.resolve(chunk);
      }
    };
    const content = { size: count * chunk.length, sha256: digest, chunks: chunks() };
    expect(await apply({ kind: "file", root, path: "large", mode: 0o600, content })).toEqual([
      { kind: "done", sha256: digest },
    ]);
    expect(highest).toBeLessThan(2 * 1024 * 1024);
    const peak = /VmHWM:\s+(\d+) kB/.exec(
      await readFile(`/proc/${connected.child.pid!}/status`, "utf8"),
    )?.[1];
    expect(Number(peak)).toBeLessThan(4 * 1024);
    expect(await agent.query(root, ["large"], { signal })).toMatchObject([
      { kind: "file", mode: 0o600, sha256: digest },
    ]);
  });

  it("give a file up whose bytes cannot be read to their end, and keep the one that was there", async () => {
    await writeFile(at("f"), "old");
    const failing = async function* (): AsyncGenerator<Buffer> {
      yield await Promise.resolve(Buffer.from("ab"));
      throw Object.assign(new Error("gone"), { code: "ENOENT" });
    };
    const short = async function* (): AsyncGenerator<Buffer> {
      yield await Promise.resolve(Buffer.from("ab"));
    };
    const content = (chunks: AsyncIterable<Uint8Array>): TreeChange => ({
      ...{ kind: "file", root, path: "f", mode: 0o644 },
      content: { size: 3, sha256: sha256("abc"), chunks },
    });
    expect(await apply(content(failing()), content(short()), file("g", "g"))).toEqual([
      failed("ENOENT", "read"),
      failed("ECANCELED", "read"),
      done("g"),
    ]);
    expect(await read("f")).toBe("old");
    expect((await readdir(root)).sort()).toEqual(["f", "g"]);
  });

  it("leave a temporary file behind when the agent is killed, which the next change of the file removes", async () => {
    const { child } = connected;
    const sha = sha256("abc");
    child.stdin.write(frame("B", 77));
    child.stdin.write(changeFrame(77, { kind: "file", root, path: "f", mode: 0o644, size: 3, sha256: sha }));
    child.stdin.write(frame("D", 77, Buffer.from("ab")));
    await until(async () => (await readdir(root)).length > 0);
    expect(await readdir(root)).toEqual([".f.devloop"]);
    child.kill("SIGKILL");
    await ending(child);
    expect(await readdir(root)).toEqual([".f.devloop"]);
    await using next = await connect(place);
    expect(await next.agent.apply([file("f", "abc")], { signal })).toEqual([done("abc")]);
    expect(await readdir(root)).toEqual(["f"]);
  });

  it("leave nothing behind when the client goes within a frame", async () => {
    const { child } = connected;
    child.stdin.write(frame("B", 77));
    child.stdin.write(
      changeFrame(77, { kind: "file", root, path: "f", mode: 0o644, size: 9, sha256: sha256("abc") }),
    );
    child.stdin.write(frame("D", 77, Buffer.from("ab")));
    await until(async () => (await readdir(root)).length > 0);
    child.stdin.end(frame("D", 77, Buffer.from("cdefg")).subarray(0, 11));
    expect(await ending(child)).toBe(0);
    expect(await readdir(root)).toEqual([]);
  });

  it("do not remove the temporary file of another agent", async () => {
    const { child } = connected;
    child.stdin.write(frame("B", 77));
    child.stdin.write(
      changeFrame(77, { kind: "file", root, path: "f", mode: 0o644, size: 9, sha256: sha256("abc") }),
    );
    await until(async () => (await readdir(root)).length > 0);
    await writeFile(at("another"), "another's");
    await rename(at("another"), at(".f.devloop"));
    child.stdin.end();
    expect(await ending(child)).toBe(0);
    expect(await read(".f.devloop")).toBe("another's");
  });
});
