import { type IncomingHttpHeaders, performServerHandshake, type ServerHttp2Stream } from "node:http2";
import type { Duplex } from "node:stream";
import { errorText } from "../../lib/errors.js";
import { encodeMessage, frame, GrpcError, grpcStatus, readMessages } from "./grpc.js";

/** A call that came in. */
export interface GrpcCall {
  /** What the caller says beside the messages, by its name in lower case: several values under one name are told apart. */
  values(name: string): readonly string[];
  /** What the caller sends; to be read once. */
  readonly messages: AsyncIterable<Buffer>;
  /** Resolves when more may be sent. Throws when the caller has gone. */
  send(message: Uint8Array): Promise<void>;
  /** Aborts when the caller has gone. */
  readonly signal: AbortSignal;
}

/** Answers a call: it succeeds when the promise resolves, and fails with its GrpcError, or as unknown. */
export type GrpcHandler = (call: GrpcCall) => Promise<void>;

/** A handler for methods that take one message and give one. */
export function unary(
  handle: (request: Buffer, call: GrpcCall) => Promise<Uint8Array> | Uint8Array,
): GrpcHandler {
  return async (call) => {
    for await (const request of call.messages) {
      await call.send(await handle(request, call));
      return;
    }
  };
}

/** Serves methods (`/package.Service/Method`) on a connection; disposing closes it. Others are unimplemented. */
export function serveGrpc(socket: Duplex, handlers: ReadonlyMap<string, GrpcHandler>): Disposable {
  // BuildKit sends each path that a Dockerfile copies, and each ignored one, as a header of its own.
  const session = performServerHandshake(socket, {
    maxHeaderListPairs: 1_000_000,
    settings: { maxHeaderListSize: 1 << 24 },
  });
  // The build itself tells when the engine goes away; here it would only be said twice.
  session.on("error", () => undefined);
  socket.on("error", () => undefined);
  session.on(
    "stream",
    (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, _flags: number, raw: readonly string[]) => {
      stream.on("error", () => undefined);
      void answer(stream, handlers.get(headers[":path"] ?? ""), metadataOf(raw));
    },
  );
  return {
    [Symbol.dispose]() {
      session.destroy();
      socket.destroy();
    },
  };
}

/** Cannot reject: whatever fails becomes the status that the caller gets. */
async function answer(
  stream: ServerHttp2Stream,
  handler: GrpcHandler | undefined,
  values: GrpcCall["values"],
): Promise<void> {
  if (!handler) {
    finish(stream, new GrpcError(grpcStatus.unimplemented, "no such method"));
    return;
  }
  const gone = new AbortController();
  stream.once("close", () => {
    gone.abort(new Error("the caller has gone"));
  });
  try {
    await handler({
      values,
      // Whoever has read enough still answers.
      messages: readMessages(stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>),
      send: (message) => send(stream, message, gone.signal),
      signal: gone.signal,
    });
    finish(stream);
  } catch (error) {
    finish(stream, error instanceof GrpcError ? error : new GrpcError(grpcStatus.unknown, errorText(error)));
  }
}

/** Names and values alternate. Where one is not ASCII, BuildKit encodes all under that name and says so under another. */
function metadataOf(raw: readonly string[]): GrpcCall["values"] {
  const all = (name: string): readonly string[] =>
    raw.filter((_, index) => index % 2 === 1 && raw[index - 1]?.toLowerCase() === name);
  return (name) =>
    all(`${name}-encoded`).length === 0
      ? all(name)
      : all(name).map((value) => decodeURIComponent(value.replaceAll("+", " ")));
}

const headers = { ":status": 200, "content-type": "application/grpc" };

/** How much may wait to be sent, in bytes: waiting for each small file to be gone would take longer than sending it. */
const aheadBytes = 1 << 20;

async function send(stream: ServerHttp2Stream, message: Uint8Array, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  if (!stream.headersSent) stream.respond(headers, { waitForTrailers: true });
  // What is sent without waiting in between travels together.
  if (!stream.writableCorked) {
    stream.cork();
    process.nextTick(() => {
      stream.uncork();
    });
  }
  stream.write(frame(message));
  if (stream.writableLength < aheadBytes) return;
  await new Promise<void>((resolve, reject) => {
    const settle = (): void => {
      stream.off("drain", settle).off("close", settle);
      if (signal.aborted) reject(signal.reason as Error);
      else resolve();
    };
    stream.on("drain", settle).on("close", settle);
  });
}

function finish(stream: ServerHttp2Stream, error?: GrpcError): void {
  if (stream.destroyed || stream.closed) return;
  const status = {
    "grpc-status": String(error?.status ?? grpcStatus.ok),
    ...(error === undefined ? {} : { "grpc-message": encodeMessage(error.message) }),
  };
  if (!stream.headersSent && error) {
    stream.respond({ ...headers, ...status }, { endStream: true });
    return;
  }
  if (!stream.headersSent) stream.respond(headers, { waitForTrailers: true });
  stream.once("wantTrailers", () => {
    stream.sendTrailers(status);
  });
  stream.end();
}
