import type { State } from "../../engine/state.js";
import type { Store } from "../../engine/store.js";
import type { Target } from "../../engine/target.js";
import { toFailure } from "../../lib/errors.js";
import type { Syncer } from "../../cluster/sync/sync.js";
import type { RunningContainer } from "../../engine/container.js";

/** How long the agents in the containers may take to answer before the target does it instead, in ms. */
const agentsMs = 5_000;

/** Restarts the workloads that somebody asks to: in place where the agent started all of their processes, else as the target does. */
export function followRestarts(
  store: Store,
  target: Pick<Target, "restart">,
  { syncer, signal }: { readonly syncer: Pick<Syncer, "restart">; readonly signal: AbortSignal },
): Disposable {
  const restart = async (id: string): Promise<void> => {
    const state = store.getSnapshot();
    const workload = state.workloads[id];
    if (!workload) return;
    const limit = AbortSignal.any([signal, AbortSignal.timeout(agentsMs)]);
    // Agents that do not answer, or fail at it, leave the target's way, which needs none.
    const inPlace = await syncer.restart(containersOf(state, id), { signal: limit }).catch(() => false);
    if (!inPlace) await target.restart(workload, { signal });
  };
  const remove = store.subscribe((event) => {
    if (event.type !== "restart.requested") return;
    restart(event.workload).catch((error: unknown) => {
      if (!signal.aborted) store.dispatch({ type: "request.failed", failure: toFailure(error) });
    });
  });
  return { [Symbol.dispose]: remove };
}

function containersOf(state: State, id: string): readonly RunningContainer[] {
  const { namespace, health } = state.workloads[id] ?? {};
  const pods = new Set(health?.pods.filter(({ terminating }) => !terminating).map(({ name }) => name));
  return state.containers.filter((each) => each.namespace === namespace && pods.has(each.pod));
}
