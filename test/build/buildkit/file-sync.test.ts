import {
  chmod,
  cp,
  link,
  mkdir,
  mkdtemp,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ContextChanged, type FileSource } from "../../../src/build/buildkit/file-sync.js";
import { compileIgnore } from "../../../src/lib/ignore-file.js";
import { receive, type Received } from "./receiver.js";

// Ends what would wait for ever; the whole file runs by it.
const signal = AbortSignal.timeout(600_000);
let context: string;
const notes: string[] = [];
const errors: unknown[] = [];
beforeEach(async () => {
  context = await mkdtemp(join(tmpdir(), "devloop-context-"));
  notes.length = 0;
  errors.length = 0;
});
afterEach(async () => {
  await rm(context, { recursive: true, force: true });
});

async function write(path: string, content: string | Buffer): Promise<void> {
  await mkdir(dirname(join(context, path)), { recursive: true });
  await writeFile(join(context, path), content);
}

type Wish = Omit<Parameters<typeof receive>[1], "name"> & { readonly name?: string };

function ask(patterns: readonly string[] = [], wish: Wish = {}): Promise<readonly Received[]> {
  const sources = new Map<string, FileSource>([
    ["context", { kind: "directory", path: context, filter: compileIgnore(patterns) }],
    ["dockerfile", { kind: "text", name: "Dockerfile", text: "FROM x" }],
  ]);
  const onNote = (message: string): unknown => notes.push(message);
  const onError = (error: unknown): unknown => errors.push(error);
  return receive({ sources, onNote, onError, signal }, { name: "context", ...wish });
}

const paths = (entries: readonly Received[]): readonly string[] => entries.map(({ path }) => path);
const directory = 2 ** 31;
const symbolicLink = 2 ** 27;

