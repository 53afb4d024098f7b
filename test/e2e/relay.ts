import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A Unix socket that leads to another, and can be cut and mended: an engine that stops, as devloop sees it. */
export interface Relay extends AsyncDisposable {
  /** For DOCKER_HOST. */
  readonly address: string;
  /** Ends every connection, and refuses new ones: the socket's file is gone too. */
  cut(): Promise<void>;
  restore(): Promise<void>;
}

/** Starts a relay to the socket at `target`. */
export async function relayTo(target: string): Promise<Relay> {
  const directory = await mkdtemp(join(tmpdir(), "devloop-relay-"));
  const path = join(directory, "engine.sock");
  const open = new Set<Socket>();
  // The engine's hijacked connections (builds, exec) go on in one direction after the other has ended.
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const upstream = connect({ path: target, allowHalfOpen: true });
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
    server.listen(path);
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
  return {
    address: `unix://${path}`,
    cut,
    restore,
    async [Symbol.asyncDispose]() {
      await cut();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
