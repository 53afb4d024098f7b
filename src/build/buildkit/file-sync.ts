import { closeSync, constants, openSync, readSync } from "node:fs";
import { DevloopError, errorText } from "../../lib/errors.js";
import { compileIgnore } from "../../lib/ignore-file.js";
import { type ContextEntry, type ContextFilter, orGone, unreadable, walkContext } from "../walk-context.js";
import { followPaths } from "./follow-paths.js";
import { GrpcError, grpcStatus } from "./grpc.js";
import type { GrpcCall, GrpcHandler } from "./grpc-server.js";
import { dataPacket, finishedPacket, readPacket, statPacket, textPacket } from "./packets.js";

/** What a build may ask files of, under a name: a directory, or one file that need not exist on disk. */
export type FileSource =
  | { readonly kind: "directory"; readonly path: string; readonly filter: ContextFilter }
  | { readonly kind: "text"; readonly name: string; readonly text: string };

export interface FileSyncOptions {
  /** By the name that the build knows them by. */
  readonly sources: ReadonlyMap<string, FileSource>;
  /** Called with what cannot travel: sockets and devices. */
  readonly onNote: (message: string) => void;
  /** Called with what makes the transfer fail: CONTEXT_UNREADABLE or ContextChanged. The build fails with less to say. */
  readonly onError: (error: unknown) => void;
  readonly signal: AbortSignal;
}

/** A file went away while the context was being sent: sending it again will do. */
export class ContextChanged extends Error {
  constructor(path: string, what: string) {
    super(`${path} ${what} while the build context was being sent`);
    this.name = "ContextChanged";
  }
}

/**
 * Serves `moby.filesync.v1.FileSync/DiffCopy`: the engine keeps what it got of a directory, is told what is there now, and
 * asks only for the bytes of what differs.
 */
export function fileServices(options: FileSyncOptions): ReadonlyMap<string, GrpcHandler> {
  return new Map([["/moby.filesync.v1.FileSync/DiffCopy", (call) => syncFiles(call, options)]]);
}

async function syncFiles(call: GrpcCall, options: FileSyncOptions): Promise<void> {
  const [name = ""] = call.values("dir-name");
  const source = options.sources.get(name);
  if (!source)
    throw new GrpcError(grpcStatus.notFound, `the build asks for "${name}", which it was not given`);
  try {
    await (source.kind === "text" ? sendText(call, source) : sendDirectory(call, source, options));
  } catch (error) {
    // What the other side says of it fails the build by itself.
    if (error instanceof DevloopError || error instanceof ContextChanged) options.onError(error);
    throw error;
  }
}

type DirectorySource = Extract<FileSource, { kind: "directory" }>;
type TextSource = Extract<FileSource, { kind: "text" }>;

async function sendText(call: GrpcCall, { name, text }: TextSource): Promise<void> {
  const content = Buffer.from(text);
  await call.send(textPacket(name, content));
  await call.send(statPacket());
  await answerRequests(call, async (id) => {
    await call.send(dataPacket(id, content));
    await call.send(dataPacket(id));
  });
}

async function sendDirectory(
  call: GrpcCall,
  source: DirectorySource,
  { onNote, signal }: FileSyncOptions,
): Promise<void> {
  const files = new Map<number, ContextEntry>();
  // Requests come while entries are still on their way out.
  await Promise.all([
    sendEntries(call, source, files, { onNote, signal }),
    answerRequests(call, async (id) => {
      const entry = files.get(id);
      if (!entry) throw new GrpcError(grpcStatus.unknown, `the build asks for entry ${id}, which is no file`);
      await sendFile(call, id, entry, signal);
    }),
  ]);
}

