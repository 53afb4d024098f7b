import type { Readable } from "node:stream";
import { extract } from "tar-stream";
import { buffer } from "node:stream/consumers";
import { describe, expect, it } from "vitest";
import { imageLayout } from "../../../src/cluster/load/image-layout.js";
import { LayoutStream } from "../../../src/cluster/load/layout-stream.js";

const digest = (digit: string): string => `sha256:${digit.repeat(64)}`;
const path = (digit: string): string => `blobs/sha256/${digit.repeat(64)}`;

async function read(archive: Readable): Promise<ReadonlyMap<string, Buffer>> {
  const files = new Map<string, Buffer>();
  for await (const entry of archive.pipe(extract())) {
    files.set(entry.header.name, await buffer(entry));
  }
  return files;
}

async function* pieces(count: number, bytes: number): AsyncGenerator<Buffer> {
  for (let piece = 0; piece < count; piece += 1) {
    await Promise.resolve();
    yield Buffer.alloc(bytes, piece);
  }
}

describe("an image layout in the making", () => {
  it("takes blobs at once, one after the other, and ends with the index", async () => {
    const layout = new LayoutStream();
    const files = read(layout.archive);
    await Promise.all([
      layout.add(digest("a"), 300_000, pieces(3, 100_000)),
      layout.add(digest("b"), 7, pieces(1, 7)),
    ]);
    const top = { digest: digest("c"), mediaType: "application/x", content: Buffer.from("{}") };
    layout.finish("web:1", top, [top]);
    const found = await files;
    expect([...found.keys()]).toEqual(["oci-layout", path("a"), path("b"), path("c"), "index.json"]);
    expect(found.get(path("a"))?.length).toBe(300_000);
    expect(JSON.parse(String(found.get("index.json")))).toEqual({
      schemaVersion: 2,
      manifests: [
        {
          mediaType: "application/x",
          digest: digest("c"),
          size: 2,
          annotations: { "io.containerd.image.name": "docker.io/library/web:1" },
        },
      ],
    });
  });

  it("is no archive to its reader once it has failed, or holds less than was said", async () => {
    const failed = new LayoutStream();
    failed.fail(new Error("the push broke off"));
    await expect(buffer(failed.archive)).rejects.toThrow("the push broke off");
    const short = new LayoutStream();
    void short.add(digest("a"), 10, pieces(1, 9));
    await expect(buffer(short.archive)).rejects.toThrow("Size mismatch");
  });

  it("takes no more once its reader has gone", async () => {
    const layout = new LayoutStream();
    layout.archive.once("data", () => layout.archive.destroy());
    await expect(layout.add(digest("a"), 1_000_000, pieces(10, 100_000))).rejects.toThrow(
      "the nodes take no more",
    );
    await expect(layout.add(digest("b"), 1, pieces(1, 1))).rejects.toThrow();
  });

  it("names layers that it does not hold, and holds one that comes twice once", async () => {
    const layer = { digest: digest("a"), size: 3, content: [Buffer.from("a"), Buffer.from("bc")] };
    const there = { digest: digest("b"), size: 5 };
    const files = await read(
      imageLayout({ ref: "web:1", config: Buffer.from("{}"), layers: [there, layer, layer] }),
    );
    const [config] = [...files.keys()].filter((name) => String(files.get(name)) === "{}");
    const [manifest] = [...files].flatMap(([name, text]) =>
      name.startsWith("blobs/") && text.includes("layers")
        ? [JSON.parse(String(text)) as { layers: unknown }]
        : [],
    );
    expect(config).toMatch(/^blobs\/sha256\//);
    expect(String(files.get(path("a")))).toBe("abc");
    expect(files.has(path("b"))).toBe(false);
    expect(manifest?.layers).toEqual([
      expect.objectContaining({ digest: digest("b"), size: 5 }),
      expect.objectContaining({ digest: digest("a"), size: 3 }),
      expect.objectContaining({ digest: digest("a"), size: 3 }),
    ]);
    expect(files.size).toBe(5);
  });
});
