import { once } from "node:events";
import { connect } from "node:net";
import { Duplex } from "node:stream";
import { startDeadline } from "../../lib/deadline.js";
import type { ExecStream, Tunnel, TunnelOptions } from "../../engine/target.js";

/** How long an address is tried, in ms. */
const tryMs = 1_000;

/** A port of a pod. */
export interface PodPort {
  /** The engine's id of the container that holds the pod's network. */
  readonly hold: string;
  readonly address: string;
  readonly port: number;
}
interface Options {
  readonly signal: AbortSignal;
}
export interface PodDialer {
  /** A connection. Throws when it is refused before it stands. */
  dial(to: PodPort, options: Options): Promise<Duplex>;
  /** One to what listens inside of the pod alone, as the kubelet forwards a port. */
  dialInside(to: PodPort, options: Options): Promise<Duplex>;
  /** Throws when the port takes no connection. */
  check(to: PodPort, options: Options): Promise<void>;
}
/** Runs programs in a container. */
export interface Programs {
  open(container: string, argv: readonly string[], options: Options): Promise<ExecStream>;
  run(
    container: string,
    argv: readonly string[],
    options: Options & { readonly env?: Readonly<Record<string, string>> },
  ): Promise<{ readonly exitCode: number; readonly output: string }>;
}

/**
 * Connects straight to pods' addresses where `isLocal` says that their network is one of this machine's own, else through a program
 * in the pod's network.
 */
export function podDialer(programs: Programs, isLocal: () => Promise<boolean>): PodDialer {
  let local: Promise<boolean> | undefined;
  const reachable = (): Promise<boolean> =>
    (local ??= isLocal().catch(() => {
      local = undefined;
      return false;
    }));
  const through = async ({ hold, address, port }: PodPort, options: Options): Promise<Duplex> => {
    const stream = await programs.open(hold, ["/pod", "connect", address, String(port)], options);
    const duplex = Duplex.from({ readable: stream.output, writable: stream.input });
    // Node tells of its own end as of an error; those who use it hear of it all the same.
    duplex.on("error", () => undefined);
    duplex.once("close", () => {
      stream[Symbol.dispose]();
    });
    return duplex;
  };
  return {
    dial: async (to, options) =>
      (await reachable()) ? await straight(to.address, to.port, options) : await through(to, options),
    dialInside: (to, options) => through({ ...to, address: "127.0.0.1" }, options),
    async check(to, options) {
      if (await reachable()) {
        (await straight(to.address, to.port, options)).destroy();
        return;
      }
      const argv = ["/pod", "check", to.address, String(to.port)];
      const { exitCode, output } = await programs.run(to.hold, argv, options);
      if (exitCode !== 0) throw new Error(`dial tcp ${to.address}:${to.port}: ${output.trim()}`);
    },
  };
}

/**
 * Whether a network of the engine's is one of this machine's: its gateway is an address of this machine. It is not for an engine
 * elsewhere, in a virtual machine (Docker Desktop, Colima), or without root, although the same addresses may lead somewhere from here.
 */
export function hasGateway(
  gateways: readonly string[],
  interfaces: Readonly<Record<string, readonly { readonly address: string }[] | undefined>>,
): boolean {
  const own = new Set(Object.values(interfaces).flatMap((each = []) => each.map(({ address }) => address)));
  return gateways.some((gateway) => own.has(gateway));
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
