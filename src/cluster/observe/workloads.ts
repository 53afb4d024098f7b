import type { ForwardSpec } from "../../engine/project.js";
import type { WorkloadHealth } from "../../engine/state.js";
import type { AppliedWorkload, WorkloadId } from "../../engine/task.js";
import type { KubeObject } from "../../engine/kube-object.js";
import type { Collection, PodAccess } from "../../engine/target.js";
import { throttle } from "../../lib/throttle.js";
import { assess } from "./assess.js";
import {
  type Controller,
  eventTime,
  isPodReady,
  isTerminating,
  type KubeEvent,
  type Pod,
  type ServiceObject,
} from "./objects.js";
import { currentPods, objectId, ownerChain } from "./owners.js";
import { podTarget, type PodTarget, podView, type PodView } from "./pod-view.js";

export interface ObserveOptions {
  /** Told when a workload's health is another than before. */
  readonly onHealth: (id: WorkloadId, health: WorkloadHealth) => void;
  /** All pods of the watched workloads, whenever one of them changes. */
  readonly onPods: (pods: readonly PodView[]) => void;
  /** Told when the API server stops or starts to answer. */
  readonly onState?: (state: "up" | "down", error?: unknown) => void;
  /** The last lines a container printed, for root causes. */
  readonly lastLines: (pod: PodView, container: string, previous: boolean) => readonly string[];
  readonly signal: AbortSignal;
  readonly now?: () => number;
}

export interface WorkloadObserver extends AsyncDisposable {
  /**
   * The workloads to watch from now on, and further namespaces whose pods and Services forwards need. May change at any
   * time.
   */
  setWorkloads(workloads: readonly AppliedWorkload[], namespaces?: readonly string[]): void;
  /** The pods that take connections now: newest revision first, then the youngest. Terminating ones are never in it. */
  readyPods(target: ForwardTarget): readonly PodTarget[];
  /** Undefined while the Service is not (yet) known. */
  service(namespace: string, name: string): ServiceObject | undefined;
  /** Calls back after any change of a pod or a Service. Returns how to stop that. */
  podsChanged(listener: () => void): () => void;
}
export interface ForwardTarget {
  readonly kind: ForwardSpec["kind"];
  readonly namespace: string;
  readonly name: string;
}

/** A change of a pod is judged at most so long after it was seen, in ms: one turn for a burst of changes. */
const coalesceMs = 30;
/** An applied object may reach us this long after its apply has returned; then it is gone, in ms. */
const arrivalMs = 2000;
/**
 * A workload that is not well is looked at again so often, in ms: its last lines arrive late, a restarted container
 * settles, and one that only starts has its time for that.
 */
const recheckMs = 1000;

