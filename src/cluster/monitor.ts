import { addAbortListener } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import type { ContainerEngine } from "../engine/container-engine.js";
import type { Health, HealthOptions, HealthWatch } from "../engine/target.js";
import { DevloopError, errorText, toFailure } from "../lib/errors.js";
import { startDeadline } from "../lib/deadline.js";
import { checkIdentity } from "./providers/identity.js";
import { KubeStatusError, type Kube } from "./kube.js";

const downIntervalMs = 500;

/**
 * Watches the API server: that it answers as the cluster whose identity was pinned, and, when it comes back, that it is
 * ready. Another cluster in its place counts as down, with CLUSTER_CHANGED.
 */
export function watchClusterHealth(kube: Kube, uid: string, options: HealthOptions): HealthWatch {
  return watchHealth(
    async ({ wasUp, signal }) => {
      if (!wasUp) await askReady(kube, { signal });
      await askIdentity(kube, uid, { signal });
    },
    (ms) =>
      new DevloopError(
        "CLUSTER_UNREACHABLE",
        `cluster ${kube.context} gave no answer within ${ms / 1000} s (${kube.server})`,
      ),
    options,
  );
}

/** Watches the container engine. */
export function watchEngineHealth(engine: ContainerEngine, options: HealthOptions): HealthWatch {
  return watchHealth(
    async ({ signal }) => {
      await engine.ping({ signal });
    },
    (ms) =>
      new DevloopError(
        "ENGINE_UNREACHABLE",
        `the container engine gave no answer within ${ms / 1000} s (${engine.address})`,
      ),
    options,
  );
}

type Probe = (options: { readonly wasUp: boolean; readonly signal: AbortSignal }) => Promise<void>;

function watchHealth(
  ask: Probe,
  unanswered: (ms: number) => DevloopError,
  options: HealthOptions,
): HealthWatch {
  const { intervalMs = 5000, timeoutMs = 5000, onChange, signal } = options;
  let health: Health | undefined;
  let sleep = new AbortController();

  async function probeOnce(): Promise<{ readonly result: Health; readonly late: boolean }> {
    using limit = startDeadline(timeoutMs, signal);
    try {
      await ask({ wasUp: health?.status === "up", signal: limit.signal });
      return { result: { status: "up" }, late: false };
    } catch (error) {
      const failure = toFailure(limit.expired ? unanswered(timeoutMs) : error);
      return { result: { status: "down", failure }, late: limit.expired };
    }
  }

  async function run(): Promise<void> {
    let lateBefore = false;
    for (;;) {
      if (signal.aborted) return;
      // Made before the probe: one asked for while it runs is made up for at once.
      sleep = new AbortController();
      const { result, late } = await probeOnce();
      if (isAborted(signal)) return;
      // One late answer is a busy machine; two are a service that hangs.
      const doubtful = late && !lateBefore && health?.status === "up";
      lateBefore = late;
      if (!doubtful && turned(health, result)) {
        health = result;
        onChange(result);
      }
      using _stopped = addAbortListener(signal, () => {
        sleep.abort();
      });
      const ms = result.status === "up" ? intervalMs : downIntervalMs;
      await delay(ms, undefined, { signal: sleep.signal, ref: false }).catch(() => undefined);
    }
  }
  return {
    probe() {
      sleep.abort();
    },
    ended: run(),
  };
}

/** Another reason for being down is news too: the API server answers again, but it is another cluster's. */
function turned(before: Health | undefined, now: Health): boolean {
  if (before?.status !== now.status) return true;
  return before.status === "down" && now.status === "down" && before.failure.code !== now.failure.code;
}

/** Asks the API server whether it is ready to serve. Throws CLUSTER_UNREACHABLE with its own words when it is not. */
async function askReady(kube: Kube, { signal }: { readonly signal: AbortSignal }): Promise<void> {
  try {
    const answer = await kube.stream("/readyz", { signal });
    answer.resume();
  } catch (error) {
    if (!(error instanceof KubeStatusError)) throw error;
    // An answer that refuses this user comes from a server that serves.
    if (error.status < 500 && error.status !== 429) return;
    throw new DevloopError("CLUSTER_UNREACHABLE", `the API server of ${kube.context} is not ready yet`, {
      cause: error,
      detail: errorText(error),
      hint: "is it starting? devloop goes on by itself once it is ready",
    });
  }
}

/** Reading the identity also shows that the server reaches its store and takes the credentials. */
async function askIdentity(
  kube: Kube,
  uid: string,
  { signal }: { readonly signal: AbortSignal },
): Promise<void> {
  try {
    await checkIdentity(kube, uid, { signal });
  } catch (error) {
    if (!(error instanceof KubeStatusError)) throw error;
    throw new DevloopError(
      "CLUSTER_UNREACHABLE",
      `cluster ${kube.context} does not serve: ${error.message}`,
      {
        cause: error,
        hint:
          error.status === 401
            ? "are the credentials in the kubeconfig still good? start devloop again"
            : undefined,
      },
    );
  }
}

/** Asked anew: the compiler takes an earlier answer to hold across an await. */
function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}
