import { appendFile, open, unlink } from "node:fs/promises";
import { join } from "node:path";
import type { KeptLine } from "../../engine/log-source.js";
import type { BlockCache } from "./block-cache.js";
import { decodeRecords, encodeRecord } from "./records.js";

export interface ResourceLimits {
  /** The oldest segment goes when the segments together are larger, in bytes. */
  readonly bytes: number;
  /** A new segment begins when one is this large, in bytes: what goes at once. */
  readonly segmentBytes: number;
}

/** A file, and how much of it is there. */
interface Segment {
  readonly path: string;
  /** With what waits to be written. */
  size: number;
  written: number;
}

/** Some lines that follow each other in one segment: what is read at once, and all that the index knows. */
export interface Block {
  readonly segment: Segment;
  readonly offset: number;
  /** The number of its first line among all of the resource's, from 0. */
  readonly first: number;
  readonly firstOrder: number;
  count: number;
  bytes: number;
  /** The newest time in it, ms since the epoch: lines of several pods do not come in order of time. */
  newest: number;
  /** Until they can be read from the file. */
  lines?: KeptLine[];
}

/** A line, and its number among all of its resource's. */
export interface NumberedLine {
  readonly number: number;
  readonly line: KeptLine;
}

/** A block is closed at this many lines or bytes, whichever comes first. */
const blockLines = 256;
const blockBytes = 64 * 1024;

/** One resource's lines, in files of its own: `NAME.0.log`, `NAME.1.log`, …. Bounded: the oldest file goes. */
export class ResourceLog {
  #blocks: Block[] = [];
  #segments: Segment[] = [];
  #made = 0;
  /** What is to be written, by segment, in order. */
  #pending: { readonly segment: Segment; text: string; bytes: number }[] = [];
  #end = 0;
  #kept = 0;
  #writing: Promise<void> | undefined;

  constructor(
    readonly id: string,
    private readonly options: {
      /** Without an ending: the segment's number is added. */
      readonly path: string;
      readonly limits: ResourceLimits;
      readonly cache: BlockCache;
    },
  ) {}

  /** The number of the oldest line that is kept. */
  get first(): number {
    return this.#blocks[0]?.first ?? this.#end;
  }
  /** One more than the number of the newest. */
  get end(): number {
    return this.#end;
  }
  /** The place of the oldest line that is kept among all lines of the session. */
  get firstOrder(): number {
    return this.#blocks[0]?.firstOrder ?? Infinity;
  }
  get kept(): number {
    return this.#kept;
  }
  /** The oldest, and those that no file took. */
  get dropped(): number {
    return this.#end - this.#kept;
  }
  /** Of all that is kept, written or not. */
  get bytes(): number {
    return this.#segments.reduce((sum, { size }) => sum + size, 0);
  }
  get pendingBytes(): number {
    return this.#pending.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  append(line: KeptLine): void {
    const record = encodeRecord(line);
    const bytes = Buffer.byteLength(record);
    let segment = this.#segments.at(-1);
    if (!segment || segment.size >= this.options.limits.segmentBytes) segment = this.#newSegment();
    let block = this.#blocks.at(-1);
    if (
      !block ||
      block.segment !== segment ||
      block.count >= blockLines ||
      block.bytes + bytes > blockBytes
    ) {
      block = {
        segment,
        offset: segment.size,
        first: this.#end,
        firstOrder: line.order,
        count: 0,
        bytes: 0,
        newest: line.time,
        lines: [],
      };
      this.#blocks.push(block);
    }
    block.count += 1;
    block.bytes += bytes;
    block.newest = Math.max(block.newest, line.time);
    block.lines?.push(line);
    this.#end += 1;
    this.#kept += 1;
    segment.size += bytes;
    const last = this.#pending.at(-1);
    if (last?.segment === segment) {
      last.text += record;
      last.bytes += bytes;
    } else this.#pending.push({ segment, text: record, bytes });
  }

