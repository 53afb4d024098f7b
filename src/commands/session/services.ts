import { setTimeout as sleep } from "node:timers/promises";
import { watchEngineHealth } from "../../cluster/monitor.js";
import type { HealthOptions, HealthWatch, Target } from "../../engine/target.js";
import type { Store } from "../../engine/store.js";
import type { EngineAdapter } from "./adapters.js";
import type { Service } from "../../engine/task.js";

/** How long after a task has lost a service it is asked again, in ms: a service that answers but fails must not spin. */
const settleMs = 500;

/** Asks a service now instead of at its next turn: for whoever has just lost it. */
export interface Services {
  readonly probe: (service: Service) => void;
}

/** Watches the container engine and the cluster, and tells the store when one of them is lost or answers again. */
export function superviseServices(
  store: Store,
  {
    engine,
    target,
    signal,
  }: { readonly engine: EngineAdapter; readonly target: Target; readonly signal: AbortSignal },
): Services {
  const probes: Readonly<Record<Service, () => void>> = {
    engine: supervise(store, "engine", signal, (options) => watchEngineHealth(engine.engine, options)),
    cluster: supervise(store, "cluster", signal, (options) => target.watchHealth(options)),
  };
  return {
    probe: (service) => {
      probes[service]();
    },
  };
}

function supervise(
  store: Store,
  service: Service,
  signal: AbortSignal,
  watch: (options: HealthOptions) => HealthWatch,
): () => void {
  let stop = new AbortController();
  let current: HealthWatch | undefined;
  const begin = (): void => {
    stop = new AbortController();
    current = watch({
      signal: AbortSignal.any([signal, stop.signal]),
      onChange: (health) => {
        const known = store.getSnapshot().services[service].status;
        if (health.status === "up") {
          if (known !== "up") store.dispatch({ type: "service.up", service });
        } else store.dispatch({ type: "service.down", service, failure: health.failure });
      },
    });
  };
  const unsubscribe = store.subscribe((event) => {
    // A task noticed the loss before the watch did: ask anew, since the watch only tells what turns.
    if (event.type !== "task.failed" || store.getSnapshot().services[service].status !== "down") return;
    stop.abort();
    void sleep(settleMs, undefined, { signal }).then(begin, () => undefined);
  });
  signal.addEventListener("abort", unsubscribe, { once: true });
  begin();
  return () => current?.probe();
}
