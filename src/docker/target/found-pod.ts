import { errorText } from "../../lib/errors.js";
import type { InspectedContainer } from "../engine-containers.js";
import type { Slot } from "./container-slot.js";
import type { PodDialer, Programs } from "./dial.js";
import { label } from "./labels.js";
import type { PodObject, Probe } from "./objects.js";
import { slotsOf } from "./pod-status.js";
import { askProbe } from "./probe.js";
import { askedOf, probeTargetOf } from "./probe-target.js";

/** A pod as another session left it. */
export interface FoundPod {
  readonly pod: PodObject;
  /** What holds its network; it may have ended. */
  readonly hold: InspectedContainer;
  /** All that there is, the hold among them. */
  readonly containers: readonly InspectedContainer[];
  readonly slots: readonly Slot[];
  readonly address: string;
}

/** How a pod is reached. */
export interface PodWays {
  readonly network: string;
  readonly dialer: PodDialer;
  readonly programs: Programs;
}

/**
 * Looks at a pod by its containers. One that runs is ready when its probes, each asked once and now, are answered. Undefined where
 * nothing tells what the pod is: what held its network is gone.
 */
export async function lookAtPod(
  { network, dialer, programs }: PodWays,
  containers: readonly InspectedContainer[],
  { signal }: { readonly signal: AbortSignal },
): Promise<FoundPod | undefined> {
  const hold = containers.find(({ labels }) => labels[label.role] === "hold");
  const text = hold?.labels[label.pod];
  if (!hold || text === undefined) return undefined;
  const pod = JSON.parse(text) as PodObject;
  const address = hold.addresses[network] ?? "";

  async function answers({ id = "", spec }: Slot, probe: Probe): Promise<boolean> {
    const target = probeTargetOf({ dialer, programs }, { id, spec }, () => ({ id: hold?.id ?? "", address }));
    const problem = await askProbe(askedOf(spec, probe), target, { signal }).catch((error: unknown) => {
      signal.throwIfAborted();
      return errorText(error);
    });
    return problem === undefined;
  }

  async function look(slot: Slot): Promise<Slot> {
    const { startupProbe, readinessProbe } = slot.spec;
    if (!slot.state.running || (!startupProbe && !readinessProbe)) return slot;
    // What serves has started.
    if (readinessProbe && (await answers(slot, readinessProbe)))
      return { ...slot, started: true, ready: true };
    const started = !startupProbe || (await answers(slot, startupProbe));
    return { ...slot, started, ready: started && !readinessProbe };
  }

  const slots = await Promise.all(slotsOf(pod, containers, hold.state.running).map(look));
  return { pod, hold, containers, slots, address };
}
