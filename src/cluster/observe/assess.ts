import type { PodSummary, RootCause, WorkloadHealth } from "../../engine/state.js";
import {
  condition,
  type Controller,
  isPodReady,
  isTerminating,
  type KubeEvent,
  type Pod,
} from "./objects.js";
import { currentPods, isUpToDate, newestReplicaSet } from "./owners.js";
import { podActivity } from "./pod-activity.js";
import { podCause } from "./root-cause.js";

/** All that is known of one workload at one moment. */
export interface AssessInput {
  /** The object itself; undefined once it is gone. */
  readonly object: Controller | undefined;
  /** Every pod that belongs to it, of any revision. */
  readonly pods: readonly Pod[];
  /** The ReplicaSets it owns. */
  readonly replicaSets: readonly Controller[];
  /** Events about an object, oldest first. */
  readonly eventsOf: (uid: string) => readonly KubeEvent[];
  readonly lastLines: (pod: Pod, container: string, previous: boolean) => readonly string[];
  /** How long ago a container was first seen running, in ms. */
  readonly runningForMs: (containerId: string) => number;
}

/** What the cluster says of a workload, of its newest revision only. Pure. */
export function assess(input: AssessInput): WorkloadHealth {
  const { object, pods } = input;
  if (!object) return { ...nothing, status: "gone", message: "not in the cluster any more" };
  const current = currentPods(object, pods, input.replicaSets);
  const alive = current.filter((pod) => !isTerminating(pod));
  const verdict = judge(object, current, input);
  const cause = verdict.status === "ready" ? undefined : definiteCause(object, alive, verdict, input);
  const failed = verdict.status === "failed" || cause !== undefined;
  const message = cause?.message ?? verdict.message;
  return {
    status: failed ? "failed" : verdict.status,
    generation: observedGeneration(object),
    ready: verdict.ready,
    desired: verdict.desired,
    restarts: alive.reduce((sum, pod) => sum + restartsOf(pod), 0),
    message,
    ...(failed ? { cause: cause ?? { reason: "Other", message } } : {}),
    pods: pods.map((pod) => podSummary(pod, current)),
    createdAt: Date.parse(object.metadata.creationTimestamp ?? "") || 0,
  };
}

const nothing = { generation: 0, ready: 0, desired: 0, restarts: 0, pods: [], createdAt: 0 } as const;

interface Verdict {
  readonly status: "progressing" | "ready" | "failed";
  readonly ready: number;
  readonly desired: number;
  readonly message: string;
}

function judge(object: Controller, current: readonly Pod[], input: AssessInput): Verdict {
  switch (object.kind) {
    case "Deployment":
      return deployment(object, current, input);
    case "StatefulSet":
      return statefulSet(object, current, input);
    case "DaemonSet":
      return daemonSet(object, current, input);
    case "ReplicaSet":
      return counted(object, object.spec?.replicas ?? 1, readyPods(current), current, input);
    case "Job":
      return job(object, current, input);
    case "Pod":
      return pod(object as Pod, input);
    case "PersistentVolumeClaim":
      return claim(object, input);
    default:
      return custom(object, current, input);
  }
}

function deployment(object: Controller, current: readonly Pod[], input: AssessInput): Verdict {
  const { spec, status } = object;
  const desired = spec?.replicas ?? 1;
  const newest = newestReplicaSet(input.replicaSets);
  // The Deployment's own count has the old revision's pods in it.
  const available = newest && isUpToDate(object, newest) ? (newest.status?.availableReplicas ?? 0) : 0;
  const verdict = counted(object, desired, available, current, input);
  if (verdict.status === "ready" && (status?.updatedReplicas ?? 0) < desired) {
    return { ...verdict, status: "progressing", message: waitingMessage(desired, available, current, input) };
  }
  if (spec?.paused === true && verdict.status !== "ready") {
    return { ...verdict, message: `its rollout is paused; ${verdict.message}` };
  }
  return verdict;
}

function statefulSet(object: Controller, current: readonly Pod[], input: AssessInput): Verdict {
  return counted(object, object.spec?.replicas ?? 1, readyPods(current), current, input);
}

function daemonSet(object: Controller, current: readonly Pod[], input: AssessInput): Verdict {
  const desired = object.status?.desiredNumberScheduled ?? 0;
  const verdict = counted(object, desired, readyPods(current), current, input);
  return desired === 0 && verdict.status === "ready"
    ? { ...verdict, message: "no node is to run it" }
    : verdict;
}

