import type { Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { PodAccess, Tunnel } from "../../engine/target.js";
import type { PodTarget } from "../observe/pod-view.js";

export interface ConnectionOptions {
  /** Ready pods, best first. */
  readonly pods: () => readonly PodTarget[];
  readonly podsChanged: (listener: () => void) => () => void;
  /** Tells when the process in a pod that connections lead to has ended, and another has begun: what it had open is closed. */
  readonly processRestarted: (pod: PodTarget, listener: () => void) => () => void;
  /** The port in that pod. */
  readonly port: (pod: PodTarget) => number;
  readonly signal: AbortSignal;
  readonly now?: () => number;
}

/** How long a connection waits for a pod that takes it, in ms. */
const patienceMs = 10_000;
/** How long to wait once no pod has taken it, at first and at most, in ms: a process that was started anew listens soon, a crashed one does not. */
const firstWaitMs = 20;
const mostWaitMs = 100;
/** What a client may have sent and still be carried to another pod. */
const replayBytes = 1024 * 1024;
/** How long after a client's end its answer may be silent: while it is owed one, and once it has had one, in ms. */
const owedSilenceMs = 30_000;
const answeredSilenceMs = 1000;
/** How long nothing must have come from a process that has ended until all it said has arrived, in ms. */
const lastWordsMs = 50;
/** How long a client may take to close after the pod's side did, in ms. */
const lingerMs = 2000;

/**
 * Carries one client's connection to a pod that is ready, and to another one as long as no byte has come back; one that none takes is
 * reset. Resolves when the socket is closed, with everything it used released. Never throws.
 */
export async function carryConnection(
  access: Pick<PodAccess, "openTunnel">,
  socket: Socket,
  options: ConnectionOptions,
): Promise<void> {
  const stop = new AbortController();
  const close = (): void => {
    stop.abort();
  };
  const closed = new Promise<void>((resolve) => {
    socket.once("close", () => {
      close();
      resolve();
    });
  });
  const destroy = (): void => {
    socket.destroy();
  };
  options.signal.addEventListener("abort", destroy, { once: true });
  socket.on("error", close);
  socket.setNoDelay(true);
  // It was accepted before a pod was asked: what no pod took must not look like an answer's end.
  const isTaken = await carry(access, socket, { ...options, signal: stop.signal }).catch(() => false);
  if (!isTaken && !socket.destroyed) socket.resetAndDestroy();
  await letGo(socket, closed);
  options.signal.removeEventListener("abort", destroy);
}

/** Gives the client what is still unsent and the time to close; a pod's end is the end of both directions. */
async function letGo(socket: Socket, closed: Promise<void>): Promise<void> {
  if (!socket.writableEnded) socket.destroy();
  else {
    socket.resume();
    const timer = (): void => {
      setTimeout(() => socket.destroy(), lingerMs).unref();
    };
    if (socket.writableFinished) timer();
    else socket.once("finish", timer);
  }
  await closed;
}

/** Resolves once a pod has ended it: false when none took it in time. Rejects when the client left, or no pod is ready. */
async function carry(
  access: Pick<PodAccess, "openTunnel">,
  socket: Socket,
  options: ConnectionOptions,
): Promise<boolean> {
  const { signal, pods, now = Date.now } = options;
  const client = readClient(socket);
  const failed = new Set<string>();
  let deadline = now() + patienceMs;
  let trouble = false;
  let waitMs = firstWaitMs;
  while (!signal.aborted) {
    const pod = await choosePod(options, { failed, waitMs, ms: deadline - now() });
    // All had failed once, and it has been waited.
    if (trouble && failed.size === 0) waitMs = Math.min(2 * waitMs, mostWaitMs);
    const outcome = await attempt(access, socket, client, pod, options);
    if (outcome.answered || client.tooMuch) {
      if (outcome.error) socket.destroy();
      else socket.end();
      return true;
    }
    // A server that closes without a word, and lives on, means it.
    if (!outcome.error && pods().some((entry) => entry.uid === pod.uid)) {
      socket.end();
      return true;
    }
    // The wait starts with the first failure: a connection may have been idle for an hour before.
    if (!trouble) deadline = now() + patienceMs;
    trouble = true;
    if (now() >= deadline) return false;
    failed.add(pod.uid);
  }
  return false;
}

/** A ready pod, not one of `failed` if there is another; else, after `waitMs`, any of them. Throws when none comes within `ms`. */
async function choosePod(
  { pods, podsChanged, signal }: ConnectionOptions,
  { failed, waitMs, ms }: { readonly failed: Set<string>; readonly waitMs: number; readonly ms: number },
): Promise<PodTarget> {
  const fresh = pods().find((pod) => !failed.has(pod.uid));
  if (fresh) return fresh;
  if (failed.size > 0) {
    // All have failed once: a server that has only just started listens a moment later.
    await delay(waitMs, undefined, { signal });
    failed.clear();
    const again = pods()[0];
    if (again) return again;
  }
  return await new Promise((resolve, reject) => {
    const finish = (pod: PodTarget | undefined): void => {
      clearTimeout(timer);
      unsubscribe();
      signal.removeEventListener("abort", giveUp);
      if (pod) resolve(pod);
      else reject(new Error("no pod is ready"));
    };
    const giveUp = (): void => {
      finish(undefined);
    };
    const timer = setTimeout(giveUp, Math.max(0, ms));
    const unsubscribe = podsChanged(() => {
      const pod = pods()[0];
      if (pod) finish(pod);
    });
    signal.addEventListener("abort", giveUp, { once: true });
    if (signal.aborted) giveUp();
  });
}

/** What the client has sent, kept until a byte has come back. */
interface Client {
  sent: Buffer[] | undefined;
  /** More than can be kept: it cannot be carried to another pod any more. */
  tooMuch: boolean;
  ended: boolean;
  /** When bytes last went either way, and which way: an end is judged by it. */
  movedAt: number;
  owed: boolean;
  tunnel: Tunnel | undefined;
}

function readClient(socket: Socket): Client {
  const client: Client = {
    sent: [],
    tooMuch: false,
    ended: false,
    movedAt: performance.now(),
    owed: true,
    tunnel: undefined,
  };
  let kept = 0;
  socket.on("data", (data: Buffer) => {
    client.movedAt = performance.now();
    client.owed = true;
    if (client.sent) {
      client.sent.push(data);
      kept += data.length;
      if (kept > replayBytes) {
        if (client.tunnel) {
          client.sent = undefined;
          client.tooMuch = true;
        } else socket.pause();
      }
    }
    if (client.tunnel && !client.tunnel.write(data)) socket.pause();
  });
  socket.on("end", () => {
    client.ended = true;
    client.movedAt = performance.now();
  });
  return client;
}

interface Outcome {
  readonly answered: boolean;
  readonly error: Error | undefined;
}

/** One tunnel to one pod, from its opening to its end. */
async function attempt(
  access: Pick<PodAccess, "openTunnel">,
  socket: Socket,
  client: Client,
  pod: PodTarget,
  { port, processRestarted, signal }: ConnectionOptions,
): Promise<Outcome> {
  let answered = false;
  let finish: (error: Error | undefined) => void = () => undefined;
  const over = new Promise<Error | undefined>((resolve) => {
    finish = resolve;
  });
  const resume = (): void => {
    client.tunnel?.resume();
  };
  let tunnel: Tunnel | undefined;
  try {
    tunnel = await access.openTunnel(pod, port(pod), {
      signal,
      onData: (data) => {
        answered = true;
        client.sent = undefined;
        client.movedAt = performance.now();
        client.owed = false;
        if (socket.writable && !socket.write(data)) tunnel?.pause();
      },
      onDrain: () => socket.resume(),
      onClose: (error) => {
        finish(error);
      },
    });
  } catch (error) {
    signal.throwIfAborted();
    return { answered: false, error: error as Error };
  }
  socket.on("drain", resume);
  client.tunnel = tunnel;
  if (client.sent?.map((data) => tunnel.write(data)).at(-1) !== false) socket.resume();
  // The protocol cannot pass on a client's end alone: the pod's side is closed once its answer has come to rest.
  const resting = setInterval(() => {
    const silence = performance.now() - client.movedAt;
    if (!client.ended || silence < (client.owed ? owedSilenceMs : answeredSilenceMs)) return;
    finish(undefined);
    answered = true;
    tunnel.close();
  }, 500);
  // Container runtimes keep up a connection whose process is gone for a second (containerd's port forward): a client that
  // sends its next request over it would wait so long for nothing.
  let lastWords: NodeJS.Timeout | undefined;
  const letDown = (): void => {
    const silence = performance.now() - client.movedAt;
    if (silence < lastWordsMs) {
      lastWords = setTimeout(letDown, lastWordsMs - silence);
      return;
    }
    finish(answered ? undefined : new Error("the process has ended"));
    tunnel.close();
  };
  const unsubscribe = processRestarted(pod, letDown);
  try {
    const error = await over;
    return { answered, error };
  } finally {
    clearInterval(resting);
    clearTimeout(lastWords);
    unsubscribe();
    socket.off("drain", resume);
    client.tunnel = undefined;
  }
}