  /** Writes what waits, and removes files that are too many. Never rejects: lines that cannot be written are counted as dropped. */
  flush(): Promise<void> {
    return (this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    }));
  }

  async #write(): Promise<void> {
    for (let next = this.#pending.shift(); next; next = this.#pending.shift()) {
      const { segment, text, bytes } = next;
      try {
        await appendFile(segment.path, text, { mode: 0o600 });
        segment.written += bytes;
        this.#release(segment);
      } catch {
        await this.#lose(segment);
      }
    }
    while (this.#segments.length > 1 && this.bytes > this.options.limits.bytes) await this.dropOldest();
  }

  /** Removes the oldest file; the newest stays. */
  async dropOldest(): Promise<void> {
    if (this.#segments.length < 2) return;
    const [oldest] = this.#segments;
    if (oldest) await this.#remove(oldest);
  }

  /** What is in the file is not held twice; the block that still grows is. */
  #release(segment: Segment): void {
    for (let index = this.#blocks.length - 2; index >= 0; index -= 1) {
      const block = this.#blocks[index];
      if (!block?.lines) return;
      if (block.segment !== segment || block.offset + block.bytes > segment.written) continue;
      this.options.cache.put(block, block.lines);
      delete block.lines;
    }
  }

  /** A file that takes no more ends where it is: what was to come, goes. */
  async #lose(segment: Segment): Promise<void> {
    this.#pending = this.#pending.filter((waiting) => waiting.segment !== segment);
    await this.#remove(segment);
  }

  async #remove(segment: Segment): Promise<void> {
    this.#blocks = this.#blocks.filter((block) => {
      if (block.segment !== segment) return true;
      this.#kept -= block.count;
      return false;
    });
    this.#segments = this.#segments.filter((each) => each !== segment);
    await unlink(segment.path).catch(() => undefined);
  }

  #newSegment(): Segment {
    const segment = { path: `${this.options.path}.${this.#made}.log`, size: 0, written: 0 };
    this.#made += 1;
    this.#segments.push(segment);
    return segment;
  }

  /** The lines of these numbers, given in rising order, as far as they are kept. */
  async pick(numbers: readonly number[]): Promise<readonly NumberedLine[]> {
    const byBlock = new Map<Block, number[]>();
    for (const number of numbers) {
      const block = this.#blockOf(number);
      if (!block) continue;
      const list = byBlock.get(block);
      if (list) list.push(number);
      else byBlock.set(block, [number]);
    }
    const loaded = await this.#load([...byBlock.keys()]);
    return [...byBlock].flatMap(([block, wanted]) =>
      wanted.flatMap((number) => {
        const line = loaded.get(block)?.[number - block.first];
        return line ? [{ number, line }] : [];
      }),
    );
  }

  /** The lines `from` to `to - 1` by number, as far as they are kept. */
  async range(from: number, to: number): Promise<readonly NumberedLine[]> {
    const start = Math.max(from, this.first);
    const length = Math.max(0, Math.min(to, this.#end) - start);
    return this.pick(Array.from({ length }, (_, index) => start + index));
  }

  /** The lines whose place among all of the session is `from` to `to - 1`; blocks without a line since `since` are left out. */
  async orders(from: number, to: number, since = -Infinity): Promise<readonly NumberedLine[]> {
    const blocks: Block[] = [];
    for (let index = Math.max(0, this.#blockIndex((block) => block.firstOrder > from) - 1); ; index += 1) {
      const block = this.#blocks[index];
      if (!block || block.firstOrder >= to) break;
      if (block.newest >= since) blocks.push(block);
    }
    const loaded = await this.#load(blocks);
    return blocks.flatMap((block) =>
      (loaded.get(block) ?? []).flatMap((line, index) =>
        line.order >= from && line.order < to ? [{ number: block.first + index, line }] : [],
      ),
    );
  }

  #blockOf(number: number): Block | undefined {
    const block = this.#blocks[this.#blockIndex(({ first }) => first > number) - 1];
    return block && number < block.first + block.count ? block : undefined;
  }

  /** The first block of which `isLater` holds; it holds of all after it too. */
  #blockIndex(isLater: (block: Block) => boolean): number {
    let low = 0;
    let high = this.#blocks.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const block = this.#blocks[middle];
      if (block && isLater(block)) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  async #load(blocks: readonly Block[]): Promise<ReadonlyMap<Block, readonly KeptLine[]>> {
    const { cache } = this.options;
    const loaded = new Map<Block, readonly KeptLine[]>();
    const missing: Block[] = [];
    for (const block of blocks) {
      const lines = block.lines ?? cache.get(block);
      if (lines) loaded.set(block, lines);
      else missing.push(block);
    }
    for (const run of runsOf(missing)) {
      const text = await readStretch(run);
      // The file went while it was to be read: its lines are dropped.
      if (text === undefined) continue;
      let at = 0;
      for (const block of run) {
        const lines = decodeRecords(text.toString("utf8", at, at + block.bytes), this.id);
        at += block.bytes;
        cache.put(block, lines);
        loaded.set(block, lines);
      }
    }
    return loaded;
  }
}

/** Blocks that stand side by side in a file, to be read at once. */
function runsOf(blocks: readonly Block[]): readonly (readonly Block[])[] {
  const runs: Block[][] = [];
  for (const block of blocks) {
    const run = runs.at(-1);
    const last = run?.at(-1);
    if (run && last && last.segment === block.segment && last.offset + last.bytes === block.offset)
      run.push(block);
    else runs.push([block]);
  }
  return runs;
}

async function readStretch(run: readonly Block[]): Promise<Buffer | undefined> {
  const [first] = run;
  if (!first) return undefined;
  const length = run.reduce((sum, { bytes }) => sum + bytes, 0);
  try {
    await using file = await open(first.segment.path, "r");
    const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(length), 0, length, first.offset);
    return bytesRead === length ? buffer : undefined;
  } catch {
    return undefined;
  }
}

/** A resource's file name: readable, and never that of another. */
export function logPath(directory: string, id: string, number: number): string {
  return join(directory, `${number}-${id.replace(/[^A-Za-z0-9._-]+/g, "_").slice(-80)}`);
}
