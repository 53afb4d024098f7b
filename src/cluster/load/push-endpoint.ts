import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { errorText } from "../../lib/errors.js";
import { sha256 } from "../../lib/sha256.js";

/**
 * The ports that are tried first, before any other one: engines remember for each layer where it was pushed to, and few
 * names are enough. Two devloops at once take two of them.
 */
const preferredPorts = [28_765, 28_766, 28_767, 28_768];
/** How large a manifest may be, in bytes: as much as registries take. */
const manifestBytes = 4 << 20;

/** What takes the pushes to a path. */
export interface PushTarget {
  /** Whether a blob need not travel, by the digest that it travels by. */
  has(digest: string): boolean;
  /** Begins a blob. */
  begin(): Upload;
  /** A manifest or an index, as it came. */
  manifest(manifest: PushedManifest): void;
}

/** A blob on its way in. */
export interface Upload {
  /** How many bytes came so far. */
  readonly taken: number;
  /**
   * The next piece. `digest` and `size` (in bytes) are of the whole blob and known where it comes in one piece, as containerd
   * pushes it. Throws for what is not taken.
   */
  take(
    piece: AsyncIterable<Buffer>,
    blob: { readonly digest?: string; readonly size?: number },
  ): Promise<void>;
  /** All came: its digest, which is computed and not believed. Throws for what cannot be kept. */
  end(): Promise<string>;
  /** Keeps it, once its digest is what was said. */
  keep(): void;
  drop(): void;
}

export interface PushedManifest {
  readonly digest: string;
  readonly mediaType: string;
  readonly content: Buffer;
}

/** One push as it comes in. Disposing ends it. */
export interface Reception extends Disposable {
  /** What the image is to be called to come here, without a tag: `127.0.0.1:28765/devloop/load`. */
  readonly repository: string;
}

/** A registry that an engine can push to, and nothing else: what is pushed is read in passing. */
export interface PushEndpoint extends Disposable {
  /**
   * Takes the next push to this path; one at a time for each. `onFailure` is told of a blob or a manifest that was refused
   * or broke off: the engine would try it again for a minute.
   */
  receive(path: string, target: PushTarget, onFailure: (error: unknown) => void): Reception;
  /** Whether anything was ever asked here: an engine in a virtual machine means its own loopback interface. */
  readonly wasReached: boolean;
}

/**
 * Listens on the loopback interface, without keeping the process alive. It speaks the push half of the OCI distribution
 * specification (https://github.com/opencontainers/distribution-spec/blob/main/spec.md#push): HEAD of blobs, POST, PATCH and
 * PUT of uploads, PUT of manifests. Digests are computed here and never believed, so whoever else finds the port can only
 * waste its own time. Throws when no port is free.
 */
export async function openPushEndpoint(): Promise<PushEndpoint> {
  const pushes = new Map<string, Push>();
  let wasReached = false;
  // Counted over all pushes: what is left of one that is over must not get into the next.
  let begun = 0;
  const nextId = (): string => {
    begun += 1;
    return String(begun);
  };
  // A request is one layer, which may take longer than Node's five minutes; whoever began the push limits it.
  const server = createServer({ requestTimeout: 0 }, (request, response) => {
    wasReached = true;
    answer(pushes, request, response).catch(() => response.destroy());
  });
  server.on("connection", (socket) => socket.unref());
  await listen(server);
  server.unref();
  const { port } = server.address() as AddressInfo;
  return {
    receive(path, target, onFailure) {
      const push: Push = { target, onFailure, uploads: new Map(), nextId };
      pushes.set(path, push);
      return {
        repository: `127.0.0.1:${port}/${path}`,
        [Symbol.dispose]() {
          if (pushes.get(path) === push) pushes.delete(path);
          for (const upload of push.uploads.values()) upload.drop();
          push.uploads.clear();
        },
      };
    },
    get wasReached() {
      return wasReached;
    },
    [Symbol.dispose]() {
      pushes.clear();
      server.close();
      server.closeAllConnections();
    },
  };
}

interface Push {
  readonly target: PushTarget;
  readonly onFailure: (error: unknown) => void;
  readonly uploads: Map<string, Upload>;
  readonly nextId: () => string;
}

