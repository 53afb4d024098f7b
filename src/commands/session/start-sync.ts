import type { ProcessState } from "../../cluster/sync/agent-types.js";
import { openSyncer, type Syncer } from "../../cluster/sync/sync.js";
import type { EventType } from "../../engine/event.js";
import type { State } from "../../engine/state.js";
import type { Target } from "../../engine/target.js";
import type { Store } from "../../engine/store.js";
import { syncedContainers } from "../../engine/task-lookup.js";

/** How long a process must run to count as well again, in ms. */
const steadyMs = 2_000;

/** What may change which containers are followed, and what for. */
const followedEvents: ReadonlySet<EventType> = new Set([
  "config.loaded",
  "containers.changed",
  "task.succeeded",
]);

/** Opens the connections that syncs go over, follows the containers that run, and tells how their processes are. */
export function startSync(store: Store, target: Target): { readonly syncer: Syncer } & AsyncDisposable {
  const steady = new Map<string, NodeJS.Timeout>();
  /** By container: how often its process had been started when it ran last. */
  const runsOf = new Map<string, number>();

  function onProcess(id: string, { state, exitCode, runs }: ProcessState): void {
    clearTimeout(steady.get(id));
    steady.delete(id);
    const snapshot = store.getSnapshot();
    const container = snapshot.containers.find((each) => each.id === id);
    if (!container) return;
    if (state === "waiting") {
      const process = {
        image: imageOf(snapshot, container.image),
        pod: container.pod,
        container: container.container,
        exitCode: exitCode ?? 0,
      };
      store.dispatch({ type: "process.crashed", container: id, process });
    }
    if (state !== "running") return;
    const known = runsOf.get(id);
    runsOf.set(id, runs);
    if (known !== undefined && known !== runs) store.dispatch({ type: "process.restarted", container: id });
    if (id in snapshot.crashed) {
      const timer = setTimeout(() => {
        steady.delete(id);
        store.dispatch({ type: "process.running", container: id });
      }, steadyMs);
      steady.set(id, timer.unref());
    }
  }

  const syncer = openSyncer(target, {
    platform: target.cluster.platform,
    onReconnect: (container) => {
      store.dispatch({ type: "container.reconnected", container });
    },
    onProcess,
    onNote: (message) => {
      store.dispatch({ type: "sync.note", message });
    },
  });
  const unsubscribe = store.subscribe((event, state) => {
    if (followedEvents.has(event.type)) follow(state);
  });

  let followed = "";
  function follow(state: State): void {
    const there = new Set(state.containers.map(({ id }) => id));
    for (const id of runsOf.keys()) if (!there.has(id)) runsOf.delete(id);
    const containers = Object.values(state.images).flatMap(({ spec: { name, sync, pull } }) => {
      if (!sync && pull.length === 0) return [];
      // Replicas would write over each other's files: one of them is enough.
      return syncedContainers(state, name).map((container, at) => ({
        container,
        pull: at === 0 ? pull : [],
      }));
    });
    const key = JSON.stringify(containers.map(({ container, pull }) => [container.id, pull]));
    if (key === followed) return;
    followed = key;
    syncer.setContainers(containers);
  }

  return {
    syncer,
    async [Symbol.asyncDispose]() {
      unsubscribe();
      for (const timer of steady.values()) clearTimeout(timer);
      await syncer[Symbol.asyncDispose]();
    },
  };
}

function imageOf(state: State, ref: string): string {
  const found = Object.keys(state.images).find((name) =>
    syncedContainers(state, name).some(({ image }) => image === ref),
  );
  return found ?? ref;
}
