import { addAbortListener } from "node:events";
import type { IncomingMessage } from "node:http";
import type { RequestOptions } from "node:https";
import WebSocket from "ws";
import type { Kube } from "./kube.js";
import type { TlsAgent } from "./tls-agent.js";

/**
 * A websocket to the API server with Kubernetes' framing: the first byte of each message is its channel
 * (`v4.channel.k8s.io`, k8s.io/apimachinery's util/remotecommand and util/httpstream/wsstream).
 */
export interface KubeSocket {
  /** Returns false when the sender should wait for `onDrain`. */
  send(channel: number, data: Uint8Array): boolean;
  pause(): void;
  resume(): void;
  close(): void;
}
export interface KubeSocketOptions {
  readonly onMessage: (channel: number, data: Buffer) => void;
  readonly onDrain: () => void;
  /** Told once, whatever ended it. `error`: what broke the connection; left out when it closed in order. */
  readonly onClose: (error: Error | undefined) => void;
  /** What is at the other end, for messages: `pod web-1`. */
  readonly peer: string;
  /** Shared by connections to one API server. */
  readonly tls: TlsAgent;
  readonly signal: AbortSignal;
}

/** Unsent bytes above which a sender is told to wait, and below which it may go on. */
const highWater = 1024 * 1024;
const lowWater = 256 * 1024;
const handshakeTimeoutMs = 5000;
const pingMs = 15_000;

/** Opens a websocket; `path` carries its query. Resolves once the API server has agreed, throws when it does not. */
export async function openKubeSocket(
  kube: Kube,
  path: string,
  options: KubeSocketOptions,
): Promise<KubeSocket> {
  const { signal, onMessage, onDrain, onClose, peer } = options;
  signal.throwIfAborted();
  const request: RequestOptions = {};
  await kube.config.applyToHTTPSOptions(request);
  options.tls.share(request);
  signal.throwIfAborted();
  const socket = new WebSocket(`${kube.server.replace(/^http/, "ws")}${path}`, ["v4.channel.k8s.io"], {
    ...request,
    perMessageDeflate: false,
    handshakeTimeout: handshakeTimeoutMs,
  });
  const abort = addAbortListener(signal, () => {
    socket.terminate();
  });

  let failure: Error | undefined;
  let alive = true;
  let waiting = false;
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
    onMessage(message[0] ?? 0, message.subarray(1));
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
      // 1000: closed in order; 1005: the same without a code, as the kubelet does it.
      if (code !== 1000 && code !== 1005) failure ??= new Error(`the connection to ${peer} was lost`);
      if (open) onClose(failure);
      else reject(failure ?? new Error(`${peer} was not reached`));
    });
  });

  return {
    send(channel, data) {
      if (socket.readyState !== WebSocket.OPEN) return true;
      const framed = Buffer.allocUnsafe(data.length + 1);
      framed[0] = channel;
      framed.set(data, 1);
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
