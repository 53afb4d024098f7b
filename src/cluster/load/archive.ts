import { PassThrough, type Readable } from "node:stream";
import type { LoadImage, WorkOptions } from "../../engine/target.js";
import type { ContainerEngine } from "../../engine/container-engine.js";
import { architecture } from "../../lib/architecture.js";
import { startDeadline } from "../../lib/deadline.js";
import { DevloopError, errorText } from "../../lib/errors.js";
import { bytes as inUnits, count } from "../../lib/format.js";
import { tee } from "../../lib/tee.js";
import { throttle } from "../../lib/throttle.js";
import { importArchive, type Listing } from "./containerd.js";
import { nodeFailure } from "./failure.js";
import type { NodeRef } from "../providers/nodes.js";

/** How long an import may show no progress before it is given up, in ms. Unpacking shows none. */
const stallTimeoutMs = 300_000;
/** How much of the archive may wait for a slow node, in bytes. */
const bufferBytes = 1 << 20;

export interface Sent {
  /** Over all nodes. */
  readonly bytes: number;
  /** By node: what it lists for the image now. */
  readonly listings: ReadonlyMap<string, Listing>;
}

/** What is sent instead of the whole image. */
export interface Part {
  readonly archive: Readable;
  /** After so many bytes of it: `sending 1 new layer (743 B) to 1 node`. */
  readonly message: (read: number) => string;
}

/**
 * The transport: sends the whole image, or a part, as one archive, read once and copied into every node at once.
 * Throws LOAD_FAILED or NODE_UNREACHABLE naming the nodes; the others have the image then.
 */
export async function sendArchive(
  engine: ContainerEngine,
  nodes: readonly NodeRef[],
  image: LoadImage,
  { onProgress, signal }: WorkOptions,
  part?: Part,
): Promise<Sent> {
  const [info, { platform }] = await Promise.all([
    sourceImage(engine, image, signal),
    engine.ping({ signal }),
  ]);
  const foreign = architecture(info.platform) === architecture(platform) ? undefined : info.platform;
  using stall = startDeadline(stallTimeoutMs, signal);
  let read = 0;
  let sent = false;
  using report = throttle(() => {
    // The archive is larger than the image by its own headers.
    const whole = read < info.size ? ` of ${inUnits(info.size)}` : "";
    onProgress({
      message: sent
        ? `unpacking in ${count(nodes.length, "node")}`
        : (part?.message(read) ?? `sending ${inUnits(read)}${whole} to ${count(nodes.length, "node")}`),
      ...(part ? {} : { done: read, total: Math.max(read, info.size) }),
    });
  }, 100);
  const archive = part?.archive ?? (await engine.saveImage(image.ref, { signal: stall.signal }));
  const inputs = nodes.map(() => new PassThrough({ highWaterMark: bufferBytes }));
  const imports = Promise.allSettled(
    nodes.map(async ({ name }, index) => {
      const input = inputs[index] ?? new PassThrough();
      try {
        return await importArchive(engine, name, image, {
          archive: input,
          signal: stall.signal,
          ...(foreign === undefined ? {} : { platform: foreign }),
        });
      } finally {
        // A node that stopped reading must not hold up the others.
        input.destroy();
      }
    }),
  );
  try {
    await tee(archive, inputs, (chunk) => {
      read += chunk.length;
      stall.refresh();
      report();
    });
  } catch (error) {
    // Half an archive is no use to a node: its import ends when the connection does.
    stall.abort(error);
    await imports;
    signal.throwIfAborted();
    throw brokenOff(engine, image, stall.expired ? stalled() : error);
  }
  sent = true;
  report();
  const settled = await imports;
  signal.throwIfAborted();
  const failed = settled.flatMap((result, index) =>
    result.status === "rejected"
      ? [{ node: nodes[index]?.name ?? "", error: stall.expired ? stalled() : (result.reason as unknown) }]
      : [],
  );
  if (failed.length > 0) throw await nodeFailure(engine, image, nodes.length, failed, { signal });
  const listings = settled.flatMap((result, index): readonly (readonly [string, Listing])[] =>
    result.status === "fulfilled" ? [[nodes[index]?.name ?? "", result.value]] : [],
  );
  return { bytes: read * nodes.length, listings: new Map(listings) };
}

function stalled(): DevloopError {
  return new DevloopError("NODE_UNREACHABLE", `no progress for ${stallTimeoutMs / 60_000} minutes`);
}

/** The image as the engine has it now. Throws LOAD_FAILED when that is not the one that was built. */
async function sourceImage(
  engine: ContainerEngine,
  { ref, imageId }: LoadImage,
  signal: AbortSignal,
): Promise<{ readonly size: number; readonly platform: string }> {
  const info = await engine.image(ref, { signal });
  const hint = "rebuild it: press r, or run devloop up again";
  if (!info)
    throw new DevloopError("LOAD_FAILED", `the engine at ${engine.address} no longer has ${ref}`, { hint });
  if (info.id === imageId) return info;
  throw new DevloopError("LOAD_FAILED", `${ref} is another image now than the one that was built`, {
    detail: `built: ${imageId}\nin the engine: ${info.id}`,
    hint,
  });
}

function brokenOff(engine: ContainerEngine, { ref }: LoadImage, cause: unknown): unknown {
  if (cause instanceof DevloopError) return cause;
  return new DevloopError(
    "LOAD_FAILED",
    `reading ${ref} out of ${engine.address} broke off: ${errorText(cause)}`,
    {
      cause,
    },
  );
}
