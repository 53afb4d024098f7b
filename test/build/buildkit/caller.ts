import { once } from "node:events";
import type { ClientHttp2Session, IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http2";
import { frame, readMessages } from "../../../src/build/buildkit/grpc.js";
import { type FieldToWrite, readFields, writeFields } from "../../../src/lib/protobuf.js";

/** One gRPC call: its status, and the answer's fields as numbers and texts. */
export async function call(
  session: ClientHttp2Session,
  path: string,
  fields: readonly FieldToWrite[],
): Promise<{
  readonly status: unknown;
  readonly message?: unknown;
  readonly fields: Readonly<Record<number, string | number>>;
}> {
  const { request, ended } = begin(session, path, {});
  request.end(frame(writeFields(fields)));
  const answers: Buffer[] = [];
  for await (const answer of readMessages(request as AsyncIterable<Buffer>)) answers.push(answer);
  const found = answers.flatMap((answer) => [...readFields(answer)]);
  const { "grpc-status": status, "grpc-message": message } = await ended;
  return {
    status,
    ...(message === undefined ? {} : { message }),
    fields: Object.fromEntries(found.map(({ number, value, bytes }) => [number, value || bytes.toString()])),
  };
}

/** A gRPC call with messages both ways. */
export function stream(session: ClientHttp2Session, path: string, metadata: OutgoingHttpHeaders) {
  const { request, ended } = begin(session, path, metadata);
  const answers = readMessages(request as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  return {
    send: (message: Uint8Array) => request.write(frame(message)),
    async next(): Promise<Buffer> {
      const { value } = (await answers.next()) as { value: Buffer };
      return value;
    },
    /** Closes our side, and gives the status. */
    async end(): Promise<unknown> {
      request.end();
      for (let next = await answers.next(); !next.done; next = await answers.next());
      return (await ended)["grpc-status"];
    },
  };
}

function begin(session: ClientHttp2Session, path: string, metadata: OutgoingHttpHeaders) {
  const request = session.request({
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc",
    ...metadata,
  });
  const only = once(request, "response").then(([headers]) => headers as IncomingHttpHeaders);
  const trailers = once(request, "trailers").then(([headers]) => headers as IncomingHttpHeaders);
  // A call that fails at once has its status in the only headers there are.
  const ended = only.then((headers) => ("grpc-status" in headers ? headers : trailers));
  return { request, ended };
}