/** Fills `files` with those that the other side may ask for, by their places. */
async function sendEntries(
  call: GrpcCall,
  { path, filter }: DirectorySource,
  files: Map<number, ContextEntry>,
  { onNote, signal }: Pick<FileSyncOptions, "onNote" | "signal">,
): Promise<void> {
  const wanted = narrowed(filter, path, call.values("followpaths"));
  const firstLinks = new Map<string, string>();
  const special: string[] = [];
  let place = 0;
  for await (const entry of walkContext(path, wanted, { signal })) {
    const { stats } = entry;
    if (!stats.isFile() && !stats.isDirectory() && !stats.isSymbolicLink()) {
      special.push(entry.path);
      continue;
    }
    const hardLink = earlierLink(firstLinks, entry);
    if (stats.isFile() && hardLink === undefined) files.set(place, entry);
    place += 1;
    await call.send(statPacket(entry, hardLink));
  }
  await call.send(statPacket());
  if (special.length > 0) {
    onNote(`left out of the build context, neither file nor link: ${special.slice(0, 5).join(", ")}`);
  }
}

/** The filter, for no more than the paths that the build is after; all, where it names none. */
function narrowed(filter: ContextFilter, root: string, paths: readonly string[]): ContextFilter {
  const wanted = paths.length === 0 ? [""] : followPaths(root, paths);
  // A link may lead to the context itself.
  if (wanted.includes("")) return filter;
  const others = compileIgnore(["**", ...wanted.map((path) => `!${path}`)]);
  return {
    matches: (path) => filter.matches(path) || others.matches(path),
    canSkipDirectory: (path) => filter.canSkipDirectory(path) || others.canSkipDirectory(path),
  };
}

/** Where the same file was seen before, for one that has several names. */
function earlierLink(seen: Map<string, string>, { path, stats }: ContextEntry): string | undefined {
  if (!stats.isFile() || stats.nlink < 2) return undefined;
  const key = `${stats.dev}:${stats.ino}`;
  const first = seen.get(key);
  if (first === undefined) seen.set(key, path);
  return first;
}

async function answerRequests(call: GrpcCall, answer: (id: number) => Promise<void>): Promise<void> {
  for await (const message of call.messages) {
    const packet = readPacket(message);
    if (packet.kind === "request") await answer(packet.id);
    else if (packet.kind === "error") throw new GrpcError(grpcStatus.unknown, packet.message);
    else {
      await call.send(finishedPacket());
      return;
    }
  }
}

/** Bytes of a file that go in one packet. */
const pieceBytes = 64 * 1024;

/**
 * A file that changes meanwhile may arrive mixed: the watcher has seen the change, and its time differs at the next build.
 * One that has gone fails the transfer, since anything else would be taken for its content.
 */
async function sendFile(
  call: GrpcCall,
  id: number,
  { path, absolute, stats }: ContextEntry,
  signal: AbortSignal,
): Promise<void> {
  using file = openFile(absolute, path);
  // A file may grow while it is sent: what is appended is a later change.
  for (let sent = 0; sent < stats.size;) {
    signal.throwIfAborted();
    const buffer = Buffer.allocUnsafe(Math.min(pieceBytes, stats.size - sent));
    const length = read(file.descriptor, path, buffer, sent);
    if (length === 0) throw new ContextChanged(path, "got shorter");
    sent += length;
    await call.send(dataPacket(id, buffer.subarray(0, length)));
  }
  await call.send(dataPacket(id));
}

/** A pipe or a link put in the file's place meanwhile is neither waited for nor followed. */
function openFile(absolute: string, path: string): { readonly descriptor: number } & Disposable {
  const flags = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW;
  const descriptor = orGone(path, () => openSync(absolute, flags));
  if (descriptor === undefined) throw new ContextChanged(path, "was removed");
  return {
    descriptor,
    [Symbol.dispose]: () => {
      closeSync(descriptor);
    },
  };
}

function read(file: number, path: string, buffer: Buffer, position: number): number {
  try {
    return readSync(file, buffer, 0, buffer.length, position);
  } catch (error) {
    throw unreadable(path, errorText(error), error);
  }
}
