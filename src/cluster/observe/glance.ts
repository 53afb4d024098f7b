import type { WorkloadHealth } from "../../engine/state.js";
import type { AppliedWorkload, WorkloadId } from "../../engine/task.js";
import type { PodAccess } from "../../engine/target.js";
import { startDeadline } from "../../lib/deadline.js";
import { unlessAborted } from "../../lib/unless-aborted.js";
import type { PodView } from "./pod-view.js";
import { observeWorkloads, type WorkloadObserver } from "./workloads.js";

/** How long a look may take, in ms: lists of four kinds for each namespace. */
const limitMs = 10_000;

export interface Glance {
  readonly health: ReadonlyMap<WorkloadId, WorkloadHealth>;
  readonly pods: readonly PodView[];
}

/**
 * How workloads are at this moment, by the same rules as while devloop runs, but for what takes time to see. One that
 * nothing was heard of in time is left out.
 */
export async function glanceAtWorkloads(
  access: Pick<PodAccess, "watch">,
  workloads: readonly AppliedWorkload[],
  { signal }: { readonly signal: AbortSignal },
): Promise<Glance> {
  const found = new Map<WorkloadId, WorkloadHealth>();
  let pods: readonly PodView[] = [];
  if (workloads.length === 0) return { health: found, pods };
  using limit = startDeadline(limitMs, signal);
  let observer: WorkloadObserver | undefined;
  const all = new Promise<void>((resolve) => {
    observer = observeWorkloads(access, {
      signal: limit.signal,
      lastLines: () => [],
      onPods: (seen) => {
        pods = seen;
      },
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
  return { health: found, pods };
}
