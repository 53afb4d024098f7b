import { randomBytes } from "node:crypto";
import type { KubeObject } from "../../engine/kube-object.js";
import { hashJson } from "../../lib/canonical-json.js";
import { throttle } from "../../lib/throttle.js";
import type { InspectedContainer } from "../engine-containers.js";
import type { PodHost } from "./host.js";
import { label } from "./labels.js";
import type { PodObject, PodTemplate, RollingUpdate, WorkloadObject } from "./objects.js";
import { type RunningPod, startPod } from "./pod.js";

/** A workload whose pods are run here, as its controller in a cluster would have them. */
export interface RunningWorkload {
  readonly object: () => KubeObject;
  readonly uid: string;
  readonly generation: () => number;
  readonly pods: () => readonly RunningPod[];
  /** The object is another one from now on, or the same. Returns whether it is another. */
  set(object: KubeObject): boolean;
  /** Replaces its pods by new ones of the same template. */
  restart(): void;
  /** Stops its pods, and removes it. */
  remove(): Promise<void>;
  /** Lets go of its pods: they run on. */
  leave(): Promise<void>;
}

export interface WorkloadOptions {
  readonly deploy: string;
  /** The containers of each of its pods that are there, by the pod's uid. */
  readonly existing: ReadonlyMap<string, readonly InspectedContainer[]>;
  readonly signal: AbortSignal;
}

/** One turn for a burst of changes of pods, in ms. */
const coalesceMs = 20;
const hashLabel = "pod-template-hash";

