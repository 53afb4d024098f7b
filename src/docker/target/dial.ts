import { once } from "node:events";
import { connect } from "node:net";
import { Duplex } from "node:stream";
import type { PodHost } from "./host.js";
import { startDeadline } from "../../lib/deadline.js";
import type { ExecStream, Tunnel, TunnelOptions } from "../../engine/target.js";

/** How long an address that may not be reachable from here is tried, in ms. */
const tryMs = 1_000;

/**
 * Connections to pods: straight to their addresses where the engine's networks are this machine's own, else through a program in
 * the pod's network.
 */
export function podDialer(
  exec: (
    container: string,
    argv: readonly string[],
    options: { readonly signal: AbortSignal },
  ) => Promise<ExecStream>,
): PodHost["dial"] & { readonly inside: PodHost["dial"] } {
  let reachable = true;
  const through = async (
    hold: string,
    address: string,
    port: number,
    options: { readonly signal: AbortSignal },
  ): Promise<Duplex> => {
    const stream = await exec(hold, ["/pod", "connect", address, String(port)], options);
    const duplex = Duplex.from({ readable: stream.output, writable: stream.input });
    duplex.once("close", () => {
      stream[Symbol.dispose]();
    });
    return duplex;
  };
  const dial: PodHost["dial"] = async ({ hold, address, port }, options) => {
    if (reachable) {
      try {
        return await straight(address, port, options);
      } catch (error) {
        options.signal.throwIfAborted();
        if ((error as NodeJS.ErrnoException).code === "ECONNREFUSED") throw error;
        reachable = false;
      }
    }
    return await through(hold, address, port, options);
  };
  return Object.assign(dial, {
    // As the kubelet forwards a port: also to what listens inside of the pod alone.
    inside: (({ hold, port }, options) =>
      through(hold, "127.0.0.1", port, options)) satisfies PodHost["dial"],
  });
}

async function straight(
  address: string,
  port: number,
  { signal }: { readonly signal: AbortSignal },
): Promise<Duplex> {
  using limit = startDeadline(tryMs, signal);
  const socket = connect({ host: address, port, noDelay: true, allowHalfOpen: true });
  try {
    await once(socket, "connect", { signal: limit.signal });
    return socket;
  } catch (error) {
    socket.on("error", () => undefined);
    socket.destroy();
    throw error;
  }
}

/** A connection as the forwards carry it. */
export function toTunnel(stream: Duplex, { onData, onDrain, onClose, signal }: TunnelOptions): Tunnel {
  let closed = false;
  const close = (error?: Error): void => {
    if (closed) return;
    closed = true;
    signal.removeEventListener("abort", abort);
    stream.destroy();
    onClose(error);
  };
  const abort = (): void => {
    close();
  };
  signal.addEventListener("abort", abort, { once: true });
  stream.on("data", onData);
  stream.on("drain", onDrain);
  stream.once("end", () => {
    close();
  });
  stream.once("close", () => {
    close();
  });
  stream.on("error", close);
  return {
    write: (data) => closed || stream.write(data),
    pause: () => void stream.pause(),
    resume: () => void stream.resume(),
    close: abort,
  };
}
