import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { buildImage } from "../../../src/build/build.js";
import { credentialServices } from "../../../src/build/buildkit/credentials.js";
import { GrpcError, grpcStatus } from "../../../src/build/buildkit/grpc.js";
import { type GrpcHandler, unary } from "../../../src/build/buildkit/grpc-server.js";
import { secretServices } from "../../../src/build/buildkit/secrets.js";
import { openSession } from "../../../src/build/buildkit/session.js";
import { sshServices } from "../../../src/build/buildkit/ssh-agent.js";
import type { FindCredential } from "../../../src/engine/container-engine.js";
import { DevloopError } from "../../../src/lib/errors.js";
import { readFields, writeFields } from "../../../src/lib/protobuf.js";
import { imageSpec } from "../../fakes/project.js";
import { eventually } from "../../eventually.js";
import { call, stream } from "./caller.js";
import { fakeEngine } from "./fake-engine.js";

// Ends what would wait for ever; the whole file runs by it.
const signal = AbortSignal.timeout(600_000);

/** A session with these services, and the engine's side of it. */
async function session(services: ReadonlyMap<string, GrpcHandler>) {
  const fake = await fakeEngine(new Map());
  const { address } = fake.engine;
  const opened = await openSession(fake.docker, { address, sharedKey: "key", services, signal });
  return {
    opened,
    client: await eventually(() => fake.session() ?? expect.fail("no session is open")),
    [Symbol.asyncDispose]: () => fake[Symbol.asyncDispose](),
  };
}

describe("a build's session", () => {
  it("answers for its health, refuses what it does not offer, and ends when disposed", async () => {
    await using one = await session(new Map());
    expect(await call(one.client, "/grpc.health.v1.Health/Check", [])).toEqual({
      status: "0",
      fields: { 1: 1 },
    });
    expect(await call(one.client, "/moby.filesync.v1.FileSync/DiffCopy", [])).toMatchObject({ status: "12" });
    const closed = once(one.client, "close");
    one.opened[Symbol.dispose]();
    await closed;
  });

  it("gives each registry's own credentials", async () => {
    const notes: string[] = [];
    const find: FindCredential = (host) => {
      if (host === "ghcr.io") return Promise.resolve({ kind: "password", username: "me", password: "ü:x" });
      if (host === "token.example") return Promise.resolve({ kind: "token", identityToken: "t" });
      if (host === "broken.example")
        throw new DevloopError("TOOL_MISSING", "docker-credential-x is not installed");
      return Promise.resolve(undefined);
    };
    const onNote = (message: string): unknown => notes.push(message);
    await using one = await session(credentialServices(find, { onNote, signal }));
    const ask = async (host: string): Promise<unknown> => {
      return await call(one.client, "/moby.filesync.v1.Auth/Credentials", [[1, host]]);
    };
    expect(await ask("ghcr.io")).toEqual({ status: "0", fields: { 1: "me", 2: "ü:x" } });
    expect(await ask("token.example")).toEqual({ status: "0", fields: { 2: "t" } });
    expect(await ask("none.example")).toEqual({ status: "0", fields: {} });
    expect(await ask("broken.example")).toEqual({ status: "0", fields: {} });
    expect(notes).toEqual(["no credentials for broken.example: docker-credential-x is not installed"]);
  });

  it("gives the secrets that the image has, and no others", async () => {
    await using one = await session(secretServices(new Map([["npm", Buffer.from("t0ken")]])));
    const method = "/moby.buildkit.secrets.v1.Secrets/GetSecret";
    expect(await call(one.client, method, [[1, "npm"]])).toEqual({ status: "0", fields: { 1: "t0ken" } });
    expect(await call(one.client, method, [[1, "ünknown"]])).toMatchObject({
      status: "5",
      message: encodeURIComponent("secret ünknown: not found"),
    });
  });

  it("carries bytes both ways between a step and an SSH agent", async () => {
    const directory = await mkdtemp(join(tmpdir(), "devloop-agent-"));
    const agent = createServer((socket) => {
      socket.on("data", (data: Buffer) => socket.write(`you said ${data.toString()}`));
      socket.on("end", () => socket.end());
      socket.on("error", () => undefined);
    });
    const path = join(directory, "agent.sock");
    await new Promise<void>((resolve) => agent.listen(path, resolve));
    try {
      await using one = await session(sshServices(new Map([["default", path]])));
      expect(await call(one.client, "/moby.sshforward.v1.SSH/CheckAgent", [[1, "default"]])).toMatchObject({
        status: "0",
      });
      expect(await call(one.client, "/moby.sshforward.v1.SSH/CheckAgent", [[1, "other"]])).toMatchObject({
        status: "5",
      });
      const forward = stream(one.client, "/moby.sshforward.v1.SSH/ForwardAgent", {
        "buildkit.ssh.id": "default",
      });
      for (const word of ["hello", "again"]) {
        forward.send(writeFields([[1, word]]));
        const answer = await forward.next();
        expect([...readFields(answer)][0]?.bytes.toString()).toBe(`you said ${word}`);
      }
      expect(await forward.end()).toBe("0");
    } finally {
      agent.close();
      await rm(directory, { recursive: true });
    }
  });
});

