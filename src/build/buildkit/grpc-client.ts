import { addAbortListener } from "node:events";
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from "node:http2";
import type { IncomingHttpHeaders } from "node:http2";
import type { Duplex } from "node:stream";
import { checkTrailers, frame, GrpcError, grpcStatus, readMessages } from "./grpc.js";

/** Calls to a gRPC server at the other end of a connection. Disposing closes it. */
export interface GrpcClient extends Disposable {
  /**
   * Sends one message and gives those that come back. An abort cancels the call at the other end. Throws GrpcError, the
   * connection's own error, or the signal's reason.
   */
  call(
    method: string,
    request: Uint8Array,
    options: { readonly signal: AbortSignal },
  ): AsyncGenerator<Buffer>;
  /** The same for a method that gives one message back. */
  unary(method: string, request: Uint8Array, options: { readonly signal: AbortSignal }): Promise<Buffer>;
}

/** How often the other end is asked whether it is there, in ms: a network that went away closes no connection. */
const pingMs = 20_000;

export function grpcClient(socket: Duplex): GrpcClient {
  const session = connect("http://buildkit", { createConnection: () => socket });
  // Each call tells its own error; without a listener the event would end the process.
  session.on("error", () => undefined);
  let answered = true;
  const pings = setInterval(() => {
    if (!answered) {
      session.destroy(Object.assign(new Error("no answer"), { code: "ETIMEDOUT" }));
      return;
    }
    answered = false;
    session.ping(() => (answered = true));
  }, pingMs);
  pings.unref();
  return {
    call: (method, request, { signal }) => call(session, method, request, signal),
    async unary(method, request, { signal }) {
      let answer: Buffer = Buffer.alloc(0);
      for await (const message of call(session, method, request, signal)) answer = message;
      return answer;
    },
    [Symbol.dispose]() {
      clearInterval(pings);
      session.destroy();
      socket.destroy();
    },
  };
}

async function* call(
  session: ClientHttp2Session,
  method: string,
  request: Uint8Array,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  signal.throwIfAborted();
  const stream = session.request({
    ":method": "POST",
    ":path": method,
    "content-type": "application/grpc",
    te: "trailers",
  });
  const ended = endOf(stream);
  // Awaited below, unless reading fails before.
  ended.catch(() => undefined);
  using _ = addAbortListener(signal, () => {
    stream.close(constants.NGHTTP2_CANCEL);
    // A stream whose end got lost does not close by itself.
    stream.destroy();
  });
  stream.end(frame(request));
  try {
    yield* readMessages(stream as AsyncIterable<Buffer>);
    checkTrailers(await ended);
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    if (!stream.closed) stream.close(constants.NGHTTP2_CANCEL);
    stream.destroy();
  }
}

/** The headers that carry a call's status: its trailers, or the only ones where the call failed at once. */
async function endOf(stream: ClientHttp2Stream): Promise<IncomingHttpHeaders> {
  return await new Promise((resolve, reject) => {
    let only: IncomingHttpHeaders | undefined;
    stream.on("response", (headers) => {
      if (headers["grpc-status"] !== undefined) only = headers;
      else if (headers[":status"] !== 200) {
        reject(new GrpcError(grpcStatus.unknown, `HTTP status ${String(headers[":status"])}`));
      }
    });
    stream.on("trailers", resolve);
    stream.on("error", reject);
    stream.on("close", () => {
      if (only) resolve(only);
      else reject(Object.assign(new Error("the connection was closed"), { code: "ECONNRESET" }));
    });
  });
}
