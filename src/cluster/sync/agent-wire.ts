/**
 * The frames between devloop and its agent (agent/frames.h): u32 length of what follows, u8 type, payload. Numbers are big-endian, a
 * string has its length in front, in four bytes.
 */

const lengthBytes = 4;
/** The longest that the agent sends is the answer to a batch: this is one of more than a million changes. */
const longestFrameBytes = 64 * 1024 * 1024;

/** The fields of a frame, taken one after another. Each throws RangeError where the frame is too short for it. */
export interface Fields {
  u8(): number;
  u16(): number;
  u32(): number;
  i32(): number;
  /** Throws RangeError above what a number can hold, too. */
  u64(): number;
  big(): bigint;
  bytes(length: number): Buffer;
  text(): string;
  rest(): Buffer;
  /** Throws RangeError when something is left. */
  end(): void;
}
export interface Frame {
  readonly type: string;
  readonly fields: Fields;
}

/** A frame as it travels. A number stands for a u32, text for a string. */
export function frame(type: string, ...fields: readonly (number | string | Uint8Array)[]): Buffer {
  const parts = fields.flatMap((field) => {
    if (typeof field === "number") return [u32(field)];
    if (typeof field !== "string") return [field];
    const bytes = Buffer.from(field);
    return [u32(bytes.length), bytes];
  });
  const length = 1 + parts.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat([u32(length), Buffer.from(type, "latin1"), ...parts]);
}

function u32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export function u16(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

export function u64(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

/** The frames of a stream, as they come in pieces. Throws RangeError for one that cannot be, or that the stream ends in. */
export async function* readFrames(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Frame> {
  let chunks: Uint8Array[] = [];
  let length = 0;
  let wanted = lengthBytes;
  for await (const chunk of stream) {
    chunks.push(chunk);
    length += chunk.length;
    // Joined only once a frame is whole: a large one would be copied for each of its pieces.
    if (length < wanted) continue;
    let rest = Buffer.concat(chunks, length);
    while (rest.length >= (wanted = wantedBytes(rest))) {
      if (wanted === lengthBytes) continue;
      yield {
        type: String.fromCharCode(rest.readUInt8(lengthBytes)),
        fields: fieldsOf(rest.subarray(lengthBytes + 1, wanted)),
      };
      rest = rest.subarray(wanted);
    }
    chunks = [rest];
    length = rest.length;
  }
  if (length > 0) throw new RangeError("the agent's channel ends within a frame");
}

/** How many bytes the first frame takes; those of its length while that is not known. */
function wantedBytes(bytes: Buffer): number {
  if (bytes.length < lengthBytes) return lengthBytes;
  const length = bytes.readUInt32BE();
  if (length === 0 || length > longestFrameBytes)
    throw new RangeError(`a frame of ${length} bytes from the agent`);
  return lengthBytes + length;
}

function fieldsOf(payload: Buffer): Fields {
  let at = 0;
  const skip = (length: number): number => {
    if (length > payload.length - at) throw new RangeError("a frame from the agent is too short");
    at += length;
    return at - length;
  };
  const bytes = (length: number): Buffer => {
    const start = skip(length);
    return payload.subarray(start, start + length);
  };
  const big = (): bigint => payload.readBigUInt64BE(skip(8));
  return {
    u8: () => payload.readUInt8(skip(1)),
    u16: () => payload.readUInt16BE(skip(2)),
    u32: () => payload.readUInt32BE(skip(4)),
    i32: () => payload.readInt32BE(skip(4)),
    u64() {
      const value = Number(big());
      if (!Number.isSafeInteger(value)) throw new RangeError("a number from the agent is too large");
      return value;
    },
    big,
    bytes,
    text: () => bytes(payload.readUInt32BE(skip(4))).toString("utf8"),
    rest: () => bytes(payload.length - at),
    end() {
      if (at !== payload.length) throw new RangeError("a frame from the agent is too long");
    },
  };
}
