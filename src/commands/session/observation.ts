import { startForward } from "../../cluster/forward/forward.js";
import { targetPort } from "../../cluster/forward/target-port.js";
import { streamLogs } from "../../cluster/observe/logs.js";
import { observeWorkloads } from "../../cluster/observe/workloads.js";
import type { AppliedWorkload, ForwardSpec, LogLine, State } from "../../engine/model.js";
import type { Store } from "../../engine/store.js";
import type { ClusterAdapter } from "./adapters.js";
import type { ManifestStore } from "./manifests.js";

export interface ObservationOptions {
  readonly store: Store;
  readonly cluster: ClusterAdapter;
  readonly manifests: ManifestStore;
  /** Lines of one container, in order; reading it pauses until the promise resolves. */
  readonly onLines: (lines: readonly LogLine[]) => Promise<void>;
  /** Binds the forwards' local ports as well. */
  readonly forwards: boolean;
  /** The API server has stopped to answer those who watch. */
  readonly onLost: () => void;
  readonly signal: AbortSignal;
}

/**
 * Watches what the state says was applied: health into the store, log lines to their sinks, and the local ports of the
 * forwards, all following the state as it changes.
 */
export function observe({
  store,
  cluster,
  manifests,
  onLines,
  forwards,
  onLost,
  signal,
}: ObservationOptions): AsyncDisposable {
  const { kube } = cluster;
  const logs = streamLogs(kube, { onLines, signal });
  const observer = observeWorkloads(kube, {
    signal,
    lastLines: (pod, container, previous) => logs.lastLines(pod, container, previous),
    onPods: (pods) => {
      logs.setPods(pods);
    },
    onState: (state) => {
      if (state === "down") onLost();
    },
    onHealth: (id, health) => {
      store.dispatch({ type: "workload.changed", id, health });
    },
  });
  const open = new Map<string, { readonly spec: ForwardSpec; readonly forward: AsyncDisposable }>();
  const closing: Promise<void>[] = [];

  const namespaceOf = (spec: ForwardSpec): string =>
    spec.namespace ?? manifests.namespaceOf(spec.kind, spec.name) ?? cluster.cluster.namespace;

  function followForwards(state: State): void {
    if (!forwards) return;
    for (const [id, { spec, forward }] of open) {
      if (state.forwards[id]?.spec === spec) continue;
      open.delete(id);
      closing.push(Promise.resolve(forward[Symbol.asyncDispose]()));
    }
    for (const [id, { spec }] of Object.entries(state.forwards)) {
      if (!open.has(id)) open.set(id, { spec, forward: start(spec) });
    }
  }

  function start(spec: ForwardSpec): AsyncDisposable {
    return startForward(kube, spec, {
      signal,
      podsChanged: (listener) => observer.podsChanged(listener),
      pods: () => observer.readyPods({ kind: spec.kind, name: spec.name, namespace: namespaceOf(spec) }),
      resolvePort: (pod) => targetPort(spec, pod, observer.service(namespaceOf(spec), spec.name)),
      onChange: (state, serving, connections) => {
        store.dispatch({ type: "forward.changed", id: spec.id, state, serving, connections });
      },
    });
  }

  let watched = "";
  function followWorkloads(state: State): void {
    const workloads = Object.values(state.workloads).map(
      ({ id, kind, namespace, name, uid, expected, images }): AppliedWorkload => ({
        id,
        kind,
        namespace,
        name,
        uid,
        generation: expected,
        images,
      }),
    );
    const namespaces = [...new Set(Object.values(state.forwards).map(({ spec }) => namespaceOf(spec)))];
    const wanted = JSON.stringify([workloads, namespaces]);
    if (wanted === watched) return;
    watched = wanted;
    observer.setWorkloads(workloads, namespaces);
  }

  const unsubscribe = store.subscribe((event, state) => {
    if (event.type === "config.loaded") followForwards(state);
    if (event.type === "config.loaded" || event.type === "task.succeeded") followWorkloads(state);
  });
  followForwards(store.getSnapshot());
  followWorkloads(store.getSnapshot());

  return {
    async [Symbol.asyncDispose]() {
      unsubscribe();
      await Promise.all([
        ...[...open.values()].map(({ forward }) => forward[Symbol.asyncDispose]()),
        ...closing,
      ]);
      await logs[Symbol.asyncDispose]();
      await observer[Symbol.asyncDispose]();
    },
  };
}
