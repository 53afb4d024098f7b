import { createHash, type Hash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Writable } from "node:stream";
import { finished } from "node:stream/promises";
import { createGunzip, type Gunzip } from "node:zlib";

/** The port that is tried first: engines remember for each layer where it was pushed to, and few names are enough. */
const preferredPort = 28_765;
/** How large a blob that is not compressed (a config) or a manifest may be, in bytes. */
const documentBytes = 4 << 20;

/** A layer that an engine pushed. */
export interface PushedLayer {
  /** The digest of the gzip stream that travelled. */
  readonly compressed: string;
  /** The digest of what is in it: the layer's diff id. */
  readonly digest: string;
  /** Of what is in it, in bytes. */
  readonly size: number;
}

/** What is done with one push. */
export interface PushRules {
  /** Whether a blob need not travel, by the digest of its gzip stream. */
  readonly has: (compressed: string) => boolean;
  /** Whether a layer's bytes are kept, by its diff id. */
  readonly wants: (digest: string) => boolean;
  /** How much is held in memory, in bytes; 0 reads the layers and keeps nothing. */
  readonly keepBytes: number;
  /** More than that came: no more is kept, and what comes is not taken. */
  readonly onFull: () => void;
}

/** One push as it comes in. Disposing ends it and lets go of the bytes. */
export interface PushReceiver extends Disposable {
  /** What the image is to be called to come here, without a tag: `127.0.0.1:28765/devloop/load`. */
  readonly repository: string;
  readonly layers: readonly PushedLayer[];
  /** The bytes of a layer that was wanted, by its diff id. */
  layer(digest: string): readonly Buffer[] | undefined;
  /** A blob that was not compressed, by its digest: the image's config. */
  document(digest: string): Buffer | undefined;
}

/** A registry that an engine can push to, and nothing else: what is pushed is read in passing. */
export interface PushEndpoint extends Disposable {
  /** Takes the next push to this path; one at a time for each. */
  receive(path: string, rules: PushRules): PushReceiver;
}

/**
 * Listens on the loopback interface, without keeping the process alive. It speaks the push half of the OCI distribution
 * specification (https://github.com/opencontainers/distribution-spec/blob/main/spec.md#push): HEAD of blobs, POST, PATCH and
 * PUT of uploads, PUT of manifests. Digests are computed here and never believed, so whoever else finds the port can only
 * waste its own time. Throws when no port is free.
 */
export async function openPushEndpoint(): Promise<PushEndpoint> {
  const receivers = new Map<string, Receiver>();
  const server = createServer((request, response) => {
    answer(receivers, request, response).catch(() => response.destroy());
  });
  server.on("connection", (socket) => socket.unref());
  await listen(server, preferredPort).catch(() => listen(server, 0));
  server.unref();
  const { port } = server.address() as AddressInfo;
  return {
    receive(path, rules) {
      const receiver = new Receiver(`127.0.0.1:${port}/${path}`, rules, () => {
        if (receivers.get(path) === receiver) receivers.delete(path);
      });
      receivers.set(path, receiver);
      return receiver;
    },
    [Symbol.dispose]() {
      receivers.clear();
      server.close();
      server.closeAllConnections();
    },
  };
}

async function listen(server: Server, port: number): Promise<void> {
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
}

class Receiver implements PushReceiver {
  readonly layers: PushedLayer[] = [];
  readonly uploads = new Map<string, Upload>();
  readonly #documents = new Map<string, Buffer>();
  readonly #kept = new Map<string, readonly Buffer[]>();
  #held = 0;
  #full = false;
  #begun = 0;

  constructor(
    readonly repository: string,
    readonly rules: PushRules,
    private readonly onDispose: () => void,
  ) {}

