import { spawn, type ChildProcess, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import type { OutputEvent } from "../../src/output/event-schema.js";
import type { TestCluster } from "./clusters.js";

/** The built command; another build of it where a variable names one. */
export const cli = process.env["DEVLOOP_TEST_CLI"] ?? new URL("../../dist/cli.js", import.meta.url).pathname;

/** How long anything may take, in ms: no test measures by it, it ends those that wait in vain. A machine may be several times slower than this one. */
export const longMs = 180_000;

export interface StartOptions {
  readonly cluster: Pick<TestCluster, "kubeconfig">;
  readonly cwd: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export type EventOf<T extends OutputEvent["type"]> = Extract<OutputEvent, { type: T }>;

/** A running devloop whose events are collected as they come. */
export interface Running {
  readonly child: ChildProcess;
  readonly events: OutputEvent[];
  readonly stderr: () => string;
  /** The first event after the `since`-th that matches; fails with what came instead when none does in time. */
  waitFor<T extends OutputEvent["type"]>(
    type: T,
    matches?: (event: EventOf<T>) => boolean,
    options?: WaitOptions,
  ): Promise<EventOf<T>>;
  /** How many events there are now: to wait for what comes after this moment. */
  mark(): number;
  /** Waits until the loop has ended well, after `since`. */
  ready(options?: WaitOptions): Promise<EventOf<"loop.ended">>;
  /** Ctrl-C, and the exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
  count(type: OutputEvent["type"], matches?: (event: never) => boolean, since?: number): number;
  [Symbol.asyncDispose](): Promise<void>;
}
interface WaitOptions {
  readonly since?: number;
  readonly timeoutMs?: number;
}

/** Starts a command as a user would: the built one, in a process of its own. */
export function launch({ cluster, cwd, args = [], env = {} }: StartOptions): ReadableChild {
  return spawn(process.execPath, [cli, ...args], {
    cwd,
    env: { ...process.env, KUBECONFIG: cluster.kubeconfig, XDG_STATE_HOME: `${cwd}/.state`, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
}
type ReadableChild = ChildProcessByStdio<null, Readable, Readable>;

/** Starts `devloop up --output json`, or another command that prints events. */
export function start({ args = ["up", "--output", "json"], ...options }: StartOptions): Running {
  const child = launch({ ...options, args });
  const events: OutputEvent[] = [];
  const watchers = new Set<() => void>();
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  createInterface({ input: child.stdout }).on("line", (line) => {
    events.push(JSON.parse(line) as OutputEvent);
    for (const watcher of [...watchers]) watcher();
  });
  const exited = once(child, "exit").then(([code]) => {
    for (const watcher of [...watchers]) watcher();
    return code as number | null;
  });

  const running: Running = {
    child,
    events,
    stderr: () => stderr,
    mark: () => events.length,
    count: (type, matches = () => true, since = 0) =>
      events.slice(since).filter((event) => event.type === type && matches(event as never)).length,
    waitFor: (type, matches = () => true, { since = 0, timeoutMs = longMs } = {}) =>
      new Promise((resolve, reject) => {
        // Each event is looked at once: there may be a hundred thousand of them.
        let next = since;
        const look = (): void => {
          let found: OutputEvent | undefined;
          for (; next < events.length && !found; next += 1) {
            const event = events[next]!;
            if (event.type === type && matches(event as never)) found = event;
          }
          if (found)
            end(() => {
              resolve(found as never);
            });
          else if (child.exitCode !== null || child.signalCode !== null)
            end(() => {
              reject(problem(`devloop ended (${child.exitCode ?? child.signalCode})`));
            });
        };
        const problem = (what: string): Error =>
          new Error(
            `${what} before ${type}; last events:\n${events
              .filter((e) => e.type !== "log.line" && e.type !== "task.progress")
              .slice(-25)
              .map((e) => JSON.stringify(e).slice(0, 400))
              .join("\n")}\n${stderr}`,
          );
        const timer = setTimeout(() => {
          end(() => {
            reject(problem(`${timeoutMs} ms passed`));
          });
        }, timeoutMs);
        const end = (settle: () => void): void => {
          clearTimeout(timer);
          watchers.delete(look);
          settle();
        };
        watchers.add(look);
        look();
      }),
    ready: (options) => running.waitFor("loop.ended", (event) => event.outcome === "ready", options),
    async stop(signal = "SIGINT") {
      if (child.exitCode === null && child.signalCode === null) child.kill(signal);
      return exited;
    },
    async [Symbol.asyncDispose]() {
      await running.stop();
    },
  };
  return running;
}

/** Runs a command to its end. */
export async function runToEnd(
  options: StartOptions,
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = launch(options);
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout, stderr };
}

/** Repeats a look at the outside until it gives something; fails with the last problem after `timeoutMs`. */
export async function until<T>(
  look: () => Promise<T | undefined | false>,
  what: string,
  timeoutMs = longMs,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  let last: unknown;
  while (Date.now() < deadline) {
    try {
      const found = await look();
      if (found !== undefined && found !== false) return found;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${what}: not within ${timeoutMs} ms`, { cause: last });
}

/**
 * The body of a page, by a connection of its own: one that is kept may lead to a process that is gone. Throws when it is not
 * answered with 200 within 20 s: a forward itself waits ten for a pod.
 */
export async function page(port: number, path = "/"): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    headers: { connection: "close" },
    signal: AbortSignal.timeout(20_000),
  });
  if (!response.ok) throw new Error(`answered ${response.status}`);
  return response.text();
}
