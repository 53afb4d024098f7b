import { setTimeout as sleep } from "node:timers/promises";
import type { ExecTarget, PodAccess } from "../../engine/target.js";
import { errorText } from "../../lib/errors.js";
import { openAgent } from "./agent-client.js";
import type { Agent, ProcessState } from "./agent-types.js";
import { agentPath } from "./inject.js";

export interface ChannelOptions {
  /** The connection was lost, and stands again. */
  readonly onReconnect: () => void;
  readonly onProcess: (state: ProcessState) => void;
}

/** A standing connection to the agent in a container: opened ahead of need, and anew whenever it breaks. */
export interface ContainerChannel extends AsyncDisposable {
  /** The agent, as soon as it answers. Rejects after `patienceMs` with why it does not. */
  agent(options: { readonly signal: AbortSignal }): Promise<Agent>;
}

/** How long whoever needs the agent waits for it, in ms; after that it is awaited in the background alone. */
const patienceMs = 5_000;
/** How long an agent may take to say hello, in ms. */
const greetingMs = 10_000;
/** Between two tries, in ms: a container may be a moment away from running. */
const firstRetryMs = 100;
const mostRetryMs = 1_000;

export function openChannel(
  access: Pick<PodAccess, "openExec">,
  target: ExecTarget,
  options: ChannelOptions,
): ContainerChannel {
  const stop = new AbortController();
  const { signal } = stop;
  let current: Agent | undefined;
  let failure = "it has not answered yet";
  let brokenAt = Date.now();
  let waiting: (() => void)[] = [];

  async function run(): Promise<void> {
    let retryMs = firstRetryMs;
    let connected = false;
    while (!signal.aborted) {
      try {
        using stream = await access.openExec(target, [agentPath, "serve"], { signal });
        const impatience = setTimeout(() => {
          stream[Symbol.dispose]();
        }, greetingMs).unref();
        using agent = await openAgent(stream, { signal, onProcess: options.onProcess });
        clearTimeout(impatience);
        current = agent;
        retryMs = firstRetryMs;
        for (const wake of waiting.splice(0)) wake();
        if (connected) options.onReconnect();
        connected = true;
        failure = errorText((await agent.closed) ?? new Error("the connection was closed"));
      } catch (error) {
        failure = errorText(error);
      }
      if (current) brokenAt = Date.now();
      current = undefined;
      await sleep(retryMs, undefined, { signal, ref: false }).catch(() => undefined);
      retryMs = Math.min(mostRetryMs, retryMs * 2);
    }
  }

  /** Resolves when an agent answers, or after `ms`. */
  async function change(ms: number, wanted: AbortSignal): Promise<void> {
    const done = new AbortController();
    waiting.push(() => {
      done.abort();
    });
    const either = AbortSignal.any([done.signal, wanted, signal]);
    await sleep(ms, undefined, { signal: either }).catch(() => undefined);
  }

  const running = run();
  return {
    async agent({ signal: wanted }) {
      // One that has been away for long does not hold up the others.
      const left = Math.max(0, brokenAt + patienceMs - Date.now());
      if (!current && left > 0) await change(left, wanted);
      wanted.throwIfAborted();
      if (current) return current;
      throw new Error(failure);
    },
    async [Symbol.asyncDispose]() {
      stop.abort(new Error("the container is gone"));
      waiting = [];
      await running;
    },
  };
}
