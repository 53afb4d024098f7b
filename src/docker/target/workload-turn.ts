import type { KubeObject } from "../../engine/kube-object.js";
import type { RollingUpdate } from "./objects.js";
import { jobSpecOf, specOf } from "./templates.js";

/** A pod of a workload, as its controller looks at it. */
export interface PodTurn {
  readonly name: string;
  /** It is of the present template, and is not to be replaced. */
  readonly current: boolean;
  readonly ready: boolean;
  /** It is on its way out, and not gone yet. */
  readonly stopping: boolean;
  readonly phase: string;
  /** How often its containers were started anew; none where nobody says. */
  readonly restarts?: number;
}
/** What is to be done now; the same look again gives nothing once it is done. */
export interface Turn {
  readonly stop: readonly string[];
  /** Names of pods to make; undefined for one of a new name. Of an Indexed Job, what their names begin with: its own and the index. */
  readonly create: readonly (string | undefined)[];
}

const nothing: Turn = { stop: [], create: [] };

/**
 * What a workload's controller in a cluster would do at this look at its pods. Pure. `due`: a CronJob's run was asked for; `gaveUp`: a
 * Job has failed for good, by pods that may be gone.
 */
export function turnOf(object: KubeObject, pods: readonly PodTurn[], due = false, gaveUp = false): Turn {
  const { name } = object.metadata;
  switch (object.kind) {
    case "StatefulSet":
      return inOrder(object, pods);
    case "Job":
      return toTheEnd(object, pods, gaveUp);
    case "CronJob":
      return due ? toTheEnd(object, pods, gaveUp) : nothing;
    case "DaemonSet":
      return oneOf(`${name}-docker`, pods);
    case "Pod":
      return oneOf(name, pods);
    default:
      return rollOut(object, pods);
  }
}

const namesOf = (pods: readonly PodTurn[]): readonly string[] => pods.map(({ name }) => name);
const fresh = (count: number): readonly undefined[] =>
  Array.from({ length: Math.max(0, count) }, () => undefined);

/** A Deployment: as many new pods as may be added, as many old ones gone as may be missing. */
function rollOut(object: KubeObject, pods: readonly PodTurn[]): Turn {
  const desired = specOf(object).replicas ?? 1;
  const { type, rollingUpdate = {} } = specOf(object).strategy ?? {};
  const alive = pods.filter(({ stopping }) => !stopping);
  const current = alive.filter((pod) => pod.current);
  const old = alive.filter((pod) => !pod.current);
  // Those that have come furthest stay, and of these the oldest.
  const surplus = namesOf([...current].sort((a, b) => distance(a) - distance(b)).slice(desired));
  if (type === "Recreate") {
    const oldLeft = pods.some((pod) => !pod.current);
    return {
      stop: [...surplus, ...namesOf(old)],
      create: oldLeft ? [] : fresh(desired - current.length),
    };
  }
  const { surge, unavailable } = limits(rollingUpdate, desired);
  const room = desired + surge - current.length - old.length;
  const ready = current.filter((pod) => pod.ready).length;
  // One that is not ready serves nobody.
  const unready = old.filter((pod) => !pod.ready);
  const serving = old.filter((pod) => pod.ready);
  const spare = Math.max(0, ready + serving.length - (desired - unavailable));
  return {
    stop: [...surplus, ...namesOf(unready), ...namesOf(serving.slice(0, spare))],
    create: fresh(Math.min(desired - current.length, room)),
  };
}

/** How far a pod is from serving. */
function distance({ ready, phase }: PodTurn): number {
  return ready ? 0 : phase === "Running" ? 1 : 2;
}

/** A StatefulSet: each pod once those before it are ready, the last first when they are replaced or go. */
function inOrder(object: KubeObject, pods: readonly PodTurn[]): Turn {
  const { replicas: desired = 1, podManagementPolicy, ordinals, updateStrategy } = specOf(object);
  const first = ordinals?.start ?? 0;
  const names = Array.from({ length: desired }, (_, index) => `${object.metadata.name}-${first + index}`);
  // Those before it stay as they are.
  const partition = updateStrategy?.rollingUpdate?.partition ?? 0;
  const surplus = pods
    .filter(({ name, stopping }) => !stopping && !names.includes(name))
    .sort((a, b) => ordinal(b.name) - ordinal(a.name));
  if (podManagementPolicy === "Parallel") {
    const missing = names.filter((name) => !pods.some((pod) => pod.name === name));
    const old = outdated(names, pods, { surplus: surplus.length, partition });
    return { stop: [...namesOf(surplus), ...old], create: missing };
  }
  for (const name of names) {
    const pod = pods.find((each) => each.name === name);
    if (!pod) return { stop: namesOf(surplus.slice(0, 1)), create: [name] };
    if (pod.stopping || (pod.current && !pod.ready))
      return { stop: namesOf(surplus.slice(0, 1)), create: [] };
  }
  // One goes after the other.
  const leaving = pods.some(({ name, stopping }) => stopping && !names.includes(name));
  const old = outdated(names, pods, { surplus: surplus.length, partition });
  return { stop: [...(leaving ? [] : namesOf(surplus.slice(0, 1))), ...old], create: [] };
}