async function listen(server: Server): Promise<void> {
  for (const port of preferredPorts) {
    try {
      await listenAt(server, port);
      return;
    } catch {
      // Another devloop's, or whoever's.
    }
  }
  await listenAt(server, 0);
}

async function listenAt(server: Server, port: number): Promise<void> {
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
}

/** Routes one request. Paths are `/v2/`, `/v2/<path>/blobs/…` and `/v2/<path>/manifests/…`. */
async function answer(
  pushes: ReadonlyMap<string, Push>,
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
  const push = pushes.get(path);
  if (!push) {
    refuseBody(request);
    send(response, 404);
  } else if (kind === "manifests") await manifest(push, request, response);
  else if (rest.startsWith("uploads/")) await upload(push, url, request, response);
  else {
    refuseBody(request);
    const there = request.method === "HEAD" && push.target.has(rest);
    // Nothing reads the length: a manifest's layers have theirs from the engine.
    send(response, there ? 200 : 404, there ? { "Content-Length": "1", "Docker-Content-Digest": rest } : {});
  }
}

async function upload(
  push: Push,
  url: URL,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const base = url.pathname.slice(0, url.pathname.lastIndexOf("/"));
  if (request.method === "POST") {
    refuseBody(request);
    const id = push.nextId();
    push.uploads.set(id, push.target.begin());
    send(response, 202, { Location: `${base}/${id}`, "Docker-Upload-Uuid": id, Range: "0-0" });
    return;
  }
  const id = url.pathname.slice(base.length + 1);
  const one = push.uploads.get(id);
  if (!one || (request.method !== "PATCH" && request.method !== "PUT")) {
    refuseBody(request);
    send(response, 404);
    return;
  }
  try {
    const said = url.searchParams.get("digest");
    await one.take(request as AsyncIterable<Buffer>, wholeBlob(request, said));
    if (request.method === "PATCH") {
      const range = `0-${Math.max(one.taken - 1, 0)}`;
      send(response, 202, { Location: url.pathname, "Docker-Upload-Uuid": id, Range: range });
      return;
    }
    const digest = await one.end();
    if (said !== digest) throw new Error("another digest than was said");
    one.keep();
    push.uploads.delete(id);
    const blob = `${url.pathname.slice(0, url.pathname.indexOf("/uploads/"))}/${digest}`;
    send(response, 201, { Location: blob, "Docker-Content-Digest": digest });
  } catch (error) {
    push.uploads.delete(id);
    one.drop();
    refuse(push, error, "BLOB_UPLOAD_INVALID", request, response);
  }
}

/** What is known of a blob that a request carries as a whole. */
function wholeBlob(
  { method, headers }: IncomingMessage,
  digest: string | null,
): { readonly digest?: string; readonly size?: number } {
  const length = headers["content-length"];
  if (method !== "PUT" || digest === null || length === undefined) return {};
  return { digest, size: Number(length) };
}

async function manifest(push: Push, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method !== "PUT") {
    refuseBody(request);
    send(response, 404);
    return;
  }
  try {
    const content = await readManifest(request);
    const digest = sha256(content);
    push.target.manifest({ digest, mediaType: request.headers["content-type"] ?? "", content });
    send(response, 201, { Location: request.url ?? "/", "Docker-Content-Digest": digest });
  } catch (error) {
    refuse(push, error, "MANIFEST_INVALID", request, response);
  }
}

async function readManifest(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  // Left early it stays open, so that what is wrong with it can be answered.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > manifestBytes) throw new Error("too large for a manifest");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Tells the push and the engine why a blob or a manifest is not taken, in the specification's words for an error. */
function refuse(
  push: Push,
  error: unknown,
  code: string,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  // Node's word for a body that ends early says nothing to anyone: "aborted".
  const cut = (error as NodeJS.ErrnoException).code === "ECONNRESET";
  push.onFailure(cut ? new Error("the engine's push broke off", { cause: error }) : error);
  refuseBody(request);
  send(response, 400, {}, JSON.stringify({ errors: [{ code, message: errorText(error) }] }));
}

function refuseBody(request: IncomingMessage): void {
  request.resume();
}

function send(
  response: ServerResponse,
  status: number,
  headers: Readonly<Record<string, string>> = {},
  body = "",
): void {
  if (response.destroyed) return;
  response.writeHead(status, headers);
  response.end(body);
}
