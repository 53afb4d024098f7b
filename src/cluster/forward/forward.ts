import { createServer, type Server, type Socket } from "node:net";
import { addAbortListener, once, setMaxListeners } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import type { ForwardSpec } from "../../engine/project.js";
import type { ForwardStatus } from "../../engine/state.js";
import { DevloopError, errorText, type Failure, toFailure } from "../../lib/errors.js";
import { throttle } from "../../lib/throttle.js";
import type { PodAccess } from "../../engine/target.js";
import type { PodTarget } from "../observe/pod-view.js";
import { carryConnection, type ConnectionOptions } from "./connection.js";
import { portOwner } from "./port-owner.js";

export interface ForwardOptions extends Pick<ConnectionOptions, "pods" | "podsChanged" | "processRestarted"> {
  /** The port in a pod. Throws FORWARD_FAILED when there is none such. */
  readonly resolvePort: (pod: PodTarget, spec: ForwardSpec) => number;
  /** `serving`: a pod is ready to take a connection now. */
  readonly onChange: (state: ForwardStatus, serving: boolean, connections: number) => void;
  readonly signal: AbortSignal;
  /** How often a port that is taken, and must be this one, is tried again, in ms. */
  readonly retryMs?: number;
}

/** How far above the wished port a free one is looked for. */
const portRange = 50;
/** Counts of connections are told at most so often, in ms. */
const tellMs = 100;

/**
 * Keeps a local port bound until it is disposed or the signal aborts, and carries each connection to a pod that is
 * ready at that moment: a rollout behind it goes unnoticed.
 */
export function startForward(
  access: Pick<PodAccess, "openTunnel">,
  spec: ForwardSpec,
  options: ForwardOptions,
): AsyncDisposable {
  const stop = new AbortController();
  const outer = addAbortListener(options.signal, () => {
    stop.abort();
  });
  const { signal } = stop;
  // Every connection listens to it.
  setMaxListeners(0, signal);
  const running = new Set<Promise<void>>();
  let bound: ForwardStatus = { status: "starting" };
  let told = "";

  const tell = throttle(() => {
    const pods = options.pods();
    const state = portFailure(pods[0], spec, options) ?? bound;
    const serving = pods.length > 0 && state.status === "listening";
    const text = JSON.stringify([state, serving, running.size]);
    if (text === told || signal.aborted) return;
    told = text;
    options.onChange(state, serving, running.size);
  }, tellMs);

  const server = createServer({ allowHalfOpen: true, pauseOnConnect: false }, (socket: Socket) => {
    const connection = carryConnection(access, socket, {
      pods: options.pods,
      podsChanged: options.podsChanged,
      processRestarted: options.processRestarted,
      port: (pod) => options.resolvePort(pod, spec),
      signal,
    });
    running.add(connection);
    tell();
    void connection.then(() => {
      running.delete(connection);
      tell();
    });
  });

  const stopped = (): boolean => signal.aborted;
  async function bind(): Promise<void> {
    while (!stopped()) {
      try {
        const port = await listenNear(server, spec, signal);
        bound = { status: "listening", host: spec.host, port, moved: port !== spec.local };
        return;
      } catch (error) {
        if (stopped()) return;
        bound = { status: "failed", failure: await bindFailure(spec, error) };
      }
      tell();
      await delay(options.retryMs ?? 2000, undefined, { signal }).catch(() => undefined);
    }
  }

  const closing = addAbortListener(signal, () => {
    server.close();
  });
  const unsubscribe = options.podsChanged(tell);
  tell();
  const binding = bind().then(tell);
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      outer[Symbol.dispose]();
      closing[Symbol.dispose]();
      unsubscribe();
      tell[Symbol.dispose]();
      await binding;
      // A listener that came up during the abort is closed here.
      server.close();
      await Promise.all(running);
    },
  };
}

/** A target that has no such port: said as soon as a pod is there, and taken back once it has. */
function portFailure(
  pod: PodTarget | undefined,
  spec: ForwardSpec,
  { resolvePort }: ForwardOptions,
): ForwardStatus | undefined {
  if (!pod) return undefined;
  try {
    resolvePort(pod, spec);
    return undefined;
  } catch (error) {
    return { status: "failed", failure: toFailure(error) };
  }
}

/** Listens on the wished port or, unless that is strict, on the next free one above. Returns the port. */
async function listenNear(server: Server, spec: ForwardSpec, signal: AbortSignal): Promise<number> {
  const last = spec.strict ? spec.local : Math.min(65_535, spec.local + portRange);
  let first: unknown;
  for (let port = spec.local; port <= last; port += 1) {
    try {
      await listen(server, spec.host, port, signal);
      const address = server.address();
      return typeof address === "object" && address ? address.port : port;
    } catch (error) {
      first ??= error;
      if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    }
  }
  throw first;
}

async function listen(server: Server, host: string, port: number, signal: AbortSignal): Promise<void> {
  server.listen({ host, port, exclusive: true });
  // Closing a server that is about to listen tells nobody.
  await once(server, "listening", { signal });
  // Running out of file descriptors refuses one connection; it must not end the program.
  server.on("error", () => undefined);
}

async function bindFailure(spec: ForwardSpec, error: unknown): Promise<Failure> {
  const { code } = error as NodeJS.ErrnoException;
  const where = `${spec.host}:${spec.local}`;
  if (code === "EADDRINUSE") {
    const owner = await portOwner(spec.local);
    return toFailure(
      new DevloopError("PORT_TAKEN", `${where} is taken${owner === undefined ? "" : ` by ${owner}`}`, {
        cause: error,
        hint: spec.strict
          ? `${spec.id} is bound as soon as the port is free; or leave out strict: true`
          : `the ${portRange} ports above are taken too; give ${spec.id} another local port`,
      }),
    );
  }
  const hint = code === "EACCES" ? "ports below 1024 need privileges: use one above" : undefined;
  return toFailure(
    new DevloopError("FORWARD_FAILED", `cannot listen on ${where}: ${errorText(error)}`, {
      cause: error,
      hint,
    }),
  );
}
