import type { Store } from "../../engine/store.js";
import type { Target } from "../../engine/target.js";
import { toFailure } from "../../lib/errors.js";

/** Restarts the workloads that somebody asks to. */
export function followRestarts(
  store: Store,
  target: Pick<Target, "restart">,
  { signal }: { readonly signal: AbortSignal },
): Disposable {
  const restart = async (id: string): Promise<void> => {
    const workload = store.getSnapshot().workloads[id];
    try {
      if (workload) await target.restart(workload, { signal });
    } catch (error) {
      if (!signal.aborted) store.dispatch({ type: "request.failed", failure: toFailure(error) });
    }
  };
  const remove = store.subscribe((event) => {
    // It tells its failure itself.
    if (event.type === "restart.requested") void restart(event.workload);
  });
  return { [Symbol.dispose]: remove };
}