  layer(digest: string): readonly Buffer[] | undefined {
    return this.#kept.get(digest);
  }
  document(digest: string): Buffer | undefined {
    return this.#documents.get(digest);
  }
  has(digest: string): boolean {
    return (
      this.rules.has(digest) ||
      this.#documents.has(digest) ||
      this.layers.some(({ compressed }) => compressed === digest)
    );
  }
  /** Whether so many bytes more may be kept. */
  reserve(bytes: number): boolean {
    if (this.rules.keepBytes === 0) return false;
    this.#held += bytes;
    if (this.#held <= this.rules.keepBytes) return true;
    if (!this.#full) this.rules.onFull();
    this.#full = true;
    return false;
  }
  get full(): boolean {
    return this.#full;
  }
  begin(): string {
    this.#begun += 1;
    const id = String(this.#begun);
    this.uploads.set(id, new Upload(this));
    return id;
  }
  /** Takes over an upload that is complete. */
  add(id: string, upload: Upload, { compressed, digest }: Digests): void {
    this.uploads.delete(id);
    if (!upload.packed) {
      this.#documents.set(compressed, Buffer.concat(upload.chunks));
      return;
    }
    this.layers.push({ compressed, digest, size: upload.size });
    if (this.rules.wants(digest)) this.#kept.set(digest, upload.chunks);
    else this.#held -= upload.held;
  }
  [Symbol.dispose](): void {
    this.onDispose();
    for (const upload of this.uploads.values()) upload.unpack?.destroy();
    this.uploads.clear();
    this.#kept.clear();
    this.#documents.clear();
  }
}

interface Digests {
  readonly compressed: string;
  readonly digest: string;
}

/** A blob on its way in: hashed as it comes and, when it is a gzip stream, as it is unpacked. */
class Upload {
  readonly received = createHash("sha256");
  readonly raw: Hash = createHash("sha256");
  readonly chunks: Buffer[] = [];
  unpack: Gunzip | undefined;
  /** Bytes that came, and bytes that came out. */
  taken = 0;
  size = 0;
  held = 0;

  constructor(private readonly receiver: Receiver) {}

  get packed(): boolean {
    return this.unpack !== undefined;
  }

  /** Throws for a stream that cannot be unpacked, or is too much. */
  async take(source: AsyncIterable<Buffer>): Promise<void> {
    for await (const chunk of source) {
      if (this.receiver.full) throw new Error("more than is kept");
      // No JSON begins with gzip's first byte.
      if (this.taken === 0 && chunk[0] === 0x1f) this.unpack = this.#unpacker();
      this.taken += chunk.length;
      this.received.update(chunk);
      if (!this.unpack) {
        if (this.taken > documentBytes) throw new Error("neither a layer in gzip nor a config");
        this.chunks.push(chunk);
      } else if (!this.unpack.write(chunk)) {
        await drained(this.unpack);
        if (this.unpack.destroyed) throw new Error("not a gzip stream");
      }
    }
  }

  /** The digests of what came and of what was in it. */
  async end(): Promise<Digests> {
    if (this.unpack) {
      this.unpack.end();
      await finished(this.unpack);
    }
    return {
      compressed: `sha256:${this.received.digest("hex")}`,
      digest: `sha256:${this.raw.digest("hex")}`,
    };
  }

  #unpacker(): Gunzip {
    const unpack = createGunzip({ chunkSize: 1 << 16 });
    unpack.on("data", (chunk: Buffer) => {
      this.raw.update(chunk);
      this.size += chunk.length;
      if (!this.receiver.reserve(chunk.length)) return;
      this.held += chunk.length;
      this.chunks.push(chunk);
    });
    // Told by `take` and `end`, which find it destroyed.
    unpack.on("error", () => undefined);
    return unpack;
  }
}

/** Resolves when the stream takes more, or is gone. */
async function drained(stream: Writable): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = (): void => {
      stream.off("drain", done).off("close", done);
      resolve();
    };
    stream.on("drain", done).on("close", done);
  });
}

/** Routes one request. Paths are `/v2/`, `/v2/<path>/blobs/…` and `/v2/<path>/manifests/…`. */
async function answer(
  receivers: ReadonlyMap<string, Receiver>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? "/", "http://localhost");
  if (url.pathname === "/v2/") {
    refuseBody(request);
    send(response, 200, { "Docker-Distribution-Api-Version": "registry/2.0" });
    return;
  }
  const [, path = "", kind = "", rest = ""] =
    /^\/v2\/(.+)\/(blobs|manifests)\/(.*)$/.exec(url.pathname) ?? [];
  const receiver = receivers.get(path);
  if (!receiver) {
    refuseBody(request);
    send(response, 404);
  } else if (kind === "manifests") await manifest(request, response);
  else if (rest.startsWith("uploads/")) await upload(receiver, url, request, response);
  else {
    refuseBody(request);
    const there = request.method === "HEAD" && receiver.has(rest);
    // Nothing reads the length: the manifest that the engine makes of it is not used.
    send(response, there ? 200 : 404, there ? { "Content-Length": "1", "Docker-Content-Digest": rest } : {});
  }
}

async function upload(
  receiver: Receiver,
  url: URL,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const base = url.pathname.slice(0, url.pathname.lastIndexOf("/"));
  if (request.method === "POST") {
    refuseBody(request);
    const id = receiver.begin();
    send(response, 202, { Location: `${base}/${id}`, "Docker-Upload-Uuid": id, Range: "0-0" });
    return;
  }
  const id = url.pathname.slice(base.length + 1);
  const one = receiver.uploads.get(id);
  if (!one || (request.method !== "PATCH" && request.method !== "PUT")) {
    refuseBody(request);
    send(response, 404);
    return;
  }
  try {
    await one.take(request as AsyncIterable<Buffer>);
    if (request.method === "PATCH") {
      const range = `0-${Math.max(one.taken - 1, 0)}`;
      send(response, 202, { Location: url.pathname, "Docker-Upload-Uuid": id, Range: range });
      return;
    }
    const digests = await one.end();
    const { compressed } = digests;
    if (url.searchParams.get("digest") !== compressed) throw new Error("another digest than was said");
    receiver.add(id, one, digests);
    const blob = `${url.pathname.slice(0, url.pathname.indexOf("/uploads/"))}/${compressed}`;
    send(response, 201, { Location: blob, "Docker-Content-Digest": compressed });
  } catch (error) {
    one.unpack?.destroy();
    refuseBody(request);
    send(response, 400, {}, error instanceof Error ? error.message : "not understood");
  }
}

/** The manifest is taken and forgotten: the nodes get one that names the layers as they are uncompressed. */
async function manifest(request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method !== "PUT") {
    refuseBody(request);
    send(response, 404);
    return;
  }
  const hash = createHash("sha256");
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > documentBytes) throw new Error("too large for a manifest");
    hash.update(chunk);
  }
  const digest = `sha256:${hash.digest("hex")}`;
  send(response, 201, { Location: request.url ?? "/", "Docker-Content-Digest": digest });
}

function refuseBody(request: IncomingMessage): void {
  request.resume();
}

/** Errors have the body that the specification gives them. */
function send(
  response: ServerResponse,
  status: number,
  headers: Readonly<Record<string, string>> = {},
  message?: string,
): void {
  if (response.destroyed) return;
  response.writeHead(status, headers);
  response.end(
    message === undefined ? "" : JSON.stringify({ errors: [{ code: "BLOB_UPLOAD_INVALID", message }] }),
  );
}
