import { setTimeout as sleep } from "node:timers/promises";
import { errorText } from "../../lib/errors.js";
import type { InspectedContainer } from "../engine-containers.js";
import { type ContainerSpec, PodConfigError, type Probe } from "./objects.js";
import { askProbe, probeNumbers, type ProbeTarget } from "./probe.js";
import { askedOf } from "./probe-target.js";

/** A container's state, as Kubernetes' ContainerStatus has it. */
export interface RunState {
  readonly waiting?: { readonly reason: string; readonly message?: string };
  readonly running?: { readonly startedAt: string };
  readonly terminated?: Ended;
}
export interface Ended {
  readonly exitCode: number;
  readonly reason: string;
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly containerID: string;
}

/** One container of a pod: what it is to be, and what it is. */
export interface Slot {
  readonly spec: ContainerSpec;
  readonly init: boolean;
  /** The engine's id of the run that is there. */
  readonly id: string | undefined;
  readonly state: RunState;
  readonly lastState: RunState;
  readonly restarts: number;
  readonly started: boolean;
  readonly ready: boolean;
}

/** An init container that stays beside those that come after it. */
export function isBeside({ init, spec }: Pick<Slot, "init" | "spec">): boolean {
  return init && spec.restartPolicy === "Always";
}

/** How a container is made and looked at. */
export interface SlotWork {
  /** Makes and starts the run of that number; the one before the last is removed. Throws what the engine says. */
  begin(attempt: number): Promise<string>;
  inspect(id: string): Promise<InspectedContainer | undefined>;
  /** The network that it was started in is gone. */
  isStranded(id: string): boolean;
  wait(id: string): Promise<void>;
  /** Has it end, so that it is started anew; within the pod's grace unless another is given. */
  kill(id: string, graceSeconds?: number): Promise<void>;
  afterStart(id: string): Promise<void>;
  probeTarget(id: string): ProbeTarget;
  change(fields: Partial<Slot>): void;
  event(reason: string, message: string): void;
}

/** Which ends it is started again after. */
export type Restart = "Always" | "OnFailure" | "Never";

/** Why a container waits whose run is on its way. */
export const creating = "ContainerCreating";

/** After how many seconds a container that ends again and again is started anew: at once, then later and later, as the kubelet does. */
const backOffSeconds = [0, 10, 20, 40, 80, 160, 300];
/** States of a container that somebody is removing. */
const leaving: ReadonlySet<string> = new Set(["removing", "dead"]);
/** One that has run so long is well again, in ms. */
const healedMs = 600_000;
/** How long after the engine has failed it is asked again, and after which one that was taken away comes back, in ms. */
const retryMs = 1_000;

/**
 * Runs a container until it has ended for good, and returns its exit code; what was there before is taken up. Rejects with the signal's
 * reason, and leaves it running then.
 */
