import { type FileHandle, open } from "node:fs/promises";
import type { Readable } from "node:stream";
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
 * The build context as a tar archive, made while it is read: never more than some files in memory. Owner and group are
 * root, as docker makes them; modes and times stay. The stream fails with CONTEXT_UNREADABLE for a file that may not be
 * read or gets shorter while it is sent.
 */
export function contextArchive(options: ContextOptions): Readable {
  const archive = pack();
  fill(archive, options).then(
    () => {
      archive.finalize();
    },
    (error: unknown) => {
      archive.destroy(error as Error);
    },
  );
  return archive as unknown as Readable;
}

/** Files up to this many bytes are read at once, some of them at the same time; larger ones in pieces of this size. */
const pieceBytes = 128 * 1024;
const readAhead = 16;

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
  let batch: ContextEntry[] = [];
  const flush = async (): Promise<void> => {
    const contents = await Promise.all(batch.map(readSmall));
    for (const [index, entry] of batch.entries()) await addToArchive(archive, entry, contents[index], signal);
    batch = [];
  };
  for await (const entry of walkContext(context, filter, { signal })) {
    const { stats, path } = entry;
    if (path === dockerfile.path) continue;
    if (stats.isFile() || stats.isDirectory() || stats.isSymbolicLink()) batch.push(entry);
    else special.push(path);
    if (batch.length >= readAhead) await flush();
  }
  await flush();
  if (special.length > 0) {
    onNote(`left out of the build context, neither file nor link: ${special.slice(0, 5).join(", ")}`);
  }
}

async function readSmall({ stats, absolute, path }: ContextEntry): Promise<Buffer | undefined> {
  if (!stats.isFile() || stats.size > pieceBytes) return undefined;
  await using file = await openFile(absolute, path);
  if (!file) return undefined;
  // It may have grown since it was listed; then it goes in pieces like the large ones.
  const buffer = Buffer.allocUnsafe(stats.size + 1);
  const length = await readFully(file, buffer);
  return length > stats.size ? undefined : buffer.subarray(0, length);
}

async function addToArchive(
  archive: Pack,
  { path, absolute, stats, link }: ContextEntry,
  content: Buffer | undefined,
  signal: AbortSignal,
): Promise<void> {
  const header = { name: path, mode: stats.mode & 0o7777, mtime: stats.mtime };
  if (stats.isDirectory()) await addEntry(archive, { ...header, type: "directory" });
  else if (link !== undefined) await addEntry(archive, { ...header, type: "symlink", linkname: link });
  else if (content !== undefined) await addEntry(archive, header, content);
  else {
    await using file = await openFile(absolute, path);
    if (file) await addLarge(archive, { ...header, size: (await file.stat()).size }, file, signal);
  }
}

type Header = Parameters<Pack["entry"]>[0];

async function addEntry(archive: Pack, header: Header, content?: Buffer): Promise<void> {
  const { promise, settle } = callbackPromise();
  const entry =
    content === undefined ? archive.entry(header, settle) : archive.entry(header, content, settle);
  entry.on("error", alreadyTold);
  await promise;
}

/** An archive that fails fails its open entry too; the promise of its callback has the error. */
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
  file: FileHandle,
  signal: AbortSignal,
): Promise<void> {
  const { promise: done, settle } = callbackPromise();
  const entry = archive.entry(header, settle);
  entry.on("error", alreadyTold);
  for (let left = header.size; left > 0;) {
    signal.throwIfAborted();
    const buffer = Buffer.allocUnsafe(Math.min(pieceBytes, left));
    const length = await readFully(file, buffer);
    if (length === 0) throw unreadable(header.name, "it got shorter while it was being sent");
    left -= length;
    const piece = buffer.subarray(0, length);
    if (!entry.write(piece)) await Promise.race([drained(entry), done]);
  }
  entry.end(undefined);
  await done;
}

async function readFully(file: FileHandle, buffer: Buffer): Promise<number> {
  let length = 0;
  while (length < buffer.length) {
    const { bytesRead } = await file.read(buffer, length, buffer.length - length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return length;
}

async function openFile(absolute: string, path: string): Promise<FileHandle | undefined> {
  return await orGone(path, open(absolute, "r"));
}
