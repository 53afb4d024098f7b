import { startDeadline } from "../../lib/deadline.js";
import type { EngineContainers } from "../engine-containers.js";
import { isBeside, type Slot } from "./container-slot.js";
import type { ContainerSpec, PodObject } from "./objects.js";
import { type ProbeTarget, runHook } from "./probe.js";

/** A container of a pod that runs, and is to end. */
export interface EndingContainer {
  readonly id: string;
  readonly spec: ContainerSpec;
  /** It stays beside the others until they have ended. */
  readonly beside: boolean;
}

/** Those of a pod's containers that run. */
export function endingOf(slots: readonly Slot[]): readonly EndingContainer[] {
  return slots.flatMap((slot) => {
    const { id, spec, state } = slot;
    return id === undefined || !state.running ? [] : [{ id, spec, beside: isBeside(slot) }];
  });
}

/** How long a pod's containers have to end, in seconds. */
export function graceOf({ spec }: PodObject): number {
  return spec.terminationGracePeriodSeconds ?? 30;
}

/** What a container has to end in although its hook, or those before it, have taken all of the grace, as with the kubelet. */
const leastGraceSeconds = 2;

/**
 * Has containers of one pod end as the kubelet has them, within its grace: hooks run at once, then each is told; those that stay beside
 * the others are told when these have ended, the last first. Throws what the engine says; a hook that fails is no hindrance.
 */
export async function stopContainers(
  engine: Pick<EngineContainers, "stop">,
  containers: readonly EndingContainer[],
  {
    graceSeconds,
    targetOf,
    signal,
  }: {
    readonly graceSeconds: number;
    readonly targetOf: (container: EndingContainer) => ProbeTarget;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const end = Date.now() + graceSeconds * 1000;
  const restMs = (): number => Math.max(0, end - Date.now());

  async function stopOne(container: EndingContainer, turn: Promise<unknown>): Promise<void> {
    const { id, spec } = container;
    const { preStop } = spec.lifecycle ?? {};
    if (preStop && graceSeconds > 0) {
      using limit = startDeadline(restMs(), signal);
      await runHook(preStop, targetOf(container), limit).catch(() => undefined);
    }
    await turn;
    await engine.stop(id, Math.max(leastGraceSeconds, Math.ceil(restMs() / 1000)), { signal });
  }

  const main = containers.filter(({ beside }) => !beside);
  const stops = [Promise.all(main.map((each) => stopOne(each, Promise.resolve())))] as Promise<unknown>[];
  for (const each of containers.filter(({ beside }) => beside).reverse())
    stops.push(stopOne(each, stops.at(-1) ?? Promise.resolve()));
  await Promise.all(stops);
}
