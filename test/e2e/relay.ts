import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer, type ListenOptions, type NetConnectOpts, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A socket that leads to another, and can be cut and mended: an engine or an API server that stops, as devloop sees it. */
export interface Relay extends AsyncDisposable {
  /** For DOCKER_HOST: `unix:///…`; of a port `127.0.0.2:40123`. */
  readonly address: string;
  /** Ends every connection, and refuses new ones: a Unix socket's file is gone too. */
  cut(): Promise<void>;
  restore(): Promise<void>;
}

/** Starts a relay to the Unix socket at `target`. */
export async function relayTo(target: string): Promise<Relay> {
  const directory = await mkdtemp(join(tmpdir(), "devloop-relay-"));
  const path = join(directory, "engine.sock");
  const relay = await startRelay({ path: target }, { path });
  return {
    ...relay,
    address: `unix://${path}`,
    async [Symbol.asyncDispose]() {
      await relay.cut();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Starts a relay to a port of 127.0.0.1, on the same port of another of this machine's own addresses. */
export async function relayToPort(port: number): Promise<Relay> {
  const host = "127.0.0.2";
  const relay = await startRelay({ host: "127.0.0.1", port }, { host, port });
  return { ...relay, address: `${host}:${port}`, [Symbol.asyncDispose]: () => relay.cut() };
}

async function startRelay(
  target: NetConnectOpts,
  at: ListenOptions,
): Promise<Pick<Relay, "cut" | "restore">> {
  const open = new Set<Socket>();
  // The engine's hijacked connections (builds, exec) go on in one direction after the other has ended.
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const upstream = connect({ ...target, allowHalfOpen: true });
    for (const [one, other] of [
      [socket, upstream],
      [upstream, socket],
    ] as const) {
      open.add(one);
      one.pipe(other);
      one.on("error", () => undefined);
      one.once("close", () => {
        open.delete(one);
        other.destroy();
      });
    }
  });
  const restore = async (): Promise<void> => {
    server.listen(at);
    await once(server, "listening");
  };
  const cut = async (): Promise<void> => {
    if (!server.listening) return;
    const closed = once(server, "close");
    server.close();
    for (const socket of open) socket.destroy();
    await closed;
  };
  await restore();
  return { cut, restore };
}
