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

/** A field to write: a number as a varint (0 and up), the rest as bytes. */
export type FieldToWrite = readonly [number: number, value: number | bigint | string | Uint8Array];

/** Writes one message from its fields in order. */
export function writeFields(fields: readonly FieldToWrite[]): Buffer {
  const parts: Uint8Array[] = [];
  for (const [number, value] of fields) {
    if (typeof value === "number") {
      parts.push(varintBytes(number * 8), varintBytes(value));
    } else if (typeof value === "bigint") {
      parts.push(varintBytes(number * 8), longVarintBytes(value));
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

function longVarintBytes(value: bigint): Uint8Array {
  const bytes: number[] = [];
  // A negative number is all of its 64 bits, as protobuf has it.
  let rest = BigInt.asUintN(64, value);
  while (rest >= 128n) {
    bytes.push(Number(rest % 128n) + 128);
    rest /= 128n;
  }
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}

/** A map's entries as fields: one message of key and value each. */
export function mapFields(
  number: number,
  entries: Readonly<Record<string, string>>,
): readonly FieldToWrite[] {
  return Object.entries(entries).map(([key, value]) => [
    number,
    writeFields([
      [1, key],
      [2, value],
    ]),
  ]);
}

/** Reads a map of strings from the fields that carry its entries. */
export function readMap(message: Buffer, number: number): Readonly<Record<string, string>> {
  const entries = [...readFields(message)].filter((field) => field.number === number);
  return Object.fromEntries(entries.map(({ bytes }) => [textField(bytes, 1), textField(bytes, 2)]));
}

/** A string field: the last one counts, and it is empty where there is none. */
export function textField(message: Buffer, number: number): string {
  return bytesField(message, number)?.toString("utf8") ?? "";
}

/** The bytes of a field, of the last that stands there. */
export function bytesField(message: Buffer, number: number): Buffer | undefined {
  return [...readFields(message)].findLast((field) => field.number === number)?.bytes;
}
