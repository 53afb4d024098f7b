import { request as httpRequest } from "node:http";
import { isIPv6 } from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { connect as tlsConnect } from "node:tls";
import { startDeadline } from "../../lib/deadline.js";
import { errorText } from "../../lib/errors.js";
import type { Action, HttpGet, Probe } from "./objects.js";

/** A hook has no limit but its pod's grace. */
const longestHookSeconds = 3_600;
/** As net/http, which the kubelet asks with, has them. */
const redirects: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const mostRedirects = 10;

/** What a probe needs of the container that it asks. */
export interface ProbeTarget {
  readonly address: string;
  readonly namedPorts: Readonly<Record<string, number>>;
  dial(to: ProbedPort, options: { readonly signal: AbortSignal }): Promise<Duplex>;
  /** Throws when the port takes no connection. */
  check(to: ProbedPort, options: { readonly signal: AbortSignal }): Promise<void>;
  exec(
    argv: readonly string[],
    options: { readonly signal: AbortSignal },
  ): Promise<{ readonly exitCode: number; readonly output: string }>;
}

/** A port of the pod, or of a host that the probe names. */
export interface ProbedPort {
  readonly host?: string | undefined;
  readonly port: number;
}

/** A probe's numbers, times in seconds. What is left out or 0 has its default, as with an API server. */
export function probeNumbers(probe: Probe) {
  const or = (value: number | undefined, otherwise: number): number =>
    value === undefined || value === 0 ? otherwise : value;
  return {
    initialDelaySeconds: or(probe.initialDelaySeconds, 0),
    periodSeconds: or(probe.periodSeconds, 10),
    timeoutSeconds: or(probe.timeoutSeconds, 1),
    successThreshold: or(probe.successThreshold, 1),
    failureThreshold: or(probe.failureThreshold, 3),
  };
}

/** Asks once. Undefined when the answer is good, else what it was, in the kubelet's words. */
export async function askProbe(
  probe: Probe,
  target: ProbeTarget,
  { signal }: { readonly signal: AbortSignal },
): Promise<string | undefined> {
  using limit = startDeadline(probeNumbers(probe).timeoutSeconds * 1000, signal);
  try {
    if (probe.httpGet) return await askHttp(probe.httpGet, target, limit.signal);
    if (probe.tcpSocket) {
      const { host, port } = probe.tcpSocket;
      await target.check({ host, port: portOf(port, target) }, limit);
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

/** Asks, and asks where the answer leads on the same host. One that leads to another host is good, as for the kubelet. */
async function askHttp(
  { path = "/", port, host, scheme = "HTTP", httpHeaders = [] }: HttpGet,
  target: ProbeTarget,
  signal: AbortSignal,
): Promise<string | undefined> {
  const number = portOf(port, target);
  const name = host || target.address;
  const own = Object.fromEntries(httpHeaders.map((each) => [each.name.toLowerCase(), each.value]));
  let headers: Readonly<Record<string, string>> = { host: `${name}:${number}`, ...own };
  let url = new URL(`${scheme.toLowerCase()}://${isIPv6(name) ? `[${name}]` : name}:${number}`);
  url = new URL(`${url.origin}${path.startsWith("/") ? "" : "/"}${path}`);
  for (let asked = 0; asked < mostRedirects; asked += 1) {
    const { status, location } = await askOnce(url, headers, { target, host, signal });
    if (!redirects.has(status) || location === undefined)
      return status >= 200 && status < 400 ? undefined : `HTTP probe failed with statuscode: ${status}`;
    const next = new URL(location, url);
    if (next.hostname !== url.hostname) return undefined;
    // A name that was asked for goes on with what leads on relatively.
    if (URL.canParse(location)) headers = { ...own, host: next.host };
    url = next;
  }
  return `stopped after ${mostRedirects} redirects`;
}

async function askOnce(
  { protocol, port, pathname, search }: URL,
  headers: Readonly<Record<string, string>>,
  by: { readonly target: ProbeTarget; readonly host: string | undefined; readonly signal: AbortSignal },
): Promise<{ readonly status: number; readonly location: string | undefined }> {
  const { target, host, signal } = by;
  const secure = protocol === "https:";
  const socket = await target.dial({ host, port: Number(port) || (secure ? 443 : 80) }, { signal });
  try {
    return await new Promise((resolve, reject) => {
      const asked = httpRequest({
        // Its certificate is nobody's concern, as for the kubelet.
        createConnection: () => (secure ? tlsConnect({ socket, rejectUnauthorized: false }) : socket),
        path: `${pathname}${search}`,
        headers: {
          ...{ "user-agent": "kube-probe/devloop", accept: "*/*", connection: "close" },
          ...headers,
        },
        signal,
      });
      asked.once("response", (answer) => {
        answer.resume();
        resolve({ status: answer.statusCode ?? 0, location: answer.headers.location });
      });
      asked.once("error", reject);
      asked.end();
    });
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
