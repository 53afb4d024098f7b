import { createHash } from "node:crypto";
import type { ContainerEngine } from "../../engine/container-engine.js";
import { startDeadline } from "../../lib/deadline.js";
import { bytes as inUnits, count } from "../../lib/format.js";
import { sendArchive } from "./archive.js";
import { readContents } from "./containerd.js";
import type { EnginePush } from "./engine-push.js";
import { LayoutStream } from "./layout-stream.js";
import type { PushedManifest, PushTarget, Upload } from "./push-endpoint.js";
import type { DeltaSender } from "./delta-sender.js";

/** How long a push may show no progress, in ms: a node's disk may be slow. */
const quietMs = 120_000;

/**
 * For engines with the containerd image store. They keep layers, config and manifests as they travel, under the digests by
 * which the nodes have them, so nothing needs to be learned and nothing is packed or unpacked: what the nodes lack goes
 * straight from the push into the archive, the manifests byte for byte. This is the way of a first load too.
 */
export function containerdDelta(engine: ContainerEngine, pushes: EnginePush): DeltaSender {
  return {
    async send(nodes, image, options) {
      using turn = await pushes.turn("load", options);
      if (pushes.outOfReach) return undefined;
      const contents = await readContents(engine, nodes, options);
      using quiet = startDeadline(quietMs, options.signal);
      const relay = new BlobRelay(
        (digest) => contents.every((content) => content.has(digest)),
        () => {
          quiet.refresh();
        },
      );
      const push = async (): Promise<void> => {
        try {
          await turn.push(image, relay, quiet);
          relay.finish(image);
        } catch (error) {
          relay.layout.fail(error);
          throw error;
        }
      };
      const send = async (): ReturnType<typeof sendArchive> => {
        try {
          return await sendArchive(engine, nodes, image, options, {
            archive: relay.layout.archive,
            message: (read) => `sending new layers (${inUnits(read)}) to ${count(nodes.length, "node")}`,
          });
        } catch (error) {
          quiet.abort(error);
          throw error;
        }
      };
      const [pushed, sent] = await Promise.allSettled([push(), send()]);
      options.signal.throwIfAborted();
      // Each ends the other; the one that failed first knows why.
      const reason: unknown = pushed.status === "rejected" ? pushed.reason : undefined;
      if (sent.status === "fulfilled" && reason === undefined) return sent.value;
      if (sent.status === "rejected" && (sent.reason as Error).cause !== reason) throw sent.reason;
      throw reason;
    },
    learn: () => undefined,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** Passes what an engine pushes on into an archive. */
class BlobRelay implements PushTarget {
  readonly layout = new LayoutStream();
  readonly #manifests = new Map<string, PushedManifest>();

  constructor(
    readonly has: (digest: string) => boolean,
    readonly onChunk: () => void,
  ) {}

  begin(): Upload {
    return new RelayedBlob(this);
  }
  manifest(manifest: PushedManifest): void {
    this.#manifests.set(manifest.digest, manifest);
  }
  /** Throws when what came is not this image: of an index with parts that it lacks, an engine pushes only a part. */
  finish({ ref, imageId }: { readonly ref: string; readonly imageId: string }): void {
    const top = this.#manifests.get(imageId);
    if (!top) throw new Error("the engine pushed something else than the image that was built");
    this.layout.finish(ref, top, this.#manifests.values());
  }
}

class RelayedBlob implements Upload {
  readonly #hash = createHash("sha256");
  taken = 0;

  constructor(private readonly relay: BlobRelay) {}

  async take(
    piece: AsyncIterable<Buffer>,
    { digest, size }: { readonly digest?: string; readonly size?: number },
  ): Promise<void> {
    // The archive says what comes, and how much, before it comes.
    if (digest === undefined || size === undefined) throw new Error("the engine pushes in pieces");
    await this.relay.layout.add(digest, size, this.#read(piece));
  }
  end(): Promise<string> {
    return Promise.resolve(`sha256:${this.#hash.digest("hex")}`);
  }
  /** It is in the archive already; one with another digest than was said ends that. */
  keep(): void {
    return;
  }
  drop(): void {
    return;
  }

  async *#read(piece: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of piece) {
      this.taken += chunk.length;
      this.#hash.update(chunk);
      this.relay.onChunk();
      yield chunk;
    }
  }
}
