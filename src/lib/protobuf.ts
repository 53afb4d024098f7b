/** One field of a protobuf message as it stands on the wire. */
export interface ProtobufField {
  readonly number: number;
  /** A varint or a fixed 64 or 32 bit number; 0 for a field of bytes. */
  readonly value: number;
  /** A string, bytes or a message; empty for a number. */
  readonly bytes: Buffer;
}

/** Reads the fields of one message in order. Numbers above 2^53 lose precision. Throws RangeError for a cut message. */
export function* readFields(message: Buffer): Generator<ProtobufField> {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = message.readUInt8(at++);
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
  };
  const take = (length: number): Buffer => {
    if (at + length > message.length) throw new RangeError("protobuf message ends within a field");
    at += length;
    return message.subarray(at - length, at);
  };
  while (at < message.length) {
    const tag = varint();
    const number = Math.floor(tag / 8);
    switch (tag % 8) {
      case 0:
        yield { number, value: varint(), bytes: nothing };
        break;
      case 1:
        yield { number, value: Number(take(8).readBigUInt64LE()), bytes: nothing };
        break;
      case 2:
        yield { number, value: 0, bytes: take(varint()) };
        break;
      case 5:
        yield { number, value: take(4).readUInt32LE(), bytes: nothing };
        break;
      default:
        throw new RangeError(`protobuf wire type ${tag % 8} is not supported`);
    }
  }
}

const nothing = Buffer.alloc(0);

/** Writes one message from its fields in order: numbers as varints (0 and up), the rest as bytes. */
export function writeFields(
  fields: readonly (readonly [number: number, value: number | string | Uint8Array])[],
): Buffer {
  const parts: Uint8Array[] = [];
  for (const [number, value] of fields) {
    if (typeof value === "number") {
      parts.push(varintBytes(number * 8), varintBytes(value));
    } else {
      const bytes = typeof value === "string" ? Buffer.from(value, "utf8") : value;
      parts.push(varintBytes(number * 8 + 2), varintBytes(bytes.length), bytes);
    }
  }
  return Buffer.concat(parts);
}

function varintBytes(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 128) {
    bytes.push((rest % 128) + 128);
    rest = Math.floor(rest / 128);
  }
  bytes.push(rest);
  return Uint8Array.from(bytes);
}