/** Watches workloads and what they own, and says how they are. Nothing is asked of the cluster before setWorkloads. */
export function observeWorkloads(
  access: Pick<PodAccess, "watch">,
  options: ObserveOptions,
): WorkloadObserver {
  const { onHealth, onPods, signal, now = Date.now } = options;
  const watched = new Map<
    string,
    { readonly workload: AppliedWorkload; readonly since: number; seen: boolean }
  >();
  const byUid = new Map<string, KubeObject>();
  const events = new Map<string, Map<string, KubeEvent>>();
  /** A pod's workload outlives the ReplicaSet that linked the two. */
  const homes = new Map<string, string>();
  const runningSince = new Map<string, number>();
  const told = new Map<string, string>();
  const dirty = new Set<string>();
  const listeners = new Set<() => void>();
  const timers = new Map<string, NodeJS.Timeout>();
  let podsDirty = false;
  let toldPods = "[]";

  const flush = throttle(() => {
    if (signal.aborted) return;
    const ids = [...dirty];
    dirty.clear();
    if (podsDirty) tellPods();
    for (const key of ids) judge(key);
  }, coalesceMs);

  const collections = access.watch({
    signal,
    onState: (state, error) => options.onState?.(state, error),
    onSync: ({ kind, namespace }) => {
      for (const [key, { workload }] of watched) {
        if (workload.namespace === namespace) dirty.add(key);
      }
      if (kind === "Pod" || kind === "Service") notify();
      flush();
    },
    onObject: (type, object, previous, initial) => {
      const uid = object.metadata.uid ?? "";
      if (object.kind === "Event") {
        changeEvent(type === "DELETED", object);
        return;
      }
      if (type === "DELETED") byUid.delete(uid);
      else byUid.set(uid, object);
      if (object.kind === "Pod") {
        noteRunning(object, initial);
        if (type === "DELETED") forgetPod(object);
        else noteHome(object);
        podsDirty = true;
      }
      // A ReplicaSet may arrive after its pods: they find their home through it.
      if (object.kind === "ReplicaSet" && !previous) podsDirty = true;
      if (object.kind === "Pod" || object.kind === "Service") notify();
      markDirty(object);
      flush();
    },
  });

  function changeEvent(gone: boolean, event: KubeEvent): void {
    const about = event.involvedObject?.uid ?? "";
    const uid = event.metadata.uid ?? "";
    const known = events.get(about) ?? new Map<string, KubeEvent>();
    if (gone) known.delete(uid);
    else known.set(uid, event);
    if (known.size > 0) events.set(about, known);
    else events.delete(about);
    const object = byUid.get(about);
    if (object && !gone) {
      markDirty(object);
      flush();
    }
  }

  function markDirty(object: KubeObject): void {
    for (const id of [objectId(object), ...ownerChain(object, (uid) => byUid.get(uid))]) {
      if (watched.has(id)) dirty.add(id);
    }
    const home = homes.get(object.metadata.uid ?? "");
    if (home !== undefined && watched.has(home)) dirty.add(home);
  }

  function noteHome(pod: KubeObject): void {
    const home = ownerChain(pod, (uid) => byUid.get(uid)).findLast((id) => watched.has(id));
    if (home !== undefined) homes.set(pod.metadata.uid ?? "", home);
  }

  function noteRunning(pod: Pod, initial: boolean): void {
    for (const { containerID, state } of pod.status?.containerStatuses ?? []) {
      if (!containerID || !state?.running || runningSince.has(containerID)) continue;
      // What ran before we looked has run since its start; what starts now, since now, whatever the node's clock says.
      const startedAt = Date.parse(state.running.startedAt ?? "") || now();
      runningSince.set(containerID, initial ? Math.min(now(), startedAt) : now());
    }
  }

  function forgetPod(pod: Pod): void {
    const home = homes.get(pod.metadata.uid ?? "");
    if (home !== undefined && watched.has(home)) dirty.add(home);
    homes.delete(pod.metadata.uid ?? "");
    for (const { containerID } of pod.status?.containerStatuses ?? []) {
      if (containerID) runningSince.delete(containerID);
    }
  }

  function notify(): void {
    for (const listener of [...listeners]) listener();
  }

  function podsIn(namespace: string): readonly Pod[] {
    return [...(collections.get("Pod", namespace)?.objects.values() ?? [])] as Pod[];
  }

  function podsOf(key: string, namespace: string): readonly Pod[] {
    return podsIn(namespace).filter((pod) => {
      if (!homes.has(pod.metadata.uid ?? "")) noteHome(pod);
      return homes.get(pod.metadata.uid ?? "") === key;
    });
  }

  function findObject({ kind, namespace, name }: AppliedWorkload): {
    collection: Collection | undefined;
    object: Controller | undefined;
  } {
    const collection = collections.get(kind, namespace);
    const object = [...(collection?.objects.values() ?? [])].find((entry) => entry.metadata.name === name);
    return { collection, object: object };
  }

  function replicaSetsOf(object: KubeObject | undefined, namespace: string): readonly Controller[] {
    const all = [...(collections.get("ReplicaSet", namespace)?.objects.values() ?? [])] as Controller[];
    return all.filter((set) =>
      set.metadata.ownerReferences?.some((owner) => owner.uid === object?.metadata.uid),
    );
  }

  function judge(key: string): void {
    const entry = watched.get(key);
    if (!entry) return;
    const { workload } = entry;
    const { namespace } = workload;
    const { collection, object } = findObject(workload);
    const ready = [collection, collections.get("Pod", namespace), collections.get("ReplicaSet", namespace)];
    if (!ready.every((needed) => needed?.synced)) return;
    if (object) entry.seen = true;
    else if (!entry.seen && now() - entry.since < arrivalMs) {
      later(key, arrivalMs);
      return;
    }
    const health = assess({
      object,
      pods: podsOf(key, namespace),
      replicaSets: replicaSetsOf(object, namespace),
      eventsOf: (uid) => [...(events.get(uid)?.values() ?? [])].sort((a, b) => eventTime(a) - eventTime(b)),
      lastLines: (pod, container, previous) =>
        options.lastLines(podView(workload.id, pod), container, previous),
      runningForMs: (id) => now() - (runningSince.get(id) ?? now()),
    });
    if (health.status === "failed" || health.status === "progressing") later(key, recheckMs);
    const text = JSON.stringify(health);
    if (told.get(key) === text) return;
    told.set(key, text);
    onHealth(workload.id, health);
  }

  function later(key: string, ms: number): void {
    if (timers.has(key)) return;
    const timer = setTimeout(() => {
      timers.delete(key);
      dirty.add(key);
      flush();
    }, ms);
    timers.set(key, timer.unref());
  }

  function tellPods(): void {
    podsDirty = false;
    const views = [...watched].flatMap(([key, { workload }]) =>
      podsOf(key, workload.namespace).map((pod) => podView(workload.id, pod)),
    );
    const text = JSON.stringify(views);
    if (text === toldPods) return;
    toldPods = text;
    onPods(views);
  }

  function candidates({ kind, namespace, name }: ForwardTarget): readonly Pod[] {
    const pods = podsIn(namespace);
    if (kind === "pod") return pods.filter((pod) => pod.metadata.name === name);
    if (kind === "service") {
      const selector = Object.entries(findService(namespace, name)?.spec?.selector ?? {});
      if (selector.length === 0) return [];
      return pods.filter((pod) => selector.every(([label, value]) => pod.metadata.labels?.[label] === value));
    }
    const id = `${kind === "deployment" ? "Deployment" : "StatefulSet"}/${namespace}/${name}`;
    return pods.filter((pod) => ownerChain(pod, (uid) => byUid.get(uid)).includes(id));
  }

  function findService(namespace: string, name: string): ServiceObject | undefined {
    const all = collections.get("Service", namespace)?.objects.values() ?? [];
    return ([...all] as ServiceObject[]).find((service) => service.metadata.name === name);
  }

  /** The revision of the pod's workload is the newest; pods of no known workload have only the one. */
  function isCurrent(pod: Pod): boolean {
    const home = homes.get(pod.metadata.uid ?? "");
    const entry = home === undefined ? undefined : watched.get(home);
    if (!entry) return true;
    const { object } = findObject(entry.workload);
    return object
      ? currentPods(object, [pod], replicaSetsOf(object, entry.workload.namespace)).length > 0
      : true;
  }

  return {
    setWorkloads(workloads, namespaces = []) {
      const keys = new Set(workloads.map(keyOf));
      for (const key of [...watched.keys()]) {
        if (keys.has(key)) continue;
        watched.delete(key);
        told.delete(key);
      }
      for (const workload of workloads) {
        const known = watched.get(keyOf(workload));
        // Made anew by an apply: the object that was there is another one.
        const same = known?.workload.uid === workload.uid;
        watched.set(keyOf(workload), {
          workload,
          since: same ? known.since : now(),
          seen: same ? known.seen : false,
        });
        dirty.add(keyOf(workload));
      }
      const wanted = new Set([...workloads.map((workload) => workload.namespace), ...namespaces]);
      const base = [...wanted].flatMap((namespace) =>
        ["Pod", "Service", "Event", "ReplicaSet"].map((kind) => ({ kind, namespace })),
      );
      collections.set([...base, ...workloads.map(({ kind, namespace }) => ({ kind, namespace }))]);
      podsDirty = true;
      flush();
    },
    readyPods: (target) =>
      candidates(target)
        .filter((pod) => isPodReady(pod) && !isTerminating(pod))
        .map((pod) => ({ pod, current: isCurrent(pod) }))
        .sort((a, b) => Number(b.current) - Number(a.current) || createdAt(b.pod) - createdAt(a.pod))
        .map(({ pod }) => podTarget(pod)),
    service: findService,
    podsChanged(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async [Symbol.asyncDispose]() {
      flush[Symbol.dispose]();
      for (const timer of timers.values()) clearTimeout(timer);
      await collections[Symbol.asyncDispose]();
    },
  };
}

function keyOf({ kind, namespace, name }: AppliedWorkload): string {
  return `${kind}/${namespace}/${name}`;
}

function createdAt(pod: Pod): number {
  return Date.parse(pod.metadata.creationTimestamp ?? "") || 0;
}
