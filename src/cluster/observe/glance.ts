import type { AppliedWorkload, WorkloadHealth, WorkloadId } from "../../engine/model.js";
import { startDeadline } from "../../lib/deadline.js";
import { unlessAborted } from "../../lib/unless-aborted.js";
import type { Kube } from "../kube.js";
import { observeWorkloads, type WorkloadObserver } from "./workloads.js";

/** How long a look may take, in ms: lists of four kinds for each namespace. */
const limitMs = 10_000;

/**
 * How workloads are at this moment, by the same rules as while devloop runs, but for what takes time to see. One that
 * nothing was heard of in time is left out.
 */
export async function glanceAtWorkloads(
  kube: Kube,
  workloads: readonly AppliedWorkload[],
  { signal }: { readonly signal: AbortSignal },
): Promise<ReadonlyMap<WorkloadId, WorkloadHealth>> {
  const found = new Map<WorkloadId, WorkloadHealth>();
  if (workloads.length === 0) return found;
  using limit = startDeadline(limitMs, signal);
  let observer: WorkloadObserver | undefined;
  const all = new Promise<void>((resolve) => {
    observer = observeWorkloads(kube, {
      signal: limit.signal,
      lastLines: () => [],
      onPods: () => undefined,
      onHealth: (id, health) => {
        if (!found.has(id)) found.set(id, health);
        if (found.size === workloads.length) resolve();
      },
    });
    observer.setWorkloads(workloads);
  });
  // When the time is over, what is known by then has to do.
  await unlessAborted(all, limit.signal).catch(() => undefined);
  await observer?.[Symbol.asyncDispose]();
  signal.throwIfAborted();
  return found;
}
