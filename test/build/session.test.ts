import { once } from "node:events";
import type { ClientHttp2Session, IncomingHttpHeaders } from "node:http2";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { buildImage } from "../../src/build/build.js";
import { openSession } from "../../src/build/session.js";
import type { FindCredential } from "../../src/engine/container-engine.js";
import { DevloopError } from "../../src/lib/errors.js";
import { readFields, writeFields } from "../../src/lib/protobuf.js";
import { fakeEngine } from "./fake-engine.js";

const signal = AbortSignal.timeout(20_000);

/** One gRPC call: its status and the strings of the answer by field. */
async function call(
  session: ClientHttp2Session,
  path: string,
  message: Buffer,
): Promise<{ status: unknown; fields: Record<number, string | number> }> {
  const stream = session.request({ ":method": "POST", ":path": path, "content-type": "application/grpc" });
  let status: unknown;
  for (const event of ["response", "trailers"]) {
    stream.on(event, (headers: IncomingHttpHeaders) => {
      status ??= headers["grpc-status"];
    });
  }
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  stream.end(Buffer.concat([prefix, message]));
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  const answer = Buffer.concat(chunks).subarray(5);
  const fields = [...readFields(answer)].map(({ number, value, bytes }) => [
    number,
    value || bytes.toString(),
  ]);
  return { status, fields: Object.fromEntries(fields) as Record<number, string | number> };
}

describe("openSession", () => {
  it("answers for its health and with each registry's own credentials, and ends when disposed", async () => {
    await using fake = await fakeEngine((_request, response) => response.end());
    const notes: string[] = [];
    const credentials: FindCredential = (host) => {
      if (host === "ghcr.io") return Promise.resolve({ kind: "password", username: "me", password: "ü:x" });
      if (host === "token.example") return Promise.resolve({ kind: "token", identityToken: "t" });
      if (host === "broken.example")
        throw new DevloopError("TOOL_MISSING", "docker-credential-x is not installed");
      return Promise.resolve(undefined);
    };
    const { address } = fake.engine;
    const session = await openSession(fake.docker, {
      address,
      credentials,
      onNote: (message) => notes.push(message),
      signal,
    });
    const client = await vi.waitUntil(() => fake.session());
    const ask = async (host: string): Promise<unknown> => {
      return await call(client, "/moby.filesync.v1.Auth/Credentials", writeFields([[1, host]]));
    };
    expect(await call(client, "/grpc.health.v1.Health/Check", Buffer.alloc(0))).toEqual({
      status: "0",
      fields: { 1: 1 },
    });
    expect(await ask("ghcr.io")).toEqual({ status: "0", fields: { 1: "me", 2: "ü:x" } });
    expect(await ask("token.example")).toEqual({ status: "0", fields: { 2: "t" } });
    expect(await ask("none.example")).toEqual({ status: "0", fields: {} });
    expect(await ask("broken.example")).toEqual({ status: "0", fields: {} });
    expect(notes).toEqual(["no credentials for broken.example: docker-credential-x is not installed"]);
    expect(await call(client, "/moby.filesync.v1.FileSync/DiffCopy", Buffer.alloc(0))).toMatchObject({
      status: "12",
    });
    const closed = once(client, "close");
    session[Symbol.dispose]();
    await closed;
  });
});

describe("buildImage on an engine that fails", () => {
  async function buildOn(answer: Parameters<typeof fakeEngine>[0]): Promise<unknown> {
    await using fake = await fakeEngine(answer);
    const context = await mkdtemp(join(tmpdir(), "devloop-context-"));
    try {
      await writeFile(join(context, "Dockerfile"), "FROM x\n");
      const image = {
        name: "x",
        context,
        dockerfile: join(context, "Dockerfile"),
        args: {},
        labels: {},
        extraHosts: [],
        cacheFrom: [],
        noCache: false,
        pull: false,
        ignore: [],
        specHash: "x",
      };
      const silent = { onProgress: () => undefined, onOutput: () => undefined, onNote: () => undefined };
      return await buildImage(fake.docker, fake.engine, { image, bases: {} }, { signal, ...silent }).catch(
        (error: unknown) => error,
      );
    } finally {
      await rm(context, { recursive: true });
    }
  }

  it("says so when it goes away in the middle of a build", async () => {
    const error = await buildOn((request, response) => {
      request.resume();
      response.write('{"id":"moby.buildkit.trace","aux":""}\n{"id":');
      request.once("end", () => request.socket.destroy());
    });
    expect(error).toMatchObject({ code: "ENGINE_UNREACHABLE" });
  });

  it("says so when it has no BuildKit", async () => {
    const error = await buildOn((request, response) => {
      request.resume();
      request.once("end", () => response.end('{"stream":"Step 1/1 : FROM x"}\n{"aux":{"ID":"sha256:1"}}\n'));
    });
    expect(error).toMatchObject({
      code: "BUILD_FAILED",
      hint: "devloop needs BuildKit: Docker 20.10 or newer",
    });
  });

  it("passes its words on when it refuses", async () => {
    const error = await buildOn((request, response) => {
      request.resume();
      response.statusCode = 400;
      response.end('{"message":"no space left on device"}');
    });
    expect(error).toMatchObject({
      code: "BUILD_FAILED",
      message: "x: the build failed: no space left on device",
      hint: "the engine's disk is full: docker builder prune",
    });
  });
});
