import { createServer } from "node:net";
import { chmod, mkdir, mkdtemp, rm, symlink, truncate, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { extract, type Header } from "tar-stream";
import { contextArchive } from "../../src/build/context.js";
import { compileIgnore } from "../../src/lib/ignore-file.js";

const signal = AbortSignal.timeout(20_000);
let context: string;
const notes: string[] = [];
beforeEach(async () => {
  context = await mkdtemp(join(tmpdir(), "devloop-context-"));
  notes.length = 0;
});
afterEach(async () => {
  await rm(context, { recursive: true });
});

async function write(path: string, content: string | Buffer): Promise<void> {
  await mkdir(dirname(join(context, path)), { recursive: true });
  await writeFile(join(context, path), content);
}

function archive(patterns: readonly string[] = [], dockerfile = { path: "Dockerfile", text: "FROM x" }) {
  return contextArchive({
    context,
    filter: compileIgnore(patterns),
    dockerfile,
    onNote: (message) => notes.push(message),
    signal,
  });
}

async function read(
  stream: ReturnType<typeof archive>,
): Promise<Map<string, { header: Header; content: Buffer }>> {
  const found = new Map<string, { header: Header; content: Buffer }>();
  const entries = extract();
  stream.on("error", (error) => {
    entries.destroy(error);
  });
  stream.pipe(entries);
  for await (const entry of entries) {
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(chunk as Buffer);
    found.set(entry.header.name.replace(/\/$/, ""), { header: entry.header, content: Buffer.concat(chunks) });
  }
  return found;
}

describe("contextArchive", () => {
  it("holds files with their bytes, mode and time, links as links, owned by root", async () => {
    const large = Buffer.alloc(1_000_003, "abc");
    await write("bin/run.sh", "#!/bin/sh\n");
    await chmod(join(context, "bin/run.sh"), 0o755);
    await utimes(join(context, "bin/run.sh"), 1_000_000, 1_000_000);
    await write("large", large);
    await write("empty", "");
    await write(`${"long/".repeat(30)}name`, "deep");
    await symlink("../outside", join(context, "bin/link"));
    const found = await read(archive());
    expect(found.get("bin/run.sh")?.header).toMatchObject({
      mode: 0o755,
      uid: 0,
      gid: 0,
      mtime: new Date(1_000_000_000),
    });
    expect(found.get("large")?.content.equals(large)).toBe(true);
    expect(found.get("empty")?.content).toHaveLength(0);
    expect(found.get(`${"long/".repeat(30)}name`)?.content.toString()).toBe("deep");
    expect(found.get("bin/link")?.header).toMatchObject({ type: "symlink", linkname: "../outside" });
    expect(found.get("Dockerfile")?.content.toString()).toBe("FROM x");
  });

  it("leaves ignored paths out, and the Dockerfile is the text given", async () => {
    await write("Dockerfile", "FROM old");
    await write("a/kept", "");
    await write("a/dropped", "");
    await write("node_modules/x/y", "");
    const found = await read(
      archive(["a", "!a/kept", "node_modules", "Dockerfile"], { path: "Dockerfile", text: "new" }),
    );
    expect([...found.keys()].sort()).toEqual(["Dockerfile", "a/kept"]);
    expect(found.get("Dockerfile")?.content.toString()).toBe("new");
  });

  it("leaves sockets out and says so", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(join(context, "own.sock"), resolve));
    try {
      expect([...(await read(archive())).keys()]).toEqual(["Dockerfile"]);
    } finally {
      server.close();
    }
    expect(notes).toEqual(["left out of the build context, neither file nor link: own.sock"]);
  });

  it("fails clearly for a file that gets shorter while it is sent", async () => {
    await write("large", Buffer.alloc(20_000_000));
    const stream = archive();
    const reading = (async () => {
      let received = 0;
      for await (const chunk of stream) {
        const before = received;
        received += (chunk as Buffer).length;
        // By then its header is on its way, with the size it had.
        if (before < 1_000_000 && received >= 1_000_000) await truncate(join(context, "large"), 0);
      }
    })();
    await expect(reading).rejects.toMatchObject({
      code: "CONTEXT_UNREADABLE",
      message: "large cannot be sent to the build: it got shorter while it was being sent",
    });
  });

  it("fails for a context that is not there", async () => {
    await rm(context, { recursive: true });
    const failed = read(archive());
    await expect(failed).rejects.toMatchObject({ code: "CONTEXT_UNREADABLE" });
    await mkdir(context);
  });

  it("holds a tree of many files, in the order of their names", async () => {
    for (let index = 0; index < 300; index += 1) await write(`d${index % 7}/f${index}`, String(index));
    const found = await read(archive());
    expect([...found.values()].filter(({ header }) => header.type === "file")).toHaveLength(301);
    expect(found.get("d3/f10")?.content.toString()).toBe("10");
  });
});
