import { setTimeout as sleep } from "node:timers/promises";
import type { KubeObject } from "../../engine/kube-object.js";
import { hashJson } from "../../lib/canonical-json.js";
import { errorText } from "../../lib/errors.js";
import { throttle } from "../../lib/throttle.js";
import type { FoundPod } from "./found-pod.js";
import type { PodHost } from "./host.js";
import { label } from "./labels.js";
import { type FindConfig, PodConfigError, type PodObject } from "./objects.js";
import { type RunningPod, startPod } from "./pod.js";
import { podTurn } from "./pod-status.js";
import { workloadRecord } from "./record.js";
import { hashOf, podOf, templateHash } from "./templates.js";
import { jobProgress, type PodTurn, turnOf } from "./workload-turn.js";
import { replicaSetName, shownWorkload } from "./workload-status.js";

/** A workload whose pods are run here, as its controller in a cluster would have them. */
export interface RunningWorkload {
  readonly object: () => KubeObject;
  readonly uid: string;
  readonly generation: () => number;
  readonly pods: () => readonly RunningPod[];
  /** The object is another one from now on, or the same. Returns whether it is another. */
  set(object: KubeObject): boolean;
  /** Replaces its pods by new ones of the same template; of a CronJob, runs it. */
  restart(): void;
  /** Stops its pods, and removes it. */
  remove(): Promise<void>;
  /** Lets go of its pods: they run on. */
  leave(): Promise<void>;
}

export interface WorkloadOptions {
  readonly deploy: string;
  /** Those of its pods that are there. */
  readonly existing: readonly FoundPod[];
  /** A record of it without pods is there. */
  readonly recorded: boolean;
  /** It was found as another session left it: its pods run, and no other ones are made until it is set. */
  readonly found: boolean;
  /** No pods are made before: one of the same name is on its way out. Never rejects. */
  readonly after?: Promise<unknown> | undefined;
  /** The session ends: what the engine does not do now is not tried again. */
  readonly closing: AbortSignal;
  readonly signal: AbortSignal;
}

/** One turn for a burst of changes of pods, in ms. */
const coalesceMs = 20;
/** How long after the engine has failed to stop a pod it is asked again, in ms. */
const retryMs = 1_000;

