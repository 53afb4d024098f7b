import { createServer } from "node:http";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable, Writable } from "node:stream";
import { describe, expect, it } from "vitest";
import { connectEngine } from "../../src/docker/connect.js";
import { docker, engine, engineAnswers, runningContainer } from "../build/scratch-build.js";

const available = await engineAnswers();
// Ends what would wait for ever; the whole file runs by it.
const signal = AbortSignal.timeout(600_000);

describe.skipIf(!available && !process.env["CI"])("connectEngine", () => {
  it("answers what it is", async () => {
    expect(await engine.ping({ signal })).toMatchObject({
      platform: expect.stringMatching(/^linux\//) as string,
    });
  });

  it("runs programs: exit code, both outputs, input, large input to an output that is slow", async () => {
    await using container = await runningContainer("busybox:1");
    const run = ["sh", "-c", "echo out; echo err >&2; exit 3"];
    expect(await engine.exec(container.id, run, { signal })).toEqual({
      exitCode: 3,
      stdout: "out\n",
      stderr: "err\n",
    });
    const echoed = await engine.exec(container.id, ["cat"], {
      signal,
      stdin: Readable.from([Buffer.from("größe")]),
    });
    expect(echoed).toEqual({ exitCode: 0, stdout: "größe", stderr: "" });

    const chunks = Array.from({ length: 200 }, (_, index) => Buffer.alloc(65_536, index));
    let received = 0;
    const stdout = new Writable({
      highWaterMark: 1,
      write(chunk: Buffer, _encoding, done) {
        received += chunk.length;
        setImmediate(done);
      },
    });
    const large = await engine.exec(container.id, ["cat"], { signal, stdin: Readable.from(chunks), stdout });
    expect(large).toEqual({ exitCode: 0, stdout: "", stderr: "" });
    expect(received).toBe(200 * 65_536);
  });

  it("gives the exit code of a program that does not read its input to the end", async () => {
    await using container = await runningContainer("busybox:1");
    const endless = Readable.from(
      (function* () {
        for (let sent = 0; sent < 2000; sent += 1) yield Buffer.alloc(65_536);
      })(),
    );
    const result = await engine.exec(container.id, ["sh", "-c", "echo no >&2; exit 7"], {
      signal,
      stdin: endless,
    });
    expect(result).toMatchObject({ exitCode: 7, stderr: "no\n" });
    const missing = await engine.exec(container.id, ["no-such-program"], { signal });
    expect(missing.exitCode).not.toBe(0);
  });

  it("lets go of a program when aborted, with the signal's reason", async () => {
    await using container = await runningContainer("busybox:1");
    const controller = new AbortController();
    const reason = new Error("enough");
    const stdout = new Writable({
      write(_chunk, _encoding, done) {
        controller.abort(reason);
        done();
      },
    });
    const run = engine.exec(container.id, ["sh", "-c", "echo up; exec sleep 600"], {
      signal: controller.signal,
      stdout,
    });
    await expect(run).rejects.toBe(reason);
  });

  it("finds containers and images, tags and saves", async () => {
    await using container = await runningContainer("busybox:1");
    const all = await engine.containers([], { signal });
    expect(all.find(({ id }) => id === container.id)).toMatchObject({ running: true });
    expect(await engine.containers(["devloop.test/no-such-label"], { signal, all: true })).toEqual([]);
    expect(await engine.image("nosuch.invalid/image:1", { signal })).toBeUndefined();
    const image = await engine.image("busybox:1", { signal });
    expect(image).toMatchObject({ id: expect.stringMatching(/^sha256:/) as string });
    let saved = 0;
    for await (const chunk of await engine.saveImage("busybox:1", { signal }))
      saved += (chunk as Buffer).length;
    expect(saved).toBeGreaterThan(1_000_000);
    await expect(engine.saveImage("nosuch.invalid/image:1", { signal })).rejects.toMatchObject({
      status: 404,
    });
  });

  it("reports a push that the registry refuses", async () => {
    const ref = "localhost:9/devloop-scratch:1";
    await engine.tagImage("busybox:1", ref, { signal });
    try {
      await expect(engine.pushImage(ref, { signal })).rejects.toMatchObject({
        code: "LOAD_FAILED",
        message: expect.stringContaining(`${ref} could not be pushed`) as string,
      });
    } finally {
      await docker.getImage(ref).remove();
    }
  });
});

describe("an engine that is not there", () => {
  const connect = (path: string): ReturnType<typeof connectEngine>["engine"] =>
    connectEngine({ address: `unix://${path}`, source: "test", connection: { kind: "socket", path } }).engine;

  it("is named with what to do", async () => {
    await expect(connect("/nonexistent/docker.sock").ping({ signal })).rejects.toMatchObject({
      code: "ENGINE_UNREACHABLE",
      message: expect.stringContaining("unix:///nonexistent/docker.sock") as string,
      hint: "is docker running? sudo systemctl start docker",
    });
  });

  it("is told when it goes away within a call", async () => {
    const directory = await mkdtemp(join(tmpdir(), "devloop-engine-"));
    const path = join(directory, "docker.sock");
    const server = createServer((request, response) => {
      if (request.url === "/version") request.socket.destroy();
      else {
        response.write("half");
        setImmediate(() => request.socket.destroy());
      }
    });
    await new Promise<void>((resolve) => server.listen(path, resolve));
    try {
      await expect(connect(path).ping({ signal })).rejects.toMatchObject({ code: "ENGINE_UNREACHABLE" });
      const archive = await connect(path).saveImage("x", { signal });
      await expect(archive.toArray()).rejects.toMatchObject({ code: "ENGINE_UNREACHABLE" });
    } finally {
      server.close();
      await rm(directory, { recursive: true });
    }
  });
});
