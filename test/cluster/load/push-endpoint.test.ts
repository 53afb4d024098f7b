import { randomBytes } from "node:crypto";
import { request } from "node:http";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LayerReader, type ReadRules } from "../../../src/cluster/load/layer-reader.js";
import {
  openPushEndpoint,
  type PushEndpoint,
  type Reception,
} from "../../../src/cluster/load/push-endpoint.js";
import { sha256 } from "../../../src/lib/sha256.js";

const raw = Buffer.concat([Buffer.alloc(300_000, 1), randomBytes(300_000)]);
const layer = gzipSync(raw);
const config = Buffer.from('{"rootfs":{"diff_ids":[]}}');
const keepAll: ReadRules = { has: () => false, wants: () => true, keepBytes: 1_000_000 };

describe("the endpoint that an engine pushes to", () => {
  let endpoint: PushEndpoint;
  let failures: string[] = [];
  beforeEach(async () => {
    endpoint = await openPushEndpoint();
    failures = [];
  });
  afterEach(() => {
    endpoint[Symbol.dispose]();
  });

  const onFailure = (error: unknown): void => void failures.push((error as Error).message);
  /** A push that is read, and what was read. */
  function receive(rules: ReadRules = keepAll, at = endpoint): { reader: LayerReader } & Reception {
    const reader = new LayerReader(rules);
    return { reader, ...at.receive("devloop/load", reader, onFailure) };
  }

  const url = (repository: string, rest: string): string => {
    const [host = "", ...path] = repository.split("/");
    return `http://${host}/v2/${path.join("/")}/${rest}`;
  };
  const call = async (method: string, address: string, body?: Buffer): Promise<Response> =>
    // Endpoints follow one another on one port: a connection that is kept would lead to the last one.
    await fetch(address, {
      method,
      headers: { connection: "close" },
      ...(body ? { body: new Uint8Array(body) } : {}),
    });

  /** As the specification has it: POST, PATCH in pieces, PUT with the digest. Returns the last answer. */
  async function upload(repository: string, blob: Buffer, digest = sha256(blob)): Promise<Response> {
    const begun = await call("POST", url(repository, "blobs/uploads/"));
    expect(begun.status).toBe(202);
    let location = new URL(begun.headers.get("location") ?? "", url(repository, "")).href;
    const half = Math.ceil(blob.length / 2);
    for (const piece of [blob.subarray(0, half), blob.subarray(half)]) {
      const patched = await call("PATCH", location, piece);
      if (patched.status !== 202) return patched;
      location = new URL(patched.headers.get("location") ?? "", location).href;
    }
    return await call("PUT", `${location}?digest=${digest}`);
  }

  it("speaks version 2, and knows no push that it was not told of", async () => {
    using receiver = receive();
    const [host = ""] = receiver.repository.split("/");
    expect(receiver.repository).toMatch(/^127\.0\.0\.1:\d+\/devloop\/load$/);
    expect((await call("GET", `http://${host}/v2/`)).status).toBe(200);
    expect((await call("POST", url(`${host}/other`, "blobs/uploads/"))).status).toBe(404);
    expect((await call("GET", url(receiver.repository, `blobs/${sha256(layer)}`))).status).toBe(404);
  });

  it("unpacks a layer in passing, and keeps a config as it is", async () => {
    using receiver = receive();
    const { repository } = receiver;
    expect((await call("HEAD", url(repository, `blobs/${sha256(layer)}`))).status).toBe(404);
    const put = await upload(repository, layer);
    expect([put.status, put.headers.get("docker-content-digest")]).toEqual([201, sha256(layer)]);
    expect((await call("HEAD", url(repository, `blobs/${sha256(layer)}`))).status).toBe(200);
    expect((await upload(repository, config)).status).toBe(201);
    expect(receiver.reader.layers).toEqual([
      { compressed: sha256(layer), digest: sha256(raw), size: raw.length },
    ]);
    expect(Buffer.concat(receiver.reader.layer(sha256(raw)) ?? []).equals(raw)).toBe(true);
    expect(receiver.reader.document(sha256(config))?.equals(config)).toBe(true);
  });

  it("says of what it is told is there that it is there", async () => {
    using receiver = receive({ ...keepAll, has: (one) => one === sha256(layer) });
    expect((await call("HEAD", url(receiver.repository, `blobs/${sha256(layer)}`))).status).toBe(200);
    expect((await call("HEAD", url(receiver.repository, `blobs/${sha256(config)}`))).status).toBe(404);
    expect(receiver.reader.layers).toEqual([]);
  });

  it("takes manifests", async () => {
    using receiver = receive();
    const at = url(receiver.repository, "manifests/latest");
    expect((await call("HEAD", at)).status).toBe(404);
    const put = await call("PUT", at, config);
    expect([put.status, put.headers.get("docker-content-digest")]).toEqual([201, sha256(config)]);
  });

  it("tells of a manifest that is too large, and of one that breaks off", async () => {
    using receiver = receive();
    const at = url(receiver.repository, "manifests/latest");
    const refused = await call("PUT", at, Buffer.alloc(5 << 20, " "));
    expect([refused.status, await refused.json()]).toEqual([
      400,
      { errors: [{ code: "MANIFEST_INVALID", message: "too large for a manifest" }] },
    ]);
    const half = request(at, { method: "PUT", headers: { "content-length": "1000" } });
    half.on("error", () => undefined);
    half.write("{", () => half.destroy());
    await expect.poll(() => failures).toEqual(["too large for a manifest", "the engine's push broke off"]);
  });

  it("gives nothing of a push that is over to the next one", async () => {
    const first = receive();
    const begun = await call("POST", url(first.repository, "blobs/uploads/"));
    first[Symbol.dispose]();
    using second = receive();
    await call("POST", url(second.repository, "blobs/uploads/"));
    const location = new URL(begun.headers.get("location") ?? "", url(second.repository, "")).href;
    expect((await call("PATCH", location, layer)).status).toBe(404);
  });

  it("learns digests without keeping bytes", async () => {
    using receiver = receive({ ...keepAll, wants: () => false, keepBytes: 0 });
    expect((await upload(receiver.repository, layer)).status).toBe(201);
    expect(receiver.reader.layers).toHaveLength(1);
    expect(receiver.reader.layer(sha256(raw))).toBeUndefined();
  });

  it("frees what turns out not to be wanted", async () => {
    using receiver = receive({ ...keepAll, wants: () => false });
    for (let time = 0; time < 3; time += 1) {
      expect((await upload(receiver.repository, layer)).status).toBe(201);
    }
    expect([failures, receiver.reader.layer(sha256(raw))]).toEqual([[], undefined]);
  });

  it("takes no more than it may keep, and says so", async () => {
    using receiver = receive({ ...keepAll, keepBytes: 500_000 });
    expect((await upload(receiver.repository, layer)).status).toBe(400);
    expect(failures).toEqual(["they are more than 500 kB"]);
    expect(receiver.reader.layers).toEqual([]);
  });

  it.each([
    ["another digest than was said", layer, sha256(raw)],
    ["a stream that breaks off", layer.subarray(0, 1000), sha256(layer.subarray(0, 1000))],
    ["a stream that is no gzip", Buffer.alloc(200_000, 0x1f), sha256(Buffer.alloc(200_000, 0x1f))],
  ])("refuses %s", async (_what, blob, digest) => {
    using receiver = receive();
    expect((await upload(receiver.repository, blob, digest)).status).toBe(400);
    expect(receiver.reader.layers).toEqual([]);
    expect(receiver.reader.layer(sha256(raw))).toBeUndefined();
  });

  it("forgets a push that is over, and listens beside another one", async () => {
    using other = await openPushEndpoint();
    const receiver = receive();
    using beside = receive(keepAll, other);
    expect(beside.repository).not.toBe(receiver.repository);
    receiver[Symbol.dispose]();
    expect((await call("POST", url(receiver.repository, "blobs/uploads/"))).status).toBe(404);
    expect((await call("POST", url(beside.repository, "blobs/uploads/"))).status).toBe(202);
  });
});
