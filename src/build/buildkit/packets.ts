import { createHash } from "node:crypto";
import type { Stats } from "node:fs";
import { type FieldToWrite, readFields, textField, writeFields } from "../../lib/protobuf.js";
import type { ContextEntry } from "../walk-context.js";

/**
 * The packets of fsutil's transfer (https://github.com/tonistiigi/fsutil, types/wire.proto and types/stat.proto), which
 * BuildKit's file sync speaks: we send a STAT for each entry, in order; the other side asks with REQ, by the place of an
 * entry among them, for the bytes of those that it lacks; they go in DATA packets, an empty one ends them.
 */
export type ReceivedPacket =
  | { readonly kind: "request"; readonly id: number }
  | { readonly kind: "finished" }
  | { readonly kind: "error"; readonly message: string };

const packetType = { stat: 0, request: 1, data: 2, finished: 3, error: 4 } as const;

/** A packet of the receiving side. Throws RangeError for one that only a sender may send. */
export function readPacket(message: Buffer): ReceivedPacket {
  const fields = [...readFields(message)];
  const number = (field: number): number => fields.findLast((one) => one.number === field)?.value ?? 0;
  switch (number(1)) {
    case packetType.request:
      return { kind: "request", id: number(3) };
    case packetType.finished:
      return { kind: "finished" };
    case packetType.error:
      return { kind: "error", message: textField(message, 4) };
    default:
      throw new RangeError(`packet type ${number(1)} is not for a sender`);
  }
}

/** One entry; nothing stands for the end of them. */
export function statPacket(entry?: ContextEntry, hardLink?: string): Buffer {
  return writeFields(entry ? [[2, stat(entry, hardLink)]] : []);
}

/** A file that is not on disk. Its time stands for its content, by which the other side tells whether it has it. */
export function textPacket(name: string, content: Buffer): Buffer {
  const time = createHash("sha256").update(content).digest().readUIntBE(0, 6);
  const fields: FieldToWrite[] = [
    [1, name],
    [2, 0o644],
    [5, content.length],
    [6, time],
  ];
  return writeFields([[2, writeFields(fields)]]);
}

/** Bytes of an entry; nothing stands for its end. */
export function dataPacket(id: number, data?: Uint8Array): Buffer {
  return writeFields([[1, packetType.data], [3, id], ...(data ? [[4, data] as const] : [])]);
}

export function finishedPacket(): Buffer {
  return writeFields([[1, packetType.finished]]);
}

/** Owner and group stay out: all of a context belongs to root, as docker has it. */
function stat({ path, stats, link }: ContextEntry, hardLink: string | undefined): Buffer {
  const linkname = link ?? hardLink;
  const fields: FieldToWrite[] = [
    [1, path],
    [2, goMode(stats)],
  ];
  if (stats.isFile() && hardLink === undefined) fields.push([5, stats.size]);
  fields.push([6, modificationTime(stats)]);
  if (linkname !== undefined) fields.push([7, linkname]);
  return writeFields(fields);
}

/** As Go's os.FileMode has it: https://pkg.go.dev/io/fs#FileMode. */
function goMode(stats: Stats): number {
  const kind = stats.isDirectory() ? 2 ** 31 : stats.isSymbolicLink() ? 2 ** 27 : 0;
  const special =
    (stats.mode & 0o4000 ? 2 ** 23 : 0) +
    (stats.mode & 0o2000 ? 2 ** 22 : 0) +
    (stats.mode & 0o1000 ? 2 ** 20 : 0);
  return kind + special + (stats.mode & 0o777);
}

/**
 * In ns since the epoch. The engine takes a file of the same size and time for the same file, so a copy that keeps both
 * (cp -p, rsync, an unpacked archive) would go unnoticed. A time that was set differs from that of the inode's last change,
 * which no program can set: the digits below a microsecond, which no layer keeps, are made of that.
 */
function modificationTime({ mtimeMs, ctimeMs, ino }: Stats): bigint {
  const micros = BigInt(Math.floor(mtimeMs * 1000)) * 1000n;
  if (mtimeMs === ctimeMs) return micros;
  return micros + 1n + BigInt((Math.floor(ctimeMs * 1000) + ino) % 999);
}