export function startWorkload(
  host: PodHost,
  first: KubeObject,
  { deploy, existing, signal }: WorkloadOptions,
): RunningWorkload {
  const { store, project } = host;
  const { kind } = first;
  const { name, namespace = "" } = first.metadata;
  const id = `${kind}/${namespace}/${name}`;
  const uid = hashJson([project, id]).slice(0, 32);
  let object = first;
  let generation = 1;
  let revision = 1;
  const revisions = new Map<string, number>();
  let removing = false;
  let failures = 0;
  const pods = new Map<string, RunningPod>();
  const stopping = new Map<string, Promise<void>>();
  /** Pods that are to be replaced, although they are as they should be. */
  const worn = new Set<RunningPod>();

  // ---- pods -------------------------------------------------------------------------------------------------------

  function begin(pod: PodObject, containers: readonly InspectedContainer[]): void {
    const labels = {
      [label.project]: project,
      [label.namespace]: namespace,
      [label.deploy]: deploy,
      [label.owner]: id,
      [label.uid]: pod.metadata.uid ?? "",
      [label.workload]: JSON.stringify(object),
    };
    pods.set(pod.metadata.name, startPod(host, { pod, labels, existing: containers, signal }));
  }

  function create(podName: string): void {
    const template = templateOf(object);
    const hash = templateHash(object);
    const { metadata = {}, spec } = template;
    const asSet = kind === "StatefulSet" ? { hostname: podName, subdomain: specOf(object).serviceName } : {};
    const claims = (specOf(object).volumeClaimTemplates ?? []).map((claim) => ({
      name: claim.metadata.name,
      persistentVolumeClaim: { claimName: `${claim.metadata.name}-${podName}` },
    }));
    begin(
      {
        apiVersion: "v1",
        kind: "Pod",
        metadata: {
          name: podName,
          namespace,
          uid: randomBytes(16).toString("hex"),
          creationTimestamp: new Date().toISOString(),
          labels: {
            ...metadata.labels,
            ...(kind === "Pod" ? {} : { [hashLabel]: hash }),
            ...(kind === "StatefulSet"
              ? {
                  "statefulset.kubernetes.io/pod-name": podName,
                  "apps.kubernetes.io/pod-index": podName.split("-").at(-1) ?? "",
                }
              : {}),
          },
          annotations: { ...metadata.annotations, [hashLabel]: hash },
          ...(kind === "Pod" ? {} : { ownerReferences: [ownerOf(hash)] }),
        },
        spec: {
          ...spec,
          ...(kind === "Job" ? { restartPolicy: spec.restartPolicy ?? "Never" } : {}),
          ...asSet,
          volumes: [...(spec.volumes ?? []), ...claims],
        } as PodObject["spec"],
      },
      [],
    );
  }

  function ownerOf(hash: string): { kind: string; name: string; uid: string } {
    return kind === "Deployment"
      ? { kind: "ReplicaSet", name: `${name}-${hash}`, uid: `${uid}-${hash}` }
      : { kind, name, uid };
  }

  function stop(pod: RunningPod): void {
    const { name: podName } = pod.pod.metadata;
    if (stopping.has(podName)) return;
    const stopped = pod
      .stop()
      .catch(() => undefined)
      .finally(() => {
        stopping.delete(podName);
        pods.delete(podName);
        worn.delete(pod);
        turn();
      });
    stopping.set(podName, stopped);
  }

  const alive = (): readonly RunningPod[] =>
    [...pods.values()].filter((pod) => !stopping.has(pod.pod.metadata.name));
  const isCurrent = (pod: RunningPod): boolean => hashOf(pod) === templateHash(object) && !worn.has(pod);
  const statusOf = (pod: RunningPod): PodStatus =>
    store.get("Pod", namespace, pod.pod.metadata.name)?.["status"] ?? {};
  const isReady = (pod: RunningPod): boolean =>
    statusOf(pod).conditions?.some(({ type, status }) => type === "Ready" && status === "True") === true;

  // ---- what its controller would do -----------------------------------------------------------------------------------

  function reconcile(): void {
    if (kind === "StatefulSet") inOrder();
    else if (kind === "Job") toTheEnd();
    else if (kind === "DaemonSet") oneByOne([`${name}-docker`]);
    else if (kind === "Pod") oneByOne([name]);
    else rollOut();
  }

  /** A Deployment: as many new pods as may be added, as many old ones gone as may be missing. */
  function rollOut(): void {
    const desired = specOf(object).replicas ?? 1;
    const { type, rollingUpdate = {} } = specOf(object).strategy ?? {};
    const current = alive().filter(isCurrent);
    const old = alive().filter((pod) => !isCurrent(pod));
    for (const pod of current.slice(desired)) stop(pod);
    if (type === "Recreate") {
      for (const pod of old) stop(pod);
      const oldLeft = [...pods.values()].some((pod) => !isCurrent(pod));
      if (!oldLeft) add(desired - current.length);
      return;
    }
    const { surge, unavailable } = limits(rollingUpdate, desired);
    add(Math.min(desired - current.length, desired + surge - current.length - old.length));
    const ready = current.filter(isReady).length;
    // One that is not ready serves nobody.
    const unready = old.filter((pod) => !isReady(pod));
    let spare = ready + old.length - unready.length - (desired - unavailable);
    for (const pod of unready) stop(pod);
    for (const pod of old.filter(isReady)) {
      if (spare <= 0) break;
      spare -= 1;
      stop(pod);
    }
  }

  function add(count: number): void {
    for (let index = 0; index < count; index += 1)
      create(`${name}-${templateHash(object)}-${randomBytes(3).toString("hex").slice(0, 5)}`);
  }

  /** A StatefulSet: each pod once those before it are ready, the last first when they are replaced. */
  function inOrder(): void {
    const desired = specOf(object).replicas ?? 1;
    const parallel = specOf(object).podManagementPolicy === "Parallel";
    const names = Array.from({ length: desired }, (_, index) => `${name}-${index}`);
    for (const pod of alive()) if (!names.includes(pod.pod.metadata.name)) stop(pod);
    for (const podName of names) {
      const pod = pods.get(podName);
      if (!pod) create(podName);
      const started = pods.get(podName);
      if (!parallel && started && isCurrent(started) && !isReady(started)) return;
    }
    if (alive().length < desired) return;
    const outdated = [...names].reverse().flatMap((podName) => {
      const pod = pods.get(podName);
      return pod && !isCurrent(pod) ? [pod] : [];
    });
    const [next] = outdated;
    if (next && alive().filter(isCurrent).every(isReady)) stop(next);
  }

  /** One pod of a fixed name: the old one goes before the new one comes. */
  function oneByOne(names: readonly string[]): void {
    for (const podName of names) {
      const pod = pods.get(podName);
      if (!pod) create(podName);
      else if (!isCurrent(pod)) stop(pod);
    }
  }

  /** A Job: pods until enough have ended well, or too many have not. */
  function toTheEnd(): void {
    const { completions = 1, parallelism = 1, backoffLimit = 6, suspend = false } = specOf(object);
    for (const pod of alive()) if (!isCurrent(pod)) stop(pod);
    const own = alive().filter(isCurrent);
    const phases = own.map((pod) => statusOf(pod).phase);
    const succeeded = phases.filter((phase) => phase === "Succeeded").length;
    failures = phases.filter((phase) => phase === "Failed").length;
    const active = own.length - succeeded - failures;
    if (suspend || failures > backoffLimit) return;
    const missing = Math.min(parallelism, completions - succeeded) - active;
    if (pods.size === own.length) add(missing);
  }

  // ---- its status -------------------------------------------------------------------------------------------------------

  function tell(): void {
    const own = alive();
    const current = own.filter(isCurrent);
    const ready = current.filter(isReady).length;
    const hash = templateHash(object);
    if (!revisions.has(hash)) revisions.set(hash, (revision += 1));
    const number = String(revisions.get(hash));
    const counts = {
      observedGeneration: generation,
      replicas: own.length,
      readyReplicas: own.filter(isReady).length,
      availableReplicas: own.filter(isReady).length,
      updatedReplicas: current.length,
    };
    const annotations = { "deployment.kubernetes.io/revision": number };
    if (kind === "Pod") return;
    const shown = {
      ...object,
      metadata: {
        ...object.metadata,
        uid,
        generation,
        annotations: { ...object.metadata.annotations, ...annotations },
      },
    };
    if (kind === "Deployment") {
      store.set({
        apiVersion: "apps/v1",
        kind: "ReplicaSet",
        metadata: {
          name: `${name}-${hash}`,
          namespace,
          uid: `${uid}-${hash}`,
          generation: 1,
          annotations,
          ownerReferences: [{ kind, name, uid }],
        },
        status: { observedGeneration: 1, availableReplicas: ready },
      });
      const live = new Set([hash, ...own.map(hashOf)]);
      for (const old of [...revisions.keys()]) {
        if (live.has(old)) continue;
        revisions.delete(old);
        store.remove("ReplicaSet", namespace, `${name}-${old}`);
      }
    }
    store.set({
      ...shown,
      status: kind === "Job" ? jobStatus(current) : { ...counts, ...daemonCounts(current.length) },
    });
  }

  function daemonCounts(updated: number): object {
    return kind === "DaemonSet" ? { desiredNumberScheduled: 1, updatedNumberScheduled: updated } : {};
  }

  function jobStatus(current: readonly RunningPod[]): object {
    const { completions = 1, backoffLimit = 6 } = specOf(object);
    const succeeded = current.filter((pod) => statusOf(pod).phase === "Succeeded").length;
    const conditions =
      succeeded >= completions
        ? [{ type: "Complete", status: "True" }]
        : failures > backoffLimit
          ? [
              {
                type: "Failed",
                status: "True",
                reason: "BackoffLimitExceeded",
                message: "Job has reached the specified backoff limit",
              },
            ]
          : [];
    return { succeeded, failed: failures, active: current.length - succeeded - failures, conditions };
  }

  for (const containers of existing.values()) {
    const text = containers.find(({ labels }) => labels[label.role] === "hold")?.labels[label.pod];
    if (text !== undefined) begin(JSON.parse(text) as PodObject, containers);
  }
  const turn = throttle(() => {
    if (!removing && !signal.aborted) reconcile();
    tell();
  }, coalesceMs);
  const unsubscribe = store.subscribe((_type, changed) => {
    if (changed.kind === "Pod" && pods.has(changed.metadata.name)) turn();
  });
  turn();

  return {
    object: () => object,
    uid,
    generation: () => generation,
    pods: () => [...pods.values()],
    set(next) {
      const changed = hashJson(next) !== hashJson(object);
      object = next;
      if (changed) generation += 1;
      turn();
      return changed;
    },
    restart() {
      for (const pod of alive()) worn.add(pod);
      turn();
    },
    async remove() {
      removing = true;
      for (const pod of pods.values()) stop(pod);
      await Promise.all(stopping.values());
      unsubscribe();
      turn[Symbol.dispose]();
      for (const hash of revisions.keys()) store.remove("ReplicaSet", namespace, `${name}-${hash}`);
      store.remove(kind, namespace, name);
    },
    async leave() {
      removing = true;
      unsubscribe();
      turn[Symbol.dispose]();
      // What has begun to stop is stopped: nobody would know of it later.
      await Promise.all(stopping.values());
      await Promise.all([...pods.values()].map((pod) => pod.leave()));
    },
  };
}

