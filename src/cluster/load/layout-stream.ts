import { Readable } from "node:stream";
import { pack } from "tar-stream";
import { writeChunk } from "../../lib/write-chunk.js";
import { containerdName } from "./containerd.js";

/** A manifest, an index or a config. */
export interface LayoutDocument {
  readonly digest: string;
  readonly content: Buffer;
}

/**
 * An OCI image layout (https://github.com/opencontainers/image-spec/blob/main/image-layout.md) as an archive that is read
 * while its blobs still come in: nothing of it is kept. The specification lets a layout leave out blobs that the reader gets
 * elsewhere, and containerd imports such a one when it has them.
 */
export class LayoutStream {
  readonly archive: Readable;
  readonly #pack = pack();
  #turn: Promise<unknown> = Promise.resolve();

  constructor() {
    this.#document("oci-layout", JSON.stringify({ imageLayoutVersion: "1.0.0" }));
    this.archive = Readable.from(this.#pack as AsyncIterable<Buffer>);
    // It may fail before anyone reads it; whoever reads it then is told. So it is with each entry.
    for (const stream of [this.#pack, this.archive]) stream.on("error", () => undefined);
  }

  /** Passes on a blob of `size` bytes, once those before it are through. Throws when the archive's reader has gone. */
  async add(digest: string, size: number, content: AsyncIterable<Buffer>): Promise<void> {
    const mine = this.#turn.then(() => this.#write(digest, size, content));
    this.#turn = mine.catch(() => undefined);
    await mine;
  }

  /** Ends the archive with the documents, and the index that names `top`, one of them, as the image. */
  finish(
    ref: string,
    top: LayoutDocument & { readonly mediaType: string },
    documents: Iterable<LayoutDocument>,
  ): void {
    for (const { digest, content } of documents) this.#document(blobPath(digest), content);
    const { digest, mediaType, content } = top;
    // containerd takes its image's name from here: images/archive/importer.go.
    const annotations = { "io.containerd.image.name": containerdName(ref) };
    const manifests = [{ mediaType, digest, size: content.length, annotations }];
    this.#document("index.json", JSON.stringify({ schemaVersion: 2, manifests }));
    this.#pack.finalize();
  }

  fail(error: unknown): void {
    this.archive.destroy(error as Error);
  }

  #document(name: string, content: string | Buffer): void {
    this.#pack.entry({ name }, content).on("error", () => undefined);
  }

  async #write(digest: string, size: number, content: AsyncIterable<Buffer>): Promise<void> {
    const entry = this.#pack.entry({ name: blobPath(digest), size });
    entry.on("error", () => undefined);
    for await (const chunk of content) {
      await writeChunk(entry, chunk);
      if (entry.destroyed) throw new Error("the nodes take no more");
    }
    entry.end(null);
  }
}

function blobPath(digest: string): string {
  return `blobs/${digest.replace(":", "/")}`;
}
