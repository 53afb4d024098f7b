import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingMessage } from "node:http";
import { type ClientHttp2Session, connect } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import type Dockerode from "dockerode";
import { type GrpcHandler, serveGrpc } from "../../../src/build/buildkit/grpc-server.js";
import { connectEngine } from "../../../src/docker/connect.js";
import type { ContainerEngine } from "../../../src/engine/container-engine.js";

/** An engine on a socket of its own that takes sessions, and answers BuildKit's methods as it is told. */
export interface FakeEngine extends AsyncDisposable {
  readonly engine: ContainerEngine;
  readonly docker: Dockerode;
  /** The engine's side of the newest session: it is the client there. */
  session(): ClientHttp2Session | undefined;
  /** Cuts every connection. */
  cut(): void;
}

export async function fakeEngine(
  methods: ReadonlyMap<string, GrpcHandler>,
  /** For requests of a path; `upgrade` where none is given. */
  answers: Readonly<Record<string, { readonly status: number; readonly message: string }>> = {},
): Promise<FakeEngine> {
  const directory = await mkdtemp(join(tmpdir(), "devloop-engine-"));
  const path = join(directory, "docker.sock");
  const sockets = new Set<Duplex>();
  let session: ClientHttp2Session | undefined;
  const server = createServer();
  server.on("upgrade", (request: IncomingMessage, socket: Duplex) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    const answer = answers[request.url ?? ""];
    if (answer) {
      const body = JSON.stringify({ message: answer.message });
      socket.end(
        `HTTP/1.1 ${answer.status} No\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
      );
      return;
    }
    socket.write("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n");
    if (request.url === "/grpc") {
      serveGrpc(socket, methods);
      return;
    }
    session = connect("http://session", { createConnection: () => socket });
    session.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const connection = { kind: "socket", path } as const;
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    ...connectEngine({ address: `unix://${path}`, source: "test", connection }),
    session: () => session,
    cut,
    async [Symbol.asyncDispose]() {
      session?.destroy();
      cut();
      server.close();
      await rm(directory, { recursive: true });
    },
  };
}