export async function runSlot(
  slot: () => Slot,
  work: SlotWork,
  { restart, signal }: { readonly restart: Restart; readonly signal: AbortSignal },
): Promise<number> {
  let { restarts: attempt } = slot();
  let failures = 0;
  /** The run whose start is over, with all that belongs to it. */
  let begun = slot().id;
  for (;;) {
    try {
      const id = slot().id ?? (await beginRun(attempt));
      const { ended, taken } = await follow(id);
      const again = restart === "Always" || (restart === "OnFailure" && ended.exitCode !== 0);
      if (again && taken) {
        attempt += 1;
        // It is on its way, and has not crashed.
        const state = { waiting: { reason: creating } };
        work.change({ id: undefined, state, lastState: {}, restarts: attempt, started: false, ready: false });
        await sleep(retryMs, undefined, { signal });
        continue;
      }
      const ranMs = Date.parse(ended.finishedAt) - Date.parse(ended.startedAt);
      if (ranMs >= healedMs) failures = 0;
      work.change({ state: { terminated: ended }, ready: !again && slot().init && ended.exitCode === 0 });
      if (!again) return ended.exitCode;
      await backOff(ended, failures);
      failures += 1;
      attempt += 1;
      work.change({ id: undefined, restarts: attempt, lastState: { terminated: ended }, started: false });
    } catch (error) {
      signal.throwIfAborted();
      if (await unableToStart(error, failures)) failures += 1;
    }
  }

  async function beginRun(number: number): Promise<string> {
    work.change({ state: { waiting: { reason: creating } } });
    const id = await work.begin(number);
    // Known from now on, whatever the engine says next: else nobody would stop it, or hand it over.
    const startedAt = new Date().toISOString();
    work.change({ id, state: { running: { startedAt } }, started: false, ready: false });
    return id;
  }

  /** `taken`: somebody took it or its network away, which is no failure of its own. */
  async function follow(id: string): Promise<{ readonly ended: Ended; readonly taken: boolean }> {
    const found = await work.inspect(id);
    if (found?.state.running) {
      const { startedAt } = found.state;
      const adopted = begun === id;
      begun = id;
      work.change({
        id,
        state: { running: { startedAt } },
        started: adopted ? slot().started : !slot().spec.startupProbe,
        ready: adopted ? slot().ready : !slot().spec.readinessProbe && !slot().spec.startupProbe,
      });
      // It went before anybody knew of the container.
      if (work.isStranded(id)) await work.kill(id);
      const over = new AbortController();
      const either = AbortSignal.any([signal, over.signal]);
      if (!adopted) void work.afterStart(id).catch((error: unknown) => void failedHook(id, error));
      const probing = probe(id, Date.parse(startedAt), either).catch(() => undefined);
      try {
        await work.wait(id);
      } finally {
        over.abort();
        await probing;
      }
    }
    const left = await work.inspect(id);
    const taken = work.isStranded(id) || left === undefined || leaving.has(left.state.status);
    return { ended: endOf(id, left), taken };
  }

  async function failedHook(id: string, error: unknown): Promise<void> {
    if (signal.aborted) return;
    work.event("FailedPostStartHook", `PostStartHook failed: ${errorText(error)}`);
    await work.kill(id).catch(() => undefined);
  }

  async function probe(id: string, startedAt: number, until: AbortSignal): Promise<void> {
    const { startupProbe, readinessProbe, livenessProbe } = slot().spec;
    if (startupProbe && !slot().started) {
      const outcome = await probeUntil("Startup", startupProbe, id, startedAt, until, () => "stop");
      if (outcome === "failed") {
        await restartFor("startup", startupProbe, id);
        return;
      }
      work.change({ started: true, ready: !readinessProbe });
    }
    const readiness =
      readinessProbe &&
      probeUntil("Readiness", readinessProbe, id, startedAt, until, (ready) => {
        if (slot().ready !== ready) work.change({ ready });
        return "on";
      });
    const liveness = async (): Promise<void> => {
      if (!livenessProbe) return;
      const outcome = await probeUntil("Liveness", livenessProbe, id, startedAt, until, (alive) =>
        alive ? "on" : "stop",
      );
      if (outcome === "failed") await restartFor("liveness", livenessProbe, id);
    };
    await Promise.all([readiness, liveness()]);
  }

  async function restartFor(which: "startup" | "liveness", failed: Probe, id: string): Promise<void> {
    work.event("Killing", `Container ${slot().spec.name} failed ${which} probe, will be restarted`);
    await work.kill(id, failed.terminationGracePeriodSeconds);
  }

  /** Asks again and again; `turn` is told once a threshold is reached. */
  async function probeUntil(
    kind: "Startup" | "Readiness" | "Liveness",
    asked: Probe,
    id: string,
    startedAt: number,
    until: AbortSignal,
    turn: (good: boolean) => "on" | "stop",
  ): Promise<"good" | "failed"> {
    const { initialDelaySeconds, periodSeconds, successThreshold, failureThreshold } = probeNumbers(asked);
    const target = work.probeTarget(id);
    const question = askedOf(slot().spec, asked);
    const delayMs = startedAt + initialDelaySeconds * 1000 - Date.now();
    await sleep(Math.max(0, delayMs), undefined, { signal: until });
    let good = 0;
    let bad = 0;
    for (;;) {
      const problem = await askProbe(question, target, { signal: until });
      if (problem === undefined) {
        good += 1;
        bad = 0;
      } else {
        bad += 1;
        good = 0;
        work.event("Unhealthy", `${kind} probe failed: ${problem}`);
      }
      const isGood = good >= successThreshold;
      const isBad = bad >= failureThreshold;
      if ((isGood || isBad) && turn(isGood) === "stop") return isGood ? "good" : "failed";
      await sleep(periodSeconds * 1000, undefined, { signal: until });
    }
  }

  async function backOff(ended: Ended, count: number): Promise<void> {
    const seconds = backOffSeconds[Math.min(count, backOffSeconds.length - 1)] ?? 0;
    if (seconds === 0) return;
    const { name } = slot().spec;
    const message = `back-off ${seconds}s restarting failed container=${name}`;
    work.change({
      state: { waiting: { reason: "CrashLoopBackOff", message } },
      lastState: { terminated: ended },
    });
    work.event("BackOff", message);
    await sleep(seconds * 1000, undefined, { signal });
  }

  /** Tells that it could not be made, and waits before the next try. False when it was the engine that failed: that is no failure of the container's. */
  async function unableToStart(error: unknown, count: number): Promise<boolean> {
    const lost = (error as { readonly code?: unknown }).code === "ENGINE_UNREACHABLE";
    if (lost) {
      await sleep(retryMs, undefined, { signal });
      return false;
    }
    const message = errorText(error);
    const reason = error instanceof PodConfigError ? error.reason : "RunContainerError";
    work.change({ id: undefined, state: { waiting: { reason, message } } });
    work.event("Failed", reason === "ErrImagePull" ? `Failed to pull image: ${message}` : message);
    // What it lacks may be applied a moment later.
    const seconds =
      reason === "CreateContainerConfigError" ? 1 : (backOffSeconds[Math.min(count + 1, 6)] ?? 10);
    await sleep(seconds * 1000, undefined, { signal });
    return true;
  }
}

/** How a run ended; one that was taken away counts as killed. */
export function endOf(id: string, found: InspectedContainer | undefined): Ended {
  const now = new Date().toISOString();
  const { exitCode = 137, oomKilled = false, startedAt = now, finishedAt = now } = found?.state ?? {};
  return {
    exitCode,
    reason: oomKilled ? "OOMKilled" : exitCode === 0 ? "Completed" : "Error",
    startedAt,
    finishedAt,
    containerID: id,
  };
}
