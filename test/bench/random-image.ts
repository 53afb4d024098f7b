import { createCipheriv, createHash } from "node:crypto";
import { once } from "node:events";
import { spawn } from "node:child_process";
import { pipeline } from "node:stream/promises";
import { pack } from "tar-stream";

const layers = 4;
const chunkBytes = 1 << 16;

/**
 * Makes an image of so many bytes in four layers, of random data that no compression makes smaller and that is the same each
 * time. It is loaded as an archive, not built: a build would leave all of it in the build cache.
 */
export async function randomImage(ref: string, bytes: number, signal: AbortSignal): Promise<void> {
  const size = Math.floor(bytes / layers);
  const digests = [];
  for (let layer = 0; layer < layers; layer++) digests.push(await digestOf(layerTar(layer, size)));
  const load = spawn("docker", ["load", "--quiet"], { stdio: ["pipe", "ignore", "inherit"], signal });
  const exited = once(load, "exit");
  await pipeline(archive(ref, size, digests), load.stdin);
  const [code] = (await exited) as unknown as readonly [number | null];
  if (code !== 0) throw new Error(`docker load exited with ${code}`);
}

/** Of the form that `docker save` has had since Docker 1.10. */
async function* archive(ref: string, size: number, digests: readonly string[]): AsyncGenerator<Buffer> {
  const tar = pack();
  const config = JSON.stringify({
    architecture: process.arch === "arm64" ? "arm64" : "amd64",
    os: "linux",
    config: {},
    rootfs: { type: "layers", diff_ids: digests },
  });
  const write = async (): Promise<void> => {
    tar.entry({ name: "config.json" }, config);
    for (let layer = 0; layer < layers; layer++) {
      const entry = tar.entry({ name: `${layer}.tar`, size: layerBytes(size) });
      for await (const chunk of layerTar(layer, size)) if (!entry.write(chunk)) await once(entry, "drain");
      entry.end(null);
    }
    const manifest = {
      Config: "config.json",
      RepoTags: [ref],
      Layers: digests.map((_, layer) => `${layer}.tar`),
    };
    tar.entry({ name: "manifest.json" }, JSON.stringify([manifest]));
    tar.finalize();
  };
  write().catch((error: unknown) => {
    tar.destroy(error as Error);
  });
  yield* tar as AsyncIterable<Buffer>;
}

/** A tar with one file. */
async function* layerTar(layer: number, size: number): AsyncGenerator<Buffer> {
  const tar = pack();
  const write = async (): Promise<void> => {
    const entry = tar.entry({ name: `data-${layer}`, size, mtime: new Date(0) });
    for (const chunk of randomBytes(layer, size)) if (!entry.write(chunk)) await once(entry, "drain");
    entry.end(null);
    tar.finalize();
  };
  write().catch((error: unknown) => {
    tar.destroy(error as Error);
  });
  yield* tar as AsyncIterable<Buffer>;
}

/** A header, the content in blocks of 512 bytes, and two empty blocks. */
function layerBytes(size: number): number {
  return 512 + Math.ceil(size / 512) * 512 + 1024;
}

function* randomBytes(seed: number, size: number): Generator<Buffer> {
  const cipher = createCipheriv("aes-128-ctr", Buffer.alloc(16, `devloop-${seed}-${size}`), Buffer.alloc(16));
  const zeros = Buffer.alloc(chunkBytes);
  for (let left = size; left > 0; left -= chunkBytes) yield cipher.update(zeros.subarray(0, left));
}

async function digestOf(content: AsyncIterable<Buffer>): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of content) hash.update(chunk);
  return `sha256:${hash.digest("hex")}`;
}