describe("buildImage on an engine that fails", () => {
  const solve = "/moby.buildkit.v1.Control/Solve";

  async function buildOn(...[methods, answers]: Parameters<typeof fakeEngine>): Promise<unknown> {
    await using fake = await fakeEngine(methods, answers);
    return await build(fake);
  }

  async function build(fake: Awaited<ReturnType<typeof fakeEngine>>): Promise<unknown> {
    const context = await mkdtemp(join(tmpdir(), "devloop-context-"));
    try {
      await writeFile(join(context, "Dockerfile"), "FROM x\n");
      const image = imageSpec("x", {
        context,
        dockerfile: { kind: "file", path: join(context, "Dockerfile") },
      });
      const silent = { onProgress: () => undefined, onOutput: () => undefined, onNote: () => undefined };
      return await buildImage(fake.docker, fake.engine, { image, bases: {} }, { signal, ...silent }).catch(
        (error: unknown) => error,
      );
    } finally {
      await rm(context, { recursive: true });
    }
  }

  it("says so when it goes away in the middle of a build", async () => {
    let cut = (): void => undefined;
    await using fake = await fakeEngine(
      new Map([
        [
          solve,
          unary(() => {
            cut();
            return new Promise<Uint8Array>(() => undefined);
          }),
        ],
      ]),
    );
    cut = () => {
      fake.cut();
    };
    expect(await build(fake)).toMatchObject({ code: "ENGINE_UNREACHABLE" });
  });

  it("says so when it has no BuildKit", async () => {
    const error = await buildOn(new Map(), { "/session": { status: 404, message: "page not found" } });
    expect(error).toMatchObject({
      code: "BUILD_FAILED",
      hint: "devloop needs BuildKit: Docker 20.10 or newer",
    });
  });

  it("is asked once more when its cache lost a layer, and then believed", async () => {
    const words = "failed to prepare x: parent snapshot sha256:1 does not exist: not found";
    let asked = 0;
    const lose: GrpcHandler = () => {
      asked += 1;
      return Promise.reject(new GrpcError(grpcStatus.unknown, words));
    };
    expect(await buildOn(new Map([[solve, lose]]))).toMatchObject({
      code: "BUILD_FAILED",
      hint: "the engine's build cache is damaged: docker builder prune",
    });
    expect(asked).toBe(2);
  });

  it("passes its words on when it refuses", async () => {
    const words = "no space left on device";
    const refuse: GrpcHandler = () => Promise.reject(new GrpcError(grpcStatus.unknown, words));
    const expected = {
      code: "BUILD_FAILED",
      message: `x: the build failed: ${words}`,
      hint: "the engine's disk is full: docker builder prune",
    };
    expect(await buildOn(new Map([[solve, refuse]]))).toMatchObject(expected);
    expect(await buildOn(new Map(), { "/grpc": { status: 500, message: words } })).toMatchObject(expected);
  });
});
