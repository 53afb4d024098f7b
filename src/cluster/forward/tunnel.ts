import { addAbortListener } from "node:events";
import type { IncomingMessage } from "node:http";
import type { RequestOptions } from "node:https";
import WebSocket from "ws";
import type { Kube } from "../kube.js";
import type { PodTarget } from "../observe/pod-view.js";
import type { TlsAgent } from "./tls-agent.js";

/** One TCP connection to a port of a pod, through the API server. */
export interface Tunnel {
  /** Returns false when the sender should wait for `onDrain`. */
  write(data: Buffer): boolean;
  pause(): void;
  resume(): void;
  close(): void;
}
export interface TunnelOptions {
  readonly onData: (data: Buffer) => void;
  readonly onDrain: () => void;
  /** Told once, whatever ended it. `error`: why the pod's side failed; left out when it closed in order. */
  readonly onClose: (error: Error | undefined) => void;
  /** Shared by all tunnels of a forward. */
  readonly tls: TlsAgent;
  readonly signal: AbortSignal;
}

/** Unsent bytes above which a sender is told to wait, and below which it may go on. */
const highWater = 1024 * 1024;
const lowWater = 256 * 1024;
const handshakeTimeoutMs = 5000;
const pingMs = 15_000;

/**
 * Opens a websocket with Kubernetes' port-forward framing: the first byte of a message is its channel (0 data,
 * 1 errors), and each channel begins with the port in two bytes. Resolves once the API server has agreed; whether the
 * pod takes the connection shows later. Throws when there is no agreement.
 */
export async function openTunnel(
  kube: Kube,
  pod: PodTarget,
  port: number,
  options: TunnelOptions,
): Promise<Tunnel> {
  const { signal, onData, onDrain, onClose } = options;
  signal.throwIfAborted();
  const request: RequestOptions = {};
  await kube.config.applyToHTTPSOptions(request);
  options.tls.share(request);
  signal.throwIfAborted();
  const url = `${kube.server.replace(/^http/, "ws")}/api/v1/namespaces/${pod.namespace}/pods/${pod.name}/portforward?ports=${port}`;
  const socket = new WebSocket(url, ["v4.channel.k8s.io"], {
    ...request,
    perMessageDeflate: false,
    handshakeTimeout: handshakeTimeoutMs,
  });
  const abort = addAbortListener(signal, () => {
    socket.terminate();
  });

  let failure: Error | undefined;
  let podError = "";
  let alive = true;
  let waiting = false;
  const headerLeft = [2, 2];
  const pinger = setInterval(() => {
    // A connection that has said nothing since the last ping, not even its answer, is dead.
    if (!alive) socket.terminate();
    else if (socket.readyState === WebSocket.OPEN) {
      alive = false;
      socket.ping();
    }
  }, pingMs);
  pinger.unref();

  socket.on("pong", () => {
    alive = true;
  });
  socket.on("message", (message: Buffer) => {
    alive = true;
    const channel = message[0] ?? 0;
    const skipped = Math.min(headerLeft[channel] ?? 0, message.length - 1);
    headerLeft[channel] = (headerLeft[channel] ?? 0) - skipped;
    const data = message.subarray(1 + skipped);
    if (data.length === 0) return;
    if (channel === 0) onData(data);
    else if (channel === 1) podError += data.toString("utf8");
  });

  await new Promise<void>((resolve, reject) => {
    let open = false;
    socket.on("open", () => {
      open = true;
      resolve();
    });
    socket.on("unexpected-response", (_request: unknown, response: IncomingMessage) => {
      failure = new Error(`the API server answered ${String(response.statusCode)}`);
      response.resume();
      socket.terminate();
    });
    socket.on("error", (error: Error) => {
      failure ??= error;
    });
    socket.on("close", (code: number) => {
      clearInterval(pinger);
      abort[Symbol.dispose]();
      if (podError !== "") failure = new Error(podError.trim());
      // 1000: closed in order; 1005: the same without a code, as the kubelet does it.
      else if (code !== 1000 && code !== 1005)
        failure ??= new Error(`the connection to pod ${pod.name} was lost`);
      if (open) onClose(failure);
      else reject(failure ?? new Error(`pod ${pod.name} was not reached`));
    });
  });

  return {
    write(data) {
      if (socket.readyState !== WebSocket.OPEN) return true;
      const framed = Buffer.allocUnsafe(data.length + 1);
      framed[0] = 0;
      data.copy(framed, 1);
      socket.send(framed, () => {
        if (!waiting || socket.bufferedAmount > lowWater) return;
        waiting = false;
        onDrain();
      });
      waiting ||= socket.bufferedAmount > highWater;
      return !waiting;
    },
    pause() {
      socket.pause();
    },
    resume() {
      socket.resume();
    },
    close() {
      clearInterval(pinger);
      // A paused socket would never see the other side's goodbye.
      socket.resume();
      socket.terminate();
    },
  };
}
