import { startForward } from "../../cluster/forward/forward.js";
import { targetPort } from "../../cluster/forward/target-port.js";
import { streamLogs } from "../../cluster/observe/logs.js";
import { observeWorkloads } from "../../cluster/observe/workloads.js";
import type { PodView } from "../../cluster/observe/pod-view.js";
import type { ForwardSpec } from "../../engine/project.js";
import type { LogLine, State } from "../../engine/state.js";
import type { AppliedWorkload } from "../../engine/task.js";
import type { Target } from "../../engine/target.js";
import type { Store } from "../../engine/store.js";
import { awaitsSync } from "../../engine/plan.js";
import type { ManifestStore } from "./manifests.js";
import { redactedHealth } from "./redacted.js";
import type { NewContainer } from "../../engine/container.js";

export interface ObservationOptions {
  readonly store: Store;
  readonly target: Target;
  readonly manifests: ManifestStore;
  /** Takes known secrets out of what the target tells: a root cause quotes what a container printed. */
  readonly redact: (text: string) => string;
  /** Lines of one container, in order; reading it pauses until the promise resolves. */
  readonly onLines: (lines: readonly LogLine[]) => Promise<void>;
  /** Binds the forwards' local ports as well. */
  readonly forwards: boolean;
  /** The target has stopped to answer those who watch. */
  readonly onLost: () => void;
  readonly signal: AbortSignal;
}

/**
 * Watches what the state says was applied: health into the store, log lines to their sinks, and the local ports of the
 * forwards, all following the state as it changes.
 */
export function observe({
  store,
  target,
  manifests,
  redact,
  onLines,
  forwards,
  onLost,
  signal,
}: ObservationOptions): AsyncDisposable {
  const logs = streamLogs(target, { onLines, signal });
  const observer = observeWorkloads(target, {
    signal,
    lastLines: (pod, container, previous) => logs.lastLines(pod, container, previous),
    onPods: (pods) => {
      logs.setPods(pods);
      tellContainers(pods);
    },
    onState: (state) => {
      if (state === "down") onLost();
    },
    onHealth: (id, health) => {
      store.dispatch({ type: "workload.changed", id, health: redactedHealth(health, redact) });
    },
  });
  let toldContainers = "[]";
  function tellContainers(pods: readonly PodView[]): void {
    const containers = pods.filter(({ terminating }) => !terminating).flatMap(runningContainers);
    const text = JSON.stringify(containers);
    if (text === toldContainers) return;
    toldContainers = text;
    store.dispatch({ type: "containers.changed", containers });
  }

  const open = new Map<string, { readonly spec: ForwardSpec; readonly forward: AsyncDisposable }>();
  const closing: Promise<void>[] = [];

  const namespaceOf = (spec: ForwardSpec): string =>
    spec.namespace ?? manifests.namespaceOf(spec.kind, spec.name) ?? target.cluster.namespace;

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
    return startForward(target, spec, {
      signal,
      podsChanged: (listener) => {
        const observed = observer.podsChanged(listener);
        // A pod that has come is served once what changed since its image is in it.
        const synced = store.subscribe((event) => {
          if (event.type === "task.succeeded" && event.output.kind === "sync") listener();
        });
        return () => {
          observed();
          synced();
        };
      },
      pods: () =>
        observer
          .readyPods({ kind: spec.kind, name: spec.name, namespace: namespaceOf(spec) })
          .filter(({ running }) => !running.some((container) => awaitsSync(store.getSnapshot(), container))),
      // Of several containers nobody tells which one listens.
      processRestarted: ({ running }, listener) =>
        store.subscribe((event) => {
          if (event.type !== "process.restarted" || running.length > 1) return;
          if (event.container === running[0]?.id) listener();
        }),
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

function runningContainers({ namespace, name: pod, uid, containers }: PodView): readonly NewContainer[] {
  return containers.flatMap(({ name, image, run }) =>
    run && !run.ended ? [{ id: run.id, namespace, pod, podUid: uid, container: name, image }] : [],
  );
}
