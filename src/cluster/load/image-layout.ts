import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { pack } from "tar-stream";
import { containerdName } from "./containerd.js";

/** A layer as a node is to know it. */
export interface LayoutLayer {
  /** Of the layer as it is uncompressed. */
  readonly digest: string;
  /** In bytes, uncompressed. */
  readonly size: number;
  /** Undefined where the nodes have it. */
  readonly content?: readonly Buffer[] | undefined;
}

/**
 * An OCI image layout (https://github.com/opencontainers/image-spec/blob/main/image-layout.md) as an archive, holding the
 * config and those layers that have content. The specification lets a layout leave out blobs that the reader gets elsewhere,
 * and containerd imports such a one when it has them. Layers are named uncompressed, as `docker save` writes them, so that
 * they are the ones that an earlier import of the whole image left in the node.
 */
export function imageLayout(image: {
  readonly ref: string;
  readonly config: Buffer;
  readonly layers: readonly LayoutLayer[];
}): Readable {
  const { ref, config, layers } = image;
  const manifest = json({
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: descriptor("application/vnd.oci.image.config.v1+json", config),
    layers: layers.map(({ digest, size }) => ({
      mediaType: "application/vnd.oci.image.layer.v1.tar",
      digest,
      size,
    })),
  });
  const index = json({
    schemaVersion: 2,
    manifests: [
      {
        ...descriptor("application/vnd.oci.image.manifest.v1+json", manifest),
        // containerd takes its image's name from here: images/archive/importer.go.
        annotations: { "io.containerd.image.name": containerdName(ref) },
      },
    ],
  });
  const blobs = new Map<string, Buffer>([manifest, config].map((blob) => [sha256(blob), blob]));
  for (const { digest, content } of layers) {
    if (content && !blobs.has(digest)) blobs.set(digest, Buffer.concat(content));
  }
  const archive = pack();
  archive.entry({ name: "oci-layout" }, json({ imageLayoutVersion: "1.0.0" }));
  archive.entry({ name: "index.json" }, index);
  for (const [digest, blob] of blobs) archive.entry({ name: `blobs/${digest.replace(":", "/")}` }, blob);
  archive.finalize();
  return Readable.from(archive as AsyncIterable<Buffer>);
}

function descriptor(mediaType: string, blob: Buffer): { mediaType: string; digest: string; size: number } {
  return { mediaType, digest: sha256(blob), size: blob.length };
}

function json(value: object): Buffer {
  return Buffer.from(JSON.stringify(value));
}

function sha256(blob: Buffer): string {
  return `sha256:${createHash("sha256").update(blob).digest("hex")}`;
}
