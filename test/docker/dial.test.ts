import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type RequestListener, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Dockerode from "dockerode";
import { afterEach, describe, expect, it } from "vitest";
import { type EngineApi, engineApi } from "../../src/docker/dial.js";

const never = new AbortController().signal;

describe("an exchange with the engine", () => {
  let directory = "";
  let server: Server;

  afterEach(async () => {
    server.closeAllConnections();
    server.close();
    await rm(directory, { recursive: true });
  });

  async function engine(answer: RequestListener): Promise<EngineApi> {
    directory = await mkdtemp(join(tmpdir(), "devloop-dial-"));
    const socketPath = join(directory, "engine.sock");
    server = createServer(answer).listen(socketPath);
    await once(server, "listening");
    return engineApi(new Dockerode({ socketPath }), `unix://${socketPath}`);
  }
  const wait = (api: EngineApi, signal: AbortSignal): Promise<unknown> =>
    api.json("POST", "/containers/a/wait", { signal });

  it("fails when the connection breaks in the middle of the answer", async () => {
    const api = await engine((_, answer) => {
      answer.writeHead(200, { "Content-Type": "application/json" });
      answer.write("{");
      setImmediate(() => answer.destroy());
    });
    await expect(wait(api, never)).rejects.toMatchObject({ code: "ENGINE_UNREACHABLE" });
  });

  it("ends in the middle of the answer when it is aborted", async () => {
    const stop = new AbortController();
    const api = await engine((_, answer) => {
      answer.writeHead(200);
      answer.write("{");
      setImmediate(() => {
        stop.abort(new Error("enough"));
      });
    });
    await expect(wait(api, stop.signal)).rejects.toThrow("enough");
  });

  it("gives JSON, a plain word, and the engine's own words for what it refuses", async () => {
    const api = await engine(({ url }, answer) => {
      if (url === "/json") answer.end('{"Id":"a"}');
      else if (url === "/_ping") answer.end("OK");
      else if (url === "/gone") answer.writeHead(204).end();
      else answer.writeHead(409).end('{"message":"name is taken"}');
    });
    expect(await api.json("GET", "/json", { signal: never })).toEqual({ Id: "a" });
    expect(await api.json("GET", "/_ping", { signal: never })).toBe("OK");
    expect(await api.json("DELETE", "/gone", { signal: never })).toBe("");
    await expect(api.json("POST", "/create", { signal: never, body: { a: 1 } })).rejects.toMatchObject({
      status: 409,
      message: "name is taken",
    });
  });
});
