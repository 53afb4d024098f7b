import { createHash, type Hash } from "node:crypto";
import { finished } from "node:stream/promises";
import { createGunzip, type Gunzip } from "node:zlib";
import { bytes as inUnits } from "../../lib/format.js";
import { writeChunk } from "../../lib/write-chunk.js";
import type { PushTarget, Upload } from "./push-endpoint.js";

/** How large a blob that is not compressed (a config) may be, in bytes. */
const documentBytes = 4 << 20;

/** A layer that an engine pushed. */
export interface PushedLayer {
  /** The digest of the gzip stream that travelled. */
  readonly compressed: string;
  /** The digest of what is in it: the layer's diff id. */
  readonly digest: string;
  /** Of what is in it, in bytes. */
  readonly size: number;
}

/** What is done with one push. */
export interface ReadRules {
  /** Whether a blob need not travel, by the digest of its gzip stream. */
  readonly has: (compressed: string) => boolean;
  /** Whether a layer's bytes are kept, by its diff id. */
  readonly wants: (digest: string) => boolean;
  /** How much is held in memory, in bytes: what is more is refused. 0 reads the layers and keeps nothing. */
  readonly keepBytes: number;
  /**
   * Reads one layer after the other. The engine compresses several at once, and no faster than they are read: so it uses one
   * core for it, not five.
   */
  readonly oneByOne?: boolean;
}

/** Reads the layers that an engine with the classic image store pushes: as gzip streams, which are unpacked in passing. */
export class LayerReader implements PushTarget {
  readonly layers: PushedLayer[] = [];
  readonly #documents = new Map<string, Buffer>();
  readonly #kept = new Map<string, readonly Buffer[]>();
  #held = 0;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(private readonly rules: ReadRules) {}

  /** The bytes of a layer that was wanted, by its diff id. */
  layer(digest: string): readonly Buffer[] | undefined {
    return this.#kept.get(digest);
  }
  /** A blob that was not compressed, by its digest: the image's config. */
  document(digest: string): Buffer | undefined {
    return this.#documents.get(digest);
  }
  has(digest: string): boolean {
    return (
      this.rules.has(digest) ||
      this.#documents.has(digest) ||
      this.layers.some(({ compressed }) => compressed === digest)
    );
  }
  begin(): Upload {
    return new LayerUpload(this);
  }
  /** The nodes get a manifest that names the layers as they are uncompressed. */
  manifest(): void {
    return;
  }
  async inTurn(read: () => Promise<void>): Promise<void> {
    if (!this.rules.oneByOne) {
      await read();
      return;
    }
    const mine = this.#turn.then(read);
    this.#turn = mine.catch(() => undefined);
    await mine;
  }
  /** Whether so many bytes more are held. Throws when they are too many. */
  hold(bytes: number): boolean {
    if (this.rules.keepBytes === 0) return false;
    if (this.#held + bytes > this.rules.keepBytes) {
      throw new Error(`they are more than ${inUnits(this.rules.keepBytes)}`);
    }
    this.#held += bytes;
    return true;
  }
  release(bytes: number): void {
    this.#held -= bytes;
  }
  keepDocument(digest: string, content: Buffer): void {
    this.#documents.set(digest, content);
  }
  /** Returns whether its bytes are kept. */
  keepLayer(layer: PushedLayer, chunks: readonly Buffer[]): boolean {
    this.layers.push(layer);
    if (!this.rules.wants(layer.digest)) return false;
    this.#kept.set(layer.digest, chunks);
    return true;
  }
}

/** A blob on its way in: hashed as it comes and, when it is a gzip stream, as it is unpacked. */
class LayerUpload implements Upload {
  readonly #received = createHash("sha256");
  readonly #raw: Hash = createHash("sha256");
  #chunks: Buffer[] = [];
  #unpack: Gunzip | undefined;
  #compressed = "";
  /** Bytes that came, that came out, and that are held. */
  taken = 0;
  #size = 0;
  #held = 0;

  constructor(private readonly reader: LayerReader) {}

  async take(piece: AsyncIterable<Buffer>): Promise<void> {
    await this.reader.inTurn(() => this.#read(piece));
  }

  async #read(piece: AsyncIterable<Buffer>): Promise<void> {
    for await (const chunk of piece) {
      // No JSON begins with gzip's first byte.
      if (this.taken === 0 && chunk[0] === 0x1f) this.#unpack = this.#unpacker();
      this.taken += chunk.length;
      this.#received.update(chunk);
      if (!this.#unpack) {
        if (this.taken > documentBytes) throw new Error("neither a layer in gzip nor a config");
        this.#chunks.push(chunk);
      } else {
        await writeChunk(this.#unpack, chunk);
        if (this.#unpack.destroyed) throw this.#unpack.errored ?? new Error("not a gzip stream");
      }
    }
  }

  async end(): Promise<string> {
    if (this.#unpack) {
      this.#unpack.end();
      await finished(this.#unpack);
    }
    this.#compressed = `sha256:${this.#received.digest("hex")}`;
    return this.#compressed;
  }

  keep(): void {
    if (!this.#unpack) {
      this.reader.keepDocument(this.#compressed, Buffer.concat(this.#chunks));
      return;
    }
    const digest = `sha256:${this.#raw.digest("hex")}`;
    const layer = { compressed: this.#compressed, digest, size: this.#size };
    if (!this.reader.keepLayer(layer, this.#chunks)) this.drop();
  }

  drop(): void {
    this.#unpack?.destroy();
    this.#chunks = [];
    this.reader.release(this.#held);
    this.#held = 0;
  }

  #unpacker(): Gunzip {
    const unpack = createGunzip({ chunkSize: 1 << 16 });
    unpack.on("data", (chunk: Buffer) => {
      this.#raw.update(chunk);
      this.#size += chunk.length;
      try {
        if (!this.reader.hold(chunk.length)) return;
      } catch (error) {
        unpack.destroy(error as Error);
        return;
      }
      this.#held += chunk.length;
      this.#chunks.push(chunk);
    });
    // Told by `take` and `end`, which find it destroyed.
    unpack.on("error", () => undefined);
    return unpack;
  }
}