/** The rule of everything with replicas: the controller has seen the spec, and enough current pods are ready. */
function counted(
  object: Controller,
  desired: number,
  ready: number,
  current: readonly Pod[],
  input: AssessInput,
): Verdict {
  if (!isObserved(object)) {
    return { status: "progressing", ready: 0, desired, message: "waiting for its controller" };
  }
  if (ready < desired) {
    const message = waitingMessage(desired, ready, current, input);
    return { status: "progressing", ready, desired, message };
  }
  const message = desired === 0 ? "scaled to 0" : `${Math.min(ready, desired)} of ${desired} pods ready`;
  return { status: "ready", ready, desired, message };
}

function job(object: Controller, current: readonly Pod[], input: AssessInput): Verdict {
  const desired = object.spec?.completions ?? 1;
  const ready = object.status?.succeeded ?? 0;
  const failedAttempts = object.status?.failed ?? 0;
  const failed = condition(object, "Failed");
  if (failed?.status === "True") {
    const attempts = failedAttempts > 1 ? ` after ${failedAttempts} attempts` : "";
    return {
      status: "failed",
      ready,
      desired,
      message: `the job failed${attempts}: ${failed.message ?? ""}`,
    };
  }
  if (condition(object, "Complete")?.status === "True")
    return { status: "ready", ready, desired, message: "completed" };
  if (object.spec?.suspend === true)
    return { status: "progressing", ready, desired, message: "the job is suspended" };
  const running = current.find((entry) => !isTerminating(entry) && entry.status?.phase !== "Failed");
  const doing = running
    ? podActivity(running, input.eventsOf(running.metadata.uid ?? ""))
    : "waiting for its pod";
  const message = failedAttempts > 0 ? `attempt ${failedAttempts + 1}: ${doing}` : doing;
  return { status: "progressing", ready, desired, message };
}

function pod(object: Pod, { eventsOf }: AssessInput): Verdict {
  if (object.status?.phase === "Succeeded")
    return { status: "ready", ready: 1, desired: 1, message: "completed" };
  if (isPodReady(object) && !isTerminating(object))
    return { status: "ready", ready: 1, desired: 1, message: "1 of 1 pods ready" };
  const message = podActivity(object, eventsOf(object.metadata.uid ?? ""));
  const status = object.status?.phase === "Failed" ? "failed" : "progressing";
  return { status, ready: 0, desired: 1, message };
}

function claim(object: Controller, { eventsOf }: AssessInput): Verdict {
  const counts = { ready: 0, desired: 1 };
  const phase = object.status?.phase;
  if (phase === "Bound") return { status: "ready", ready: 1, desired: 1, message: "bound" };
  if (phase === "Lost") return { status: "failed", ...counts, message: "its volume is lost" };
  const event = eventsOf(object.metadata.uid ?? "").at(-1);
  if (event?.reason === "WaitForFirstConsumer")
    return { status: "ready", ...counts, message: "waits for its first pod" };
  if (event?.reason === "ProvisioningFailed")
    return { status: "failed", ...counts, message: `no volume can be made: ${event.message ?? ""}` };
  return { status: "progressing", ...counts, message: "waiting for a volume" };
}

/** Any other kind, by the conditions that well-behaved controllers write. */
function custom(object: Controller, current: readonly Pod[], input: AssessInput): Verdict {
  const { spec, status } = object;
  const desired = spec?.replicas ?? 0;
  const ready = desired > 0 ? Math.min(desired, readyPods(current)) : 0;
  const say = (verdict: Verdict["status"], message: string): Verdict => ({
    status: verdict,
    ready,
    desired,
    message,
  });
  if (!isObserved(object)) return say("progressing", "waiting for its controller");
  const bad = status?.conditions?.find(
    (entry) => (entry.type === "Stalled" || entry.type === "Failed") && entry.status === "True",
  );
  if (bad || status?.phase === "Degraded" || status?.phase === "Failed") {
    return say(
      "failed",
      bad?.message ?? status?.message ?? `it is ${(status?.phase ?? "failed").toLowerCase()}`,
    );
  }
  const good = ["Ready", "Available", "Succeeded", "Established", "Complete"]
    .map((type) => condition(object, type))
    .find((entry) => entry !== undefined);
  if (good && good.status !== "True") {
    return say("progressing", good.message || `waiting for its condition ${good.type}`);
  }
  if (desired > 0 && ready < desired)
    return say("progressing", waitingMessage(desired, ready, current, input));
  return say("ready", good ? good.type.toLowerCase() : "in the cluster");
}

