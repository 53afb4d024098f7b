import { createHash } from "node:crypto";
import { unlessAborted } from "../../lib/unless-aborted.js";
import { changeFrame } from "./agent-messages.js";
import type { ChangeResult, FileContent, TreeChange } from "./agent-types.js";
import { frame } from "./agent-wire.js";

/** How many bytes of a file travel in a frame, and how many of frames in a write. */
const dataBytes = 64 * 1024;
const writeBytes = 256 * 1024;

/** Takes frames, and resolves when it takes more. */
export type Send = (bytes: Buffer) => Promise<void>;

/** What was sent of a batch: how many changes, and those whose content could not be read, by their place. */
export interface Sent {
  readonly count: number;
  readonly unread: ReadonlyMap<number, ChangeResult>;
}

/**
 * Sends a batch, a small one in a single write. After an abort it is ended where it stands: the agent does what it has got, and does
 * not write the file whose bytes were coming. Throws what `send` throws, and RangeError for a change that cannot be put into a frame.
 */
export async function sendBatch(
  id: number,
  changes: readonly TreeChange[],
  send: Send,
  { signal }: { readonly signal: AbortSignal },
): Promise<Sent> {
  const collected = collectFrames(send);
  const unread = new Map<number, ChangeResult>();
  let count = 0;
  await collected.add(frame("B", id));
  try {
    for (const change of changes) {
      if (signal.aborted) break;
      const failed = await sendChange(id, change, collected.add, signal);
      if (failed) unread.set(count, failed);
      count++;
    }
  } finally {
    // Whatever was wrong with a change: a batch that stays open would be the end of the channel.
    await collected.add(frame("C", id));
    await collected.flush();
  }
  return { count, unread };
}

/** Joins frames to larger writes: a packet for each would cost more than its content. */
function collectFrames(send: Send): { add: Send; flush: () => Promise<void> } {
  let held: Buffer[] = [];
  let heldBytes = 0;
  const flush = async (): Promise<void> => {
    const bytes = Buffer.concat(held);
    held = [];
    heldBytes = 0;
    await send(bytes);
  };
  return {
    async add(bytes) {
      held.push(bytes);
      heldBytes += bytes.length;
      if (heldBytes >= writeBytes) await flush();
    },
    flush,
  };
}

async function sendChange(
  id: number,
  change: TreeChange,
  add: Send,
  signal: AbortSignal,
): Promise<ChangeResult | undefined> {
  if (change.kind !== "file") {
    await add(changeFrame(id, change));
    return undefined;
  }
  const { kind, root, path, mode, content } = change;
  const { size, sha256, chunks } = asChunks(content);
  await add(changeFrame(id, { kind, root, path, mode, size, sha256 }));
  return await sendData(id, size, chunks, add, signal);
}

interface Chunks {
  readonly size: number;
  readonly sha256: string;
  readonly chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
}

function asChunks(content: FileContent): Chunks {
  if (!(content instanceof Uint8Array)) return content;
  const sha256 = createHash("sha256").update(content).digest("base64");
  return { size: content.length, sha256, chunks: [content] };
}

/** Sends as many bytes as were promised. Without them the file is given up, which an empty frame says. */
async function sendData(
  id: number,
  size: number,
  chunks: Chunks["chunks"],
  add: Send,
  signal: AbortSignal,
): Promise<ChangeResult | undefined> {
  const reader = Symbol.asyncIterator in chunks ? chunks[Symbol.asyncIterator]() : chunks[Symbol.iterator]();
  let left = size;
  let code = "ECANCELED";
  while (left > 0 && !signal.aborted) {
    let bytes: Uint8Array;
    try {
      const read = await unlessAborted(Promise.resolve(reader.next()), signal);
      // Shorter by now than it was when it was hashed.
      if (read.done === true) break;
      bytes = read.value.subarray(0, left);
    } catch (error) {
      code = codeOf(error) ?? "EIO";
      break;
    }
    for (let at = 0; at < bytes.length; at += dataBytes)
      await add(frame("D", id, bytes.subarray(at, at + dataBytes)));
    left -= bytes.length;
  }
  // Not awaited: the return of a generator waits for its next, which may be what hung.
  if (size > 0) void Promise.resolve(reader.return?.()).catch(() => undefined);
  if (left === 0) return undefined;
  await add(frame("D", id));
  return { kind: "failed", code, call: "read" };
}

function codeOf(error: unknown): string | undefined {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" ? code : undefined;
}
