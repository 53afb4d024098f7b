import { Readable } from "node:stream";
import { sha256 } from "../../lib/sha256.js";
import { LayoutStream } from "./layout-stream.js";

/** A layer as a node is to know it. */
export interface LayoutLayer {
  /** Of the layer as it is uncompressed. */
  readonly digest: string;
  /** In bytes, uncompressed. */
  readonly size: number;
  /** Undefined where the nodes have it. */
  readonly content?: readonly Buffer[] | undefined;
}

const manifestType = "application/vnd.oci.image.manifest.v1+json";

/**
 * An OCI image layout as an archive, holding the config and those layers that have content. Layers are named uncompressed,
 * as `docker save` writes them, so that they are the ones that an earlier import of the whole image left in the node.
 */
export function imageLayout(image: {
  readonly ref: string;
  readonly config: Buffer;
  readonly layers: readonly LayoutLayer[];
}): Readable {
  const { ref, config, layers } = image;
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: manifestType,
      config: {
        mediaType: "application/vnd.oci.image.config.v1+json",
        digest: sha256(config),
        size: config.length,
      },
      layers: layers.map(({ digest, size }) => ({
        mediaType: "application/vnd.oci.image.layer.v1.tar",
        digest,
        size,
      })),
    }),
  );
  const top = { digest: sha256(manifest), mediaType: manifestType, content: manifest };
  const layout = new LayoutStream();
  const write = async (): Promise<void> => {
    const blobs = new Map(layers.map((layer) => [layer.digest, layer]));
    for (const { digest, size, content } of blobs.values()) {
      if (content) await layout.add(digest, size, Readable.from(content));
    }
    layout.finish(ref, top, [{ digest: sha256(config), content: config }, top]);
  };
  write().catch((error: unknown) => {
    layout.fail(error);
  });
  return layout.archive;
}