export function startWorkload(
  host: PodHost,
  first: KubeObject,
  { deploy, existing, recorded, found, after, closing, signal }: WorkloadOptions,
): RunningWorkload {
  const { store, project } = host;
  const { kind } = first;
  const { name, namespace = "" } = first.metadata;
  const id = `${kind}/${namespace}/${name}`;
  const uid = workloadUid(project, id);
  let object = first;
  let generation = 1;
  let revision = 1;
  const revisions = new Map<string, number>();
  let resting = found;
  let waiting = after !== undefined;
  let removing = false;
  /** A CronJob's run was asked for, and has not ended. */
  let due = false;
  /** A Job has failed for good: the pods that say so may be gone. */
  let gaveUp = false;
  const pods = new Map<string, RunningPod>();
  const stopping = new Map<string, Promise<void>>();
  /** Pods that are to be replaced, although they are as they should be. */
  const worn = new Set<RunningPod>();
  const labels = (): Readonly<Record<string, string>> => ({
    [label.project]: project,
    [label.namespace]: namespace,
    [label.deploy]: deploy,
    [label.owner]: id,
    [label.workload]: JSON.stringify(object),
  });
  const record = workloadRecord(host, {
    name: `${namespace}.${kind.toLowerCase()}.${name}`,
    labels,
    there: recorded,
    signal,
  });

  function begin(pod: PodObject, there?: FoundPod): void {
    const of = { ...labels(), [label.uid]: pod.metadata.uid ?? "" };
    const find: FindConfig = (...args) => {
      // What its deploy brings is not known yet: what need not be there would count as absent.
      if (resting) throw new PodConfigError(`deploy ${deploy} is not applied yet`);
      // An old one needs what it was made with until the new one has taken its place.
      return hashOf(pod) === templateHash(object) ? host.find(...args) : host.findFormer(...args);
    };
    pods.set(pod.metadata.name, startPod({ ...host, find }, { pod, labels: of, there, signal }));
  }

  function stop(pod: RunningPod): void {
    const { name: podName } = pod.pod.metadata;
    if (stopping.has(podName)) return;
    const stopped = stopWhole(pod).finally(() => {
      stopping.delete(podName);
      pods.delete(podName);
      worn.delete(pod);
      turn();
    });
    stopping.set(podName, stopped);
  }

  /** Until it is done: nobody else would remove what is left of it. */
  async function stopWhole(pod: RunningPod): Promise<void> {
    while (!signal.aborted) {
      try {
        await pod.stop();
        return;
      } catch (error) {
        if (closing.aborted) return;
        store.event(pod.pod, "", "FailedKillPod", errorText(error));
        await sleep(retryMs, undefined, { signal: closing }).catch(() => undefined);
      }
    }
  }

  function look(pod: RunningPod): PodTurn {
    const { name: podName } = pod.pod.metadata;
    return podTurn(store.get("Pod", namespace, podName) ?? pod.pod, {
      current: hashOf(pod.pod) === templateHash(object) && !worn.has(pod),
      stopping: stopping.has(podName),
    });
  }

  function reconcile(): void {
    const seen = [...pods.values()].map(look);
    const current = seen.filter((pod) => pod.current && !pod.stopping);
    const progress = kind === "Job" || due ? jobProgress(object, current) : undefined;
    gaveUp ||= progress?.gaveUp === true;
    const { stop: going, create } = turnOf(object, seen, due, gaveUp);
    due &&= !(gaveUp || (current.length > 0 && progress?.over === true));
    for (const podName of going) {
      const pod = pods.get(podName);
      if (pod) stop(pod);
    }
    for (const given of create) begin(podOf(object, uid, given));
  }

  function tell(): void {
    const hash = templateHash(object);
    if (!revisions.has(hash)) revisions.set(hash, (revision += 1));
    const alive = [...pods.values()].map(look).filter((pod) => !pod.stopping);
    const facts = { uid, generation, revision: revisions.get(hash) ?? 1, pods: alive, gaveUp };
    for (const shown of shownWorkload(object, facts)) store.set(shown);
    const live = new Set([hash, ...[...pods.values()].map(({ pod }) => hashOf(pod))]);
    for (const old of [...revisions.keys()]) {
      if (live.has(old)) continue;
      revisions.delete(old);
      store.remove("ReplicaSet", namespace, replicaSetName(object, old));
    }
  }

  for (const there of existing) begin(there.pod, there);
  const turn = throttle(() => {
    if (removing) return;
    if (!waiting && !resting && !signal.aborted) {
      reconcile();
      record.keep(pods.size === 0);
    }
    tell();
  }, coalesceMs);
  const unsubscribe = store.subscribe((_type, changed) => {
    if (changed.kind === "Pod" && pods.has(changed.metadata.name)) turn();
  });
  turn();
  void after?.then(() => {
    waiting = false;
    turn();
  });

  async function end(): Promise<void> {
    removing = true;
    unsubscribe();
    turn[Symbol.dispose]();
    // What has begun to stop is stopped: nobody would know of it later.
    await Promise.all([...stopping.values(), record.settled()]);
  }

  return {
    object: () => object,
    uid,
    generation: () => generation,
    pods: () => [...pods.values()],
    set(next) {
      const changed = hashJson(next) !== hashJson(object);
      object = next;
      resting = false;
      if (changed) {
        generation += 1;
        gaveUp = false;
      }
      turn();
      return changed;
    },
    restart() {
      due = kind === "CronJob";
      gaveUp = false;
      for (const pod of pods.values()) worn.add(pod);
      turn();
    },
    async remove() {
      removing = true;
      // It may be applied again while its pods go: what is told then is not its own.
      for (const hash of revisions.keys())
        store.remove("ReplicaSet", namespace, replicaSetName(object, hash));
      if (kind !== "Pod") store.remove(kind, namespace, name);
      for (const pod of pods.values()) stop(pod);
      record.keep(false);
      await end();
    },
    async leave() {
      await end();
      await Promise.all([...pods.values()].map((pod) => pod.leave()));
    },
  };
}

/** What a workload of a project, `Deployment/dev/web`, is known by. */
export function workloadUid(project: string, id: string): string {
  return hashJson([project, id]).slice(0, 32);
}
