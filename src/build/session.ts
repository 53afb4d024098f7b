import { randomUUID } from "node:crypto";
import { type IncomingHttpHeaders, performServerHandshake, type ServerHttp2Stream } from "node:http2";
import type Dockerode from "dockerode";
import type { FindCredential, RegistryCredential } from "../engine/container-engine.js";
import { errorText } from "../lib/errors.js";
import { readFields, writeFields } from "../lib/protobuf.js";
import { postUpgrade } from "./engine-dial.js";

/** BuildKit's way back to us while it builds. Disposing ends it. */
export interface BuildSession extends Disposable {
  /** What the build request names it by. */
  readonly id: string;
}

export interface SessionOptions {
  readonly address: string;
  readonly credentials: FindCredential | undefined;
  /** Called when credentials cannot be looked up; the registry is then asked without. */
  readonly onNote: (message: string) => void;
  readonly signal: AbortSignal;
}

/**
 * Opens a session: a connection to the engine on which it is the client and we are the gRPC server. It asks for the
 * credentials of the registries it needs, and whether we are well. Throws ENGINE_UNREACHABLE.
 */
export async function openSession(docker: Dockerode, options: SessionOptions): Promise<BuildSession> {
  const id = randomUUID();
  const socket = await postUpgrade(docker, options.address, "/session", {
    signal: options.signal,
    headers: {
      Upgrade: "h2c",
      "X-Docker-Expose-Session-Uuid": id,
      "X-Docker-Expose-Session-Name": "devloop",
      "X-Docker-Expose-Session-Grpc-Method": credentialsMethod,
    },
  });
  const session = performServerHandshake(socket);
  // The build itself tells when the engine goes away; here it would only be said twice.
  session.on("error", () => undefined);
  socket.on("error", () => undefined);
  session.on("stream", (stream, headers) => {
    stream.on("error", () => undefined);
    void answer(stream, headers, options);
  });
  return {
    id,
    [Symbol.dispose]() {
      session.destroy();
      socket.destroy();
    },
  };
}

const credentialsMethod = "/moby.filesync.v1.Auth/Credentials";
const unimplemented = 12;

/** Cannot reject: whatever fails becomes a status that the engine gets. */
async function answer(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  options: SessionOptions,
): Promise<void> {
  try {
    const request = await readMessage(stream);
    switch (headers[":path"]) {
      case "/grpc.health.v1.Health/Check":
        // 1 stands for SERVING.
        respond(stream, writeFields([[1, 1]]));
        break;
      case credentialsMethod:
        respond(stream, await findCredentials(request, options));
        break;
      default:
        refuse(stream, unimplemented);
    }
  } catch {
    if (!stream.destroyed) stream.close();
  }
}

/** A gRPC message stands behind five bytes: whether it is compressed, and its length. */
const prefixBytes = 5;

async function readMessage(stream: ServerHttp2Stream): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).subarray(prefixBytes);
}

function respond(stream: ServerHttp2Stream, message: Buffer): void {
  if (stream.destroyed) return;
  const prefix = Buffer.alloc(prefixBytes);
  prefix.writeUInt32BE(message.length, 1);
  stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
  stream.once("wantTrailers", () => {
    stream.sendTrailers({ "grpc-status": "0" });
  });
  stream.end(Buffer.concat([prefix, message]));
}

function refuse(stream: ServerHttp2Stream, status: number): void {
  if (stream.destroyed) return;
  const headers = { ":status": 200, "content-type": "application/grpc", "grpc-status": String(status) };
  stream.respond(headers, { endStream: true });
}

async function findCredentials(request: Buffer, options: SessionOptions): Promise<Buffer> {
  const host = [...readFields(request)].find(({ number }) => number === 1)?.bytes.toString("utf8") ?? "";
  let found: RegistryCredential | undefined;
  try {
    found = await options.credentials?.(host, { signal: options.signal });
  } catch (error) {
    options.onNote(`no credentials for ${host}: ${errorText(error)}`);
  }
  if (found === undefined) return writeFields([]);
  // An identity token is told by its empty user name.
  return found.kind === "token"
    ? writeFields([[2, found.identityToken]])
    : writeFields([
        [1, found.username],
        [2, found.password],
      ]);
}
