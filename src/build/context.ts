import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { Readable } from "node:stream";
import { pack, type Pack } from "tar-stream";
import { type ContextEntry, type ContextFilter, orGone, unreadable, walkContext } from "./walk-context.js";

export interface ContextOptions {
  /** Absolute path of the context's directory. */
  readonly context: string;
  readonly filter: ContextFilter;
  /** Sent at this path of the archive, in place of the file that may stand there. */
  readonly dockerfile: { readonly path: string; readonly text: string };
  /** Called once with what cannot travel: sockets and devices. */
  readonly onNote: (message: string) => void;
  readonly signal: AbortSignal;
}

/**
 * The build context as a tar archive, made while it is read: never more than a piece of it in memory. Owner and group are
 * root, as docker makes them; modes and times stay. The stream fails with CONTEXT_UNREADABLE for a file that may not be
 * read or gets shorter while it is sent.
 */
export function contextArchive(options: ContextOptions): Readable {
  return Readable.from(inPieces(options), { objectMode: false, highWaterMark: sentBytes });
}

/** Files up to this many bytes are read at once, larger ones in pieces of this size. */
const pieceBytes = 128 * 1024;
/** The archive is sent in pieces of about this size: larger ones outlive what frees the young, 30 MB for 20,000 files. */
const sentBytes = 16 * 1024;

/** An archive comes in three chunks for each file: a small file's would cost more to send than to read. */
async function* inPieces(options: ContextOptions): AsyncGenerator<Buffer> {
  const archive = pack();
  archive.on("error", alreadyTold);
  const filled = fill(archive, options).then(
    () => {
      archive.finalize();
    },
    (error: unknown) => {
      archive.destroy();
      throw error;
    },
  );
  // Awaited below, unless the reader goes away before.
  filled.catch(() => undefined);
  let chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of archive as AsyncIterable<Uint8Array>) {
      chunks.push(chunk);
      length += chunk.length;
      if (length < sentBytes) continue;
      yield Buffer.concat(chunks, length);
      chunks = [];
      length = 0;
    }
  } catch (error) {
    // The cause says more than the end it brought about.
    await filled;
    throw error;
  }
  await filled;
  yield Buffer.concat(chunks, length);
}

async function fill(
  archive: Pack,
  { context, filter, dockerfile, onNote, signal }: ContextOptions,
): Promise<void> {
  await addEntry(
    archive,
    { name: dockerfile.path, mode: 0o644, mtime: new Date(0) },
    Buffer.from(dockerfile.text),
  );
  const special: string[] = [];
  for await (const entry of walkContext(context, filter, { signal })) {
    const { stats, path } = entry;
    if (path === dockerfile.path) continue;
    if (stats.isFile() || stats.isDirectory() || stats.isSymbolicLink()) {
      await addToArchive(archive, entry, signal);
    } else special.push(path);
  }
  if (special.length > 0) {
    onNote(`left out of the build context, neither file nor link: ${special.slice(0, 5).join(", ")}`);
  }
}

async function addToArchive(
  archive: Pack,
  { path, absolute, stats, link }: ContextEntry,
  signal: AbortSignal,
): Promise<void> {
  const header = { name: path, mode: stats.mode & 0o7777, mtime: stats.mtime };
  if (stats.isDirectory()) await addEntry(archive, { ...header, type: "directory" });
  else if (link !== undefined) await addEntry(archive, { ...header, type: "symlink", linkname: link });
  else {
    using file = openFile(absolute, path);
    if (!file) return;
    const content = readSmall(file.descriptor, stats.size);
    if (content !== undefined) await addEntry(archive, header, content);
    else
      await addLarge(archive, { ...header, size: fstatSync(file.descriptor).size }, file.descriptor, signal);
  }
}

/** The whole file; undefined for one that goes in pieces because it is large, or has grown since it was listed. */
function readSmall(file: number, size: number): Buffer | undefined {
  if (size > pieceBytes) return undefined;
  const buffer = Buffer.allocUnsafe(size + 1);
  const length = readSync(file, buffer, 0, buffer.length, 0);
  return length > size ? undefined : buffer.subarray(0, length);
}

type Header = Parameters<Pack["entry"]>[0];

async function addEntry(archive: Pack, header: Header, content?: Buffer): Promise<void> {
  const { promise, settle } = callbackPromise();
  const entry =
    content === undefined ? archive.entry(header, settle) : archive.entry(header, content, settle);
  entry.on("error", alreadyTold);
  await promise;
}

/** An archive that is destroyed fails its open entry too; the promise of its callback has the error. */
function alreadyTold(): void {
  // Without a listener the event would end the process.
}

function callbackPromise(): { promise: Promise<void>; settle: (error?: Error | null) => void } {
  let settle: (error?: Error | null) => void = () => undefined;
  const promise = new Promise<void>((resolve, reject) => {
    settle = (error) => {
      if (error) reject(error);
      else resolve();
    };
  });
  return { promise, settle };
}

async function drained(entry: NodeJS.EventEmitter): Promise<void> {
  await new Promise<void>((resolve) => {
    entry.once("drain", () => {
      resolve();
    });
  });
}

/** Sends as much as the file had when its header was written: what is appended meanwhile is a later change. */
async function addLarge(
  archive: Pack,
  header: Header & { readonly size: number },
  file: number,
  signal: AbortSignal,
): Promise<void> {
  const { promise: done, settle } = callbackPromise();
  const entry = archive.entry(header, settle);
  entry.on("error", alreadyTold);
  for (let left = header.size; left > 0;) {
    signal.throwIfAborted();
    const buffer = Buffer.allocUnsafe(Math.min(pieceBytes, left));
    const length = readSync(file, buffer, 0, buffer.length, header.size - left);
    if (length === 0) throw unreadable(header.name, "it got shorter while it was being sent");
    left -= length;
    const piece = buffer.subarray(0, length);
    if (!entry.write(piece)) await Promise.race([drained(entry), done]);
  }
  entry.end(undefined);
  await done;
}

/** Undefined when it has gone. A pipe or a link put in the file's place meanwhile is neither waited for nor followed. */
function openFile(
  absolute: string,
  path: string,
): ({ readonly descriptor: number } & Disposable) | undefined {
  const flags = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW;
  const descriptor = orGone(path, () => openSync(absolute, flags));
  if (descriptor === undefined) return undefined;
  return {
    descriptor,
    [Symbol.dispose]: () => {
      closeSync(descriptor);
    },
  };
}
