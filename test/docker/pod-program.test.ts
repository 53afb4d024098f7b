import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { arch, platform, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { podBinary } from "../../src/docker/target/pod-binaries.js";

// The program that is a Service, as a process of this machine.

const binary = platform() === "linux" ? podBinary(`linux/${arch() === "x64" ? "amd64" : arch()}`) : undefined;

describe.skipIf(!binary)("a Service's forwarder", () => {
  let directory = "";
  let program: ChildProcess | undefined;
  const sockets: Socket[] = [];
  const servers: Server[] = [];

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "devloop-pod-"));
    await writeFile(join(directory, "pod"), binary!, { mode: 0o755 });
  });
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    for (const server of servers.splice(0)) server.close();
    if (program?.exitCode === null && program.signalCode === null) {
      const over = once(program, "exit");
      program.kill("SIGKILL");
      await over;
    }
    program = undefined;
    await rm(directory, { recursive: true, force: true });
  });

  async function listen(port = 0): Promise<{ readonly server: Server; readonly port: number }> {
    const server = createServer((socket) => {
      sockets.push(socket);
      socket.on("error", () => undefined);
      socket.pipe(socket);
    }).listen(port);
    servers.push(server);
    await once(server, "listening");
    return { server, port: (server.address() as AddressInfo).port };
  }
  async function freePort(): Promise<number> {
    const { server, port } = await listen();
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
  /** Tells it where its ports lead, whole at once. */
  async function lead(line: string): Promise<void> {
    const file = join(directory, "endpoints");
    await writeFile(`${file}.new`, `${line}\nend\n`);
    await rename(`${file}.new`, file);
    program ??= spawn(join(directory, "pod"), ["forward", file], { stdio: "ignore" });
  }
  async function open(port: number): Promise<Socket | undefined> {
    const socket = connect(port, "127.0.0.1");
    sockets.push(socket);
    try {
      await once(socket, "connect");
      socket.on("error", () => undefined);
      return socket;
    } catch {
      return undefined;
    }
  }
  async function echo(socket: Socket, text: string): Promise<string> {
    const answer = once(socket, "data").catch(() => ["closed"]);
    const ended = once(socket, "close").then(() => ["closed"]);
    socket.write(text);
    return String((await Promise.race([answer, ended]))[0]);
  }
  async function until(is: () => Promise<boolean>, what: string): Promise<void> {
    for (const end = Date.now() + 90_000; Date.now() < end;) {
      if (await is()) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`${what}: not within a minute and a half`);
  }
  /** A connection that answers. */
  async function answering(port: number): Promise<Socket> {
    let found: Socket | undefined;
    await until(async () => {
      const socket = await open(port);
      if (!socket || (await echo(socket, "hello")) !== "hello") return false;
      found = socket;
      return true;
    }, "an answer");
    return found!;
  }

  it("refuses while no pod is ready and answers when one is again, although a connection has lasted", async () => {
    const [port, place] = [await freePort(), await listen()];
    await lead(`${port} 127.0.0.1:${place.port}`);
    const lasting = await answering(port);
    await lead(String(port));
    await until(async () => (await open(port)) === undefined, "a refusal");
    await lead(`${port} 127.0.0.1:${place.port}`);
    await answering(port);
    expect(await echo(lasting, "still there")).toBe("still there");
  }, 300_000);

  it("takes a port that was another's once that lets go of it", async () => {
    const [place, other] = [await listen(), await listen()];
    const next = await freePort();
    await lead(`${other.port} 127.0.0.1:${place.port}\n${next} 127.0.0.1:${place.port}`);
    // It has read that, and could not have the first.
    await answering(next);
    await new Promise((resolve) => other.server.close(resolve));
    await answering(other.port);
  }, 300_000);
});