describe("the files of a build context", () => {
  it("come with their bytes, mode and time, links as links", async () => {
    const large = Buffer.alloc(1_000_003, "abc");
    await write("bin/run.sh", "#!/bin/sh\n");
    await chmod(join(context, "bin/run.sh"), 0o4755);
    await utimes(join(context, "bin/run.sh"), 1_000_000, 1_000_000);
    await write("large", large);
    await write("empty", "");
    await symlink("../outside", join(context, "bin/link"));
    const found = new Map((await ask()).map((entry) => [entry.path, entry]));
    expect(found.get("bin")?.mode).toBe(directory + 0o755);
    expect(found.get("bin/run.sh")).toMatchObject({ mode: 2 ** 23 + 0o755, size: 10, time: 1_000_000 });
    expect(found.get("bin/run.sh")?.content?.toString()).toBe("#!/bin/sh\n");
    expect(found.get("bin/link")).toMatchObject({ mode: symbolicLink + 0o777, link: "../outside" });
    expect(found.get("large")?.content?.equals(large)).toBe(true);
    expect(found.get("empty")?.content).toHaveLength(0);
  });

  it("come in the order that the engine insists on, each after the directory that it is in", async () => {
    const names = ["a/b/c", "a.txt", "a-b", "a/b.txt", "A", "é", "\u{1F600}", "\uFF5E", "z/y"];
    for (const name of names) await write(name, name);
    const found = paths(await ask(["a", "!a/b/c"]));
    // A directory that is left out travels when something in it does.
    expect(found).toEqual(["A", "a", "a/b", "a/b/c", "a-b", "a.txt", "z", "z/y", "é", "\uFF5E", "\u{1F600}"]);
  });

  it("come only when they are asked for", async () => {
    await write("one", "1");
    await write("two", "2");
    const found = await ask([], { wants: ({ path }) => path === "two" });
    expect(found.map(({ path, content }) => [path, content?.toString()])).toEqual([
      ["one", undefined],
      ["two", "2"],
    ]);
  });

  it("are no more than the Dockerfile copies, and what links on the way lead to", async () => {
    for (const path of ["src/a.js", "src/b.css", "src/deep/c.js", "lib/real/x", "lib/other", "rest/huge"])
      await write(path, path);
    await symlink("lib/real", join(context, "current"));
    await symlink("/lib/other", join(context, "absolute"));
    await symlink("../../outside", join(context, "out"));
    await symlink("round", join(context, "round"));
    const find = async (...followPaths: string[]): Promise<readonly string[]> =>
      paths(await ask([], { followPaths }));
    expect(await find("src/*.js")).toEqual(["src", "src/a.js"]);
    expect(await find("src")).toEqual(["src", "src/a.js", "src/b.css", "src/deep", "src/deep/c.js"]);
    expect(await find("current/x")).toEqual(["current", "lib", "lib/real", "lib/real/x"]);
    expect(await find("absolute")).toEqual(["absolute", "lib", "lib/other"]);
    expect(await find("c*")).toEqual(["current", "lib", "lib/real", "lib/real/x"]);
    expect(await find("round", "out")).toEqual(["out", "round"]);
    expect(await find("nothing")).toEqual([]);
  });

  it("keep further names of a file as such", async () => {
    await write("a", "same");
    await link(join(context, "a"), join(context, "b"));
    const [first, second] = await ask();
    expect(first).toMatchObject({ path: "a", link: "", size: 4 });
    expect(second).toMatchObject({ path: "b", link: "a", size: 0 });
  });

  it("tell another content of the same size and time from the one before", async () => {
    await write("file", "old!");
    await utimes(join(context, "file"), 1_000_000, 1_000_000);
    const [before] = await ask();
    expect((await ask())[0]?.stat).toBe(before?.stat);
    // As cp -p, rsync and unpacked archives leave it.
    await write("new", "new!");
    await utimes(join(context, "new"), 1_000_000, 1_000_000);
    await rename(join(context, "new"), join(context, "file"));
    const [after] = await ask();
    expect(after).toMatchObject({ size: 4, time: before?.time });
    expect(after?.stat).not.toBe(before?.stat);
    expect((await stat(join(context, "file"))).mtimeMs).toBe(1_000_000_000);
  });

  it("leave sockets out, which is said", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(join(context, "own.sock"), resolve));
    try {
      expect(await ask()).toEqual([]);
    } finally {
      server.close();
    }
    expect(notes).toEqual(["left out of the build context, neither file nor link: own.sock"]);
  });

  it.each([
    ["got shorter", (path: string) => truncate(path, 0)],
    ["was removed", (path: string) => rm(path)],
  ])("fail the transfer when one %s meanwhile, instead of coming wrong", async (what, change) => {
    await write("a-first", Buffer.alloc(10));
    await write("large", Buffer.alloc(20_000_000));
    let changed = false;
    const failed = ask([], {
      async onData(path) {
        const now = what === "was removed" ? path === "a-first" : path === "large";
        if (!changed && now) await change(join(context, "large"));
        changed ||= now;
      },
    });
    await expect(failed).rejects.toThrow(ContextChanged);
    expect(errors).toMatchObject([{ message: `large ${what} while the build context was being sent` }]);
  });

  it("fail for a name that cannot travel", async () => {
    await writeFile(
      Buffer.concat([Buffer.from(`${context}/b`), Buffer.from([0xe9]), Buffer.from(".txt")]),
      "x",
    );
    await expect(ask()).rejects.toMatchObject({
      code: "CONTEXT_UNREADABLE",
      message: "b\uFFFD.txt cannot be sent to the build: its name is not UTF-8",
    });
  });

  it("fail clearly for a context that is not there, and for a name that the build was not given", async () => {
    await rm(context, { recursive: true });
    await expect(ask()).rejects.toMatchObject({ code: "CONTEXT_UNREADABLE" });
    await expect(ask([], { name: "other" })).rejects.toThrow('asks for "other"');
  });

  it("are the text given, for a Dockerfile", async () => {
    const [file] = await ask([], { name: "dockerfile" });
    expect(file).toMatchObject({ path: "Dockerfile", mode: 0o644, size: 6 });
    expect(file?.content?.toString()).toBe("FROM x");
  });

  it("are all of a copied tree", async () => {
    for (let number = 0; number < 500; number += 1)
      await write(`files/${number % 7}/${number}`, String(number));
    await cp(join(context, "files"), join(context, "copy"), { recursive: true });
    const found = await ask();
    const files = found.filter(({ content }) => content !== undefined);
    expect(files).toHaveLength(1000);
    for (const { path, content } of files) expect(content?.toString()).toBe(path.split("/").at(-1));
  });
});
