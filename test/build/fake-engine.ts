import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type ClientHttp2Session, connect } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type Dockerode from "dockerode";
import { connectEngine } from "../../src/docker/connect.js";
import type { ContainerEngine } from "../../src/engine/container-engine.js";

/** An engine on a socket of its own that takes sessions, and answers the rest as it is told. */
export interface FakeEngine extends AsyncDisposable {
  readonly engine: ContainerEngine;
  readonly docker: Dockerode;
  /** The engine's side of the newest session: it is the client there. */
  session(): ClientHttp2Session | undefined;
}

export async function fakeEngine(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<FakeEngine> {
  const directory = await mkdtemp(join(tmpdir(), "devloop-engine-"));
  const path = join(directory, "docker.sock");
  let session: ClientHttp2Session | undefined;
  const server = createServer(answer);
  server.on("upgrade", (_request, socket) => {
    socket.write("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n");
    session = connect("http://session", { createConnection: () => socket });
    session.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const connection = { kind: "socket", path } as const;
  return {
    ...connectEngine({ address: `unix://${path}`, source: "test", connection }),
    session: () => session,
    async [Symbol.asyncDispose]() {
      session?.destroy();
      server.closeAllConnections();
      server.close();
      await rm(directory, { recursive: true });
    },
  };
}