/** The cause that makes it failed although its controller is still trying. */
function definiteCause(
  object: Controller,
  alive: readonly Pod[],
  verdict: Verdict,
  input: AssessInput,
): RootCause | undefined {
  const late = deadlineCause(object);
  // Once Kubernetes has given up on the rollout, what a probe answers is why.
  const deadline = late ? 0 : object.spec?.progressDeadlineSeconds;
  const causes = alive
    .map((entry) =>
      podCause({
        pod: entry,
        events: input.eventsOf(entry.metadata.uid ?? ""),
        lastLines: (container, previous) => input.lastLines(entry, container, previous),
        runningForMs: input.runningForMs,
        ...(deadline === undefined ? {} : { deadlineMs: deadline * 1000 }),
      }),
    )
    .filter((cause) => cause !== undefined);
  if (object.kind === "Job") {
    // An attempt that exits is the job's own business until it gives up; then it is why.
    const exits = causes.find((cause) => ["Exited", "CrashLoop", "OutOfMemory"].includes(cause.reason));
    if (verdict.status === "failed") {
      return exits
        ? { ...exits, message: `${verdict.message.split(":")[0] ?? ""}: ${exits.message}` }
        : { reason: verdict.message.includes("deadline") ? "Deadline" : "Exited", message: verdict.message };
    }
    return causes.find((cause) => !["Exited", "CrashLoop", "OutOfMemory"].includes(cause.reason));
  }
  return causes[0] ?? creationCause(object, alive, verdict, input) ?? late ?? claimCause(object, verdict);
}

/** Pods that cannot even be created: a quota, an admission rule, a missing service account. */
function creationCause(
  object: Controller,
  alive: readonly Pod[],
  { desired }: Verdict,
  { eventsOf, replicaSets }: AssessInput,
): RootCause | undefined {
  if (alive.length >= desired) return undefined;
  const newest = newestReplicaSet(replicaSets);
  const creator = newest ?? object;
  const said =
    condition(creator, "ReplicaFailure")?.message ??
    eventsOf(creator.metadata.uid ?? "").findLast((event) => event.reason === "FailedCreate")?.message;
  if (said === undefined) return undefined;
  const why = said.replace(/^(Error creating|create Pod \S+ in \S+ \S+ failed error): /, "");
  const quota = /exceeded quota|forbidden/.test(why);
  return { reason: quota ? "Quota" : "Other", message: `its pods cannot be created: ${why}` };
}

function deadlineCause(object: Controller): RootCause | undefined {
  const progressing = condition(object, "Progressing");
  if (progressing?.reason !== "ProgressDeadlineExceeded") return undefined;
  return {
    reason: "Deadline",
    message: `no progress within its deadline: ${progressing.message ?? object.metadata.name}`,
  };
}

function claimCause(object: Controller, verdict: Verdict): RootCause | undefined {
  return object.kind === "PersistentVolumeClaim" && verdict.status === "failed"
    ? { reason: "Volume", message: verdict.message }
    : undefined;
}

/** "1 of 2 pods ready: pulling image web:1", or only what it is doing when there is one pod to wait for. */
function waitingMessage(
  desired: number,
  ready: number,
  current: readonly Pod[],
  { eventsOf }: AssessInput,
): string {
  const waiting = current.find((entry) => !isPodReady(entry) && !isTerminating(entry));
  const doing = waiting && podActivity(waiting, eventsOf(waiting.metadata.uid ?? ""));
  if (desired === 1) return doing ?? "waiting for its pod";
  return `${ready} of ${desired} pods ready${doing === undefined ? "" : `: ${doing}`}`;
}

function isObserved(object: Controller): boolean {
  const { generation } = object.metadata;
  const observed = object.status?.observedGeneration;
  if (generation === undefined) return true;
  // Custom kinds need not report it at all.
  if (observed === undefined) return !builtIn.has(object.kind);
  return Number(observed) >= generation;
}
const builtIn = new Set(["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet"]);

/** The generation that the controller has acted on; the object's own where no controller reports it. */
function observedGeneration(object: Controller): number {
  const generation = object.metadata.generation ?? 0;
  const observed = object.status?.observedGeneration;
  if (observed === undefined) return builtIn.has(object.kind) ? 0 : generation;
  return Math.min(Number(observed), generation);
}

function readyPods(pods: readonly Pod[]): number {
  return pods.filter((entry) => isPodReady(entry) && !isTerminating(entry)).length;
}

function podSummary(entry: Pod, current: readonly Pod[]): PodSummary {
  const node = entry.spec?.nodeName;
  return {
    name: entry.metadata.name,
    phase: entry.status?.phase ?? "Pending",
    ready: isPodReady(entry),
    restarts: restartsOf(entry),
    ...(node === undefined ? {} : { node }),
    createdAt: Date.parse(entry.metadata.creationTimestamp ?? "") || 0,
    current: current.includes(entry),
    terminating: isTerminating(entry),
  };
}

function restartsOf(entry: Pod): number {
  const { containerStatuses = [], initContainerStatuses = [] } = entry.status ?? {};
  return [...initContainerStatuses, ...containerStatuses].reduce(
    (sum, status) => sum + (status.restartCount ?? 0),
    0,
  );
}
