import { readFields } from "../../lib/protobuf.js";

/** One message of BuildKit's trace: what has changed since the last. Times are in ms since the epoch. */
export interface Trace {
  readonly vertexes: readonly TraceVertex[];
  readonly statuses: readonly TraceStatus[];
  readonly logs: readonly TraceLog[];
  readonly warnings: readonly string[];
}
export interface TraceVertex {
  readonly digest: string;
  /** `[build 2/4] RUN npm ci`, `[internal] load build context`. */
  readonly name: string;
  readonly cached: boolean;
  readonly started?: number;
  readonly completed?: number;
  readonly error?: string;
}
/** How far a part of a step is, in bytes. */
export interface TraceStatus {
  readonly vertex: string;
  readonly id: string;
  readonly current: number;
  readonly total: number;
}
export interface TraceLog {
  readonly vertex: string;
  /** As the program printed it: may begin and end within a line or a character. */
  readonly data: Buffer;
}

/** Decodes a `moby.buildkit.v1.StatusResponse`. Throws RangeError for what is not one. */
export function decodeTrace(message: Buffer): Trace {
  const vertexes: TraceVertex[] = [];
  const statuses: TraceStatus[] = [];
  const logs: TraceLog[] = [];
  const warnings: string[] = [];
  for (const { number, bytes } of readFields(message)) {
    if (number === 1) vertexes.push(decodeVertex(bytes));
    else if (number === 2) statuses.push(decodeStatus(bytes));
    else if (number === 3) logs.push(decodeLog(bytes));
    else if (number === 4) warnings.push(text(fieldsOf(bytes).get(3)));
  }
  return { vertexes, statuses, logs, warnings };
}

type Fields = ReadonlyMap<number, { readonly value: number; readonly bytes: Buffer }>;

/** The fields in use here are single ones: the last counts, as protobuf has it. */
function fieldsOf(message: Buffer): Fields {
  return new Map([...readFields(message)].map(({ number, value, bytes }) => [number, { value, bytes }]));
}

function text(field: { readonly bytes: Buffer } | undefined): string {
  return field?.bytes.toString("utf8") ?? "";
}

function decodeVertex(message: Buffer): TraceVertex {
  const fields = fieldsOf(message);
  const started = time(fields.get(5));
  const completed = time(fields.get(6));
  const error = text(fields.get(7));
  return {
    digest: text(fields.get(1)),
    name: text(fields.get(3)),
    cached: fields.get(4)?.value === 1,
    ...(started === undefined ? {} : { started }),
    ...(completed === undefined ? {} : { completed }),
    ...(error === "" ? {} : { error }),
  };
}

function decodeStatus(message: Buffer): TraceStatus {
  const fields = fieldsOf(message);
  return {
    id: text(fields.get(1)),
    vertex: text(fields.get(2)),
    current: fields.get(4)?.value ?? 0,
    total: fields.get(5)?.value ?? 0,
  };
}

function decodeLog(message: Buffer): TraceLog {
  const fields = fieldsOf(message);
  return { vertex: text(fields.get(1)), data: fields.get(4)?.bytes ?? Buffer.alloc(0) };
}

function time(field: { readonly bytes: Buffer } | undefined): number | undefined {
  if (field === undefined) return undefined;
  const fields = fieldsOf(field.bytes);
  return (fields.get(1)?.value ?? 0) * 1000 + (fields.get(2)?.value ?? 0) / 1e6;
}