/** The last of those that are to be replaced, once all others are as they should be. */
function outdated(
  names: readonly string[],
  pods: readonly PodTurn[],
  { surplus, partition }: { readonly surplus: number; readonly partition: number },
): readonly string[] {
  const own = pods.filter(({ name }) => names.includes(name));
  if (surplus > 0 || own.length < names.length || own.some(({ stopping }) => stopping)) return [];
  if (!own.filter((pod) => pod.current).every((pod) => pod.ready)) return [];
  const next = own
    .filter((pod) => !pod.current && ordinal(pod.name) >= partition)
    .sort((a, b) => ordinal(b.name) - ordinal(a.name))[0];
  return next ? [next.name] : [];
}

function ordinal(name: string): number {
  return Number(name.split("-").at(-1));
}

/** One pod of a fixed name: the old one goes before the new one comes. */
function oneOf(name: string, pods: readonly PodTurn[]): Turn {
  const pod = pods.find((each) => each.name === name);
  if (!pod) return { stop: [], create: [name] };
  return pod.current || pod.stopping ? nothing : { stop: [name], create: [] };
}

/** A Job: pods until enough have ended well, or too many have not. */
function toTheEnd(object: KubeObject, pods: readonly PodTurn[], gaveUp: boolean): Turn {
  const { completions, completionMode, parallelism = 1, suspend = false } = jobSpecOf(object);
  const alive = pods.filter(({ stopping }) => !stopping);
  const stop = namesOf(alive.filter((pod) => !pod.current));
  const own = alive.filter((pod) => pod.current);
  const { succeeded, failed, over } = jobProgress(object, own);
  // None runs on for a Job that has ended or waits.
  if (suspend || over || gaveUp) return { stop: [...stop, ...namesOf(own.filter(isActive))], create: [] };
  const active = own.length - succeeded - failed;
  const waits = own.length < pods.length;
  // Without a count the first that ends well decides, and no other comes after it.
  const left = completions === undefined ? (succeeded > 0 ? 0 : parallelism) : completions - succeeded;
  const wanted = waits ? 0 : Math.min(parallelism, left) - active;
  if (completionMode !== "Indexed") return { stop, create: fresh(wanted) };
  // The lowest indexes that none has done or works on.
  const taken = new Set(
    own.filter(({ phase }) => phase !== "Failed").map(({ name }) => completionIndex(name)),
  );
  const free = fresh(completions ?? 0).flatMap((_, index) => (taken.has(index) ? [] : [index]));
  const { name } = object.metadata;
  return { stop, create: free.slice(0, Math.max(0, wanted)).map((index) => `${name}-${index}`) };
}

/** Of an Indexed Job's pod: `name-3-x7y2z`. */
function completionIndex(pod: string): number {
  return Number(pod.split("-").at(-2));
}

function isActive({ phase }: Pick<PodTurn, "phase">): boolean {
  return phase !== "Succeeded" && phase !== "Failed";
}

export interface JobProgress {
  readonly succeeded: number;
  readonly failed: number;
  /** It has failed for good. */
  readonly gaveUp: boolean;
  /** It has ended, well or not. */
  readonly over: boolean;
}

/** How far a Job is, by its present pods. */
export function jobProgress(
  object: KubeObject,
  pods: readonly Pick<PodTurn, "phase" | "restarts">[],
): JobProgress {
  const { completions, backoffLimit = 6, template } = jobSpecOf(object);
  const succeeded = pods.filter(({ phase }) => phase === "Succeeded").length;
  const failed = pods.filter(({ phase }) => phase === "Failed").length;
  // Where a pod's containers are started anew in it, each start is an attempt.
  const restarts =
    template.spec.restartPolicy === "OnFailure"
      ? pods.filter(isActive).reduce((sum, pod) => sum + (pod.restarts ?? 0), 0)
      : 0;
  const gaveUp = failed > backoffLimit || (restarts > 0 && restarts >= backoffLimit);
  const done =
    completions === undefined
      ? succeeded > 0 && succeeded + failed === pods.length
      : succeeded >= completions;
  return { succeeded, failed, gaveUp, over: gaveUp || done };
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
