import { hash, createHash } from "node:crypto";
import {
  closeSync,
  constants,
  createReadStream,
  lstatSync,
  openSync,
  readlinkSync,
  readSync,
  statSync,
} from "node:fs";
import type { Stats } from "node:fs";

/** What is at a path, without its content. */
export interface Member {
  readonly kind: "file" | "link" | "directory";
  /** Equal when the content is: executable bits in octal and SHA-256 in base64, `link ` and its target, `directory`, `unreadable`. */
  readonly fingerprint: string;
}

/** What a fingerprint is of. */
export function kindOf(fingerprint: string): Member["kind"] {
  if (fingerprint === "directory") return "directory";
  return fingerprint.startsWith("link ") ? "link" : "file";
}

/** What is remembered of a path: enough to tell without reading whether it changed, never its content. */
export interface Entry extends Member {
  readonly size: number;
  /** NaN when the file was written so shortly before it was read that a later write may carry the same time. */
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  readonly ino: number;
}

/**
 * Reads what is at a path, without following a link. Given what was known, it reads the content only where size, times
 * or inode differ, or when `force`d by an event. Undefined: nothing is there, or it is a socket, pipe or device.
 * What may not be read has a fingerprint of its own. A promise only for a large file.
 */
export function readEntry(
  path: string,
  known: Entry | undefined,
  options: { force: boolean; follow?: boolean },
): Entry | undefined | Promise<Entry | undefined> {
  const now = Date.now();
  try {
    const stats = options.follow === true ? statSync(path) : lstatSync(path);
    const { size, mtimeMs, ctimeMs, ino } = stats;
    if (stats.isDirectory())
      return { kind: "directory", fingerprint: "directory", size: 0, mtimeMs, ctimeMs, ino };
    if (
      !options.force &&
      known?.mtimeMs === mtimeMs &&
      known.size === size &&
      known.ctimeMs === ctimeMs &&
      known.ino === ino &&
      known.kind === (stats.isFile() ? "file" : "link")
    ) {
      return known;
    }
    const settled = now - Math.max(mtimeMs, ctimeMs) >= clockTickMs;
    const times = { size, mtimeMs: settled ? mtimeMs : Number.NaN, ctimeMs, ino };
    if (stats.isSymbolicLink()) return { kind: "link", fingerprint: `link ${readlinkSync(path)}`, ...times };
    if (!stats.isFile()) return undefined;
    if (size > largeBytes) {
      return hashLarge(path, stats).then(
        (fingerprint) => ({ kind: "file", fingerprint, ...times }),
        (error: unknown) => entryOnError(error, known),
      );
    }
    return { kind: "file", fingerprint: hashSmall(path, stats), ...times };
  } catch (error) {
    return entryOnError(error, known);
  }
}

/** Kernels stamp files with a clock that ticks every 1 to 10 ms; some file systems keep no more than this. */
const clockTickMs = 50;
/** Above this a file is read in pieces between which the loop runs. */
const largeBytes = 4 * 1024 * 1024;
const chunkBytes = 64 * 1024;
// One for all: reads are synchronous and done with it before the next begins.
const chunk = Buffer.allocUnsafeSlow(chunkBytes);
// A pipe put in the file's place between stat and open must not block; a link must not be followed.
const openFlags = constants.O_RDONLY | constants.O_NONBLOCK;

const unreadableEntry: Entry = {
  kind: "file",
  fingerprint: "unreadable",
  size: -1,
  mtimeMs: Number.NaN,
  ctimeMs: 0,
  ino: 0,
};

function entryOnError(error: unknown, known: Entry | undefined): Entry | undefined {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "EACCES" || code === "EPERM") return unreadableEntry;
  if (typeof code === "string" && goneCodes.has(code)) return undefined;
  // Too many open files, a disk's error: that says nothing of the content, which stays what it was.
  return known ?? unreadableEntry;
}

/** It vanished, or something else stands in its place now: the event of that is under way. */
const goneCodes = new Set(["ENOENT", "ENOTDIR", "ELOOP", "EISDIR", "ENXIO", "EINVAL"]);

function hashSmall(path: string, stats: Stats): string {
  const file = openSync(path, openFlags);
  try {
    let length = readSync(file, chunk, 0, chunkBytes, 0);
    if (length < chunkBytes) return withMode(stats, hash("sha256", chunk.subarray(0, length), "base64"));
    const digest = createHash("sha256");
    for (let at = 0; length > 0;) {
      digest.update(chunk.subarray(0, length));
      at += length;
      length = readSync(file, chunk, 0, chunkBytes, at);
    }
    return withMode(stats, digest.digest("base64"));
  } finally {
    closeSync(file);
  }
}

async function hashLarge(path: string, stats: Stats): Promise<string> {
  const digest = createHash("sha256");
  for await (const part of createReadStream(path, { highWaterMark: 1024 * 1024 }))
    digest.update(part as Buffer);
  return withMode(stats, digest.digest("base64"));
}

function withMode(stats: Stats, digest: string): string {
  return `${(stats.mode & 0o111).toString(8)} ${digest}`;
}
