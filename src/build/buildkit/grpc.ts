/**
 * The wire format of gRPC over HTTP/2, as far as BuildKit needs it
 * (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md). Messages are never compressed: we offer no way to.
 */
import type { IncomingHttpHeaders } from "node:http2";

/** The statuses in use here, of https://grpc.github.io/grpc/core/md_doc_statuscodes.html. */
export const grpcStatus = { ok: 0, unknown: 2, notFound: 5, unimplemented: 12 } as const;

/** The other side, or one of our own handlers, ended a call with an error. */
export class GrpcError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
    this.name = "GrpcError";
  }
}

/** A message stands behind five bytes: whether it is compressed, and its length. */
const prefixBytes = 5;

/** A message as it travels. */
export function frame(message: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(prefixBytes + message.length);
  framed.writeUInt8(0, 0);
  framed.writeUInt32BE(message.length, 1);
  framed.set(message, prefixBytes);
  return framed;
}

/** The messages of a stream, as they come in pieces. Throws RangeError for one that is cut or compressed. */
export async function* readMessages(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of stream) {
    chunks.push(chunk);
    length += chunk.length;
    if (length < wanted(chunks, length)) continue;
    let rest = Buffer.concat(chunks, length);
    while (rest.length >= prefixBytes && rest.length >= prefixBytes + rest.readUInt32BE(1)) {
      const end = prefixBytes + rest.readUInt32BE(1);
      if (rest.readUInt8(0) !== 0) throw new RangeError("a compressed gRPC message");
      yield rest.subarray(prefixBytes, end);
      rest = rest.subarray(end);
    }
    chunks = rest.length > 0 ? [rest] : [];
    length = rest.length;
  }
  if (length > 0) throw new RangeError("the stream ends within a gRPC message");
}

/** How many bytes make the first message whole: joining them before would copy a large one once for each piece. */
function wanted(chunks: readonly Uint8Array[], length: number): number {
  const [first] = chunks;
  if (!first || length < prefixBytes) return prefixBytes;
  const head = first.length >= prefixBytes ? first : Buffer.concat(chunks, length);
  return prefixBytes + Buffer.from(head.buffer, head.byteOffset, prefixBytes).readUInt32BE(1);
}

/** What a call's trailers say: nothing for success. Throws GrpcError. */
export function checkTrailers(headers: IncomingHttpHeaders): void {
  const status = Number(headers["grpc-status"] ?? grpcStatus.unknown);
  if (status === grpcStatus.ok) return;
  throw new GrpcError(status, decodeMessage(String(headers["grpc-message"] ?? `status ${status}`)));
}

/** Status messages are percent-encoded; what is not stays as it came. */
function decodeMessage(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The other direction: what may not stand in a header is encoded. */
export function encodeMessage(text: string): string {
  return encodeURIComponent(text);
}
