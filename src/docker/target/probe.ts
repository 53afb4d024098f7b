import { request as httpRequest } from "node:http";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { connect as tlsConnect } from "node:tls";
import { startDeadline } from "../../lib/deadline.js";
import { errorText } from "../../lib/errors.js";
import type { Action, HttpGet, Probe } from "./objects.js";

/** A hook has no limit but its pod's grace. */
const longestHookSeconds = 3_600;

/** What a probe needs of the container that it asks. */
export interface ProbeTarget {
  readonly address: string;
  readonly namedPorts: Readonly<Record<string, number>>;
  dial(port: number, options: { readonly signal: AbortSignal }): Promise<Duplex>;
  /** Throws when the port takes no connection. */
  check(port: number, options: { readonly signal: AbortSignal }): Promise<void>;
  exec(
    argv: readonly string[],
    options: { readonly signal: AbortSignal },
  ): Promise<{ readonly exitCode: number; readonly output: string }>;
}

/** Asks once. Undefined when the answer is good, else what it was, in the kubelet's words. */
export async function askProbe(
  probe: Probe,
  target: ProbeTarget,
  { signal }: { readonly signal: AbortSignal },
): Promise<string | undefined> {
  using limit = startDeadline((probe.timeoutSeconds ?? 1) * 1000, signal);
  try {
    if (probe.httpGet) return await askHttp(probe.httpGet, target, limit.signal);
    if (probe.tcpSocket) {
      await target.check(portOf(probe.tcpSocket.port, target), limit);
      return undefined;
    }
    if (probe.exec) {
      const { exitCode, output } = await target.exec(probe.exec.command ?? [], limit);
      return exitCode === 0 ? undefined : output.trim() || `exited with code ${exitCode}`;
    }
    if (probe.sleep) {
      await sleep(probe.sleep.seconds * 1000, undefined, limit);
      return undefined;
    }
    // Of a kind that is not asked here: it counts as answered.
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    if (limit.expired) return "context deadline exceeded";
    const refused = (error as NodeJS.ErrnoException).code === "ECONNREFUSED";
    return refused ? `dial tcp ${target.address}: connect: connection refused` : errorText(error);
  }
}

/** Runs a hook of a container's life, however long it takes. Throws with what it said where it fails. */
export async function runHook(
  hook: Action,
  target: ProbeTarget,
  { signal }: { readonly signal: AbortSignal },
): Promise<void> {
  const problem = await askProbe({ ...hook, timeoutSeconds: longestHookSeconds }, target, { signal });
  if (problem !== undefined) throw new Error(problem);
}

async function askHttp(
  { path = "/", port, host, scheme = "HTTP", httpHeaders = [] }: HttpGet,
  target: ProbeTarget,
  signal: AbortSignal,
): Promise<string | undefined> {
  const number = portOf(port, target);
  const socket = await target.dial(number, { signal });
  try {
    const status = await new Promise<number>((resolve, reject) => {
      const asked = httpRequest({
        // Its certificate is nobody's concern, as for the kubelet.
        createConnection: () =>
          scheme === "HTTPS" ? tlsConnect({ socket, rejectUnauthorized: false }) : socket,
        path: path.startsWith("/") ? path : `/${path}`,
        headers: {
          host: `${host ?? target.address}:${number}`,
          "user-agent": "kube-probe/devloop",
          accept: "*/*",
          connection: "close",
          ...Object.fromEntries(httpHeaders.map(({ name, value }) => [name.toLowerCase(), value])),
        },
        signal,
      });
      asked.once("response", (answer) => {
        answer.resume();
        resolve(answer.statusCode ?? 0);
      });
      asked.once("error", reject);
      asked.end();
    });
    return status >= 200 && status < 400 ? undefined : `HTTP probe failed with statuscode: ${status}`;
  } finally {
    socket.destroy();
  }
}

function portOf(port: number | string, { namedPorts }: ProbeTarget): number {
  if (typeof port === "number") return port;
  const number = namedPorts[port] ?? Number(port);
  if (Number.isNaN(number)) throw new Error(`no port of the container is named ${port}`);
  return number;
}