interface PodStatus {
  readonly phase?: string;
  readonly conditions?: readonly { readonly type: string; readonly status: string }[];
}

function specOf(object: KubeObject): WorkloadObject["spec"] {
  return (object as WorkloadObject).spec;
}

function templateOf(object: KubeObject): PodTemplate {
  return object.kind === "Pod"
    ? { metadata: object.metadata, spec: (object as PodObject).spec }
    : specOf(object).template;
}

/** Another one makes other pods. */
function templateHash(object: KubeObject): string {
  const { metadata = {}, spec } = templateOf(object);
  const { labels, annotations } = metadata;
  return hashJson([labels, annotations, spec]).slice(0, 10);
}

function hashOf({ pod }: RunningPod): string {
  return pod.metadata.annotations?.[hashLabel] ?? "";
}

/** Of each, a number or a share of the replicas; both are a quarter unless something is said. */
function limits(
  { maxSurge = "25%", maxUnavailable = "25%" }: RollingUpdate,
  desired: number,
): { readonly surge: number; readonly unavailable: number } {
  const of = (value: number | string, round: (number: number) => number): number =>
    typeof value === "number" ? value : round((desired * Number.parseFloat(value)) / 100);
  const surge = of(maxSurge, Math.ceil);
  const unavailable = of(maxUnavailable, Math.floor);
  return { surge, unavailable: surge === 0 ? Math.max(1, unavailable) : unavailable };
}
