import type { RootCause } from "../../engine/state.js";
import {
  condition,
  type ContainerSpec,
  type ContainerStatus,
  eventCount,
  eventTime,
  type KubeEvent,
  type Pod,
  type Probe,
  type Terminated,
} from "./objects.js";

export interface CauseInput {
  readonly pod: Pod;
  /** The events about this pod, oldest first. */
  readonly events: readonly KubeEvent[];
  /** The last lines of a container's present run, or of the one before it. */
  readonly lastLines: (container: string, previous: boolean) => readonly string[];
  /** How long ago the container's present run was first seen running, in ms. */
  readonly runningForMs: (containerId: string) => number;
  /** The workload's own limit for becoming ready, in ms: a probe that fails for so long is given up on earlier. */
  readonly deadlineMs?: number;
}

/** A container whose readiness probe fails counts as still starting for so long at least, in ms. */
export const startingMs = 30_000;

/** A restarted container without a readiness probe counts as healed once it has run this long, in ms. */
export const steadyMs = 10_000;

/**
 * Why a pod cannot become ready, if that is certain: not while it is still starting, and no longer once it has healed.
 * Pure. The first that applies, from what hinders the pod most: node, volume, config, image, container, probe.
 */
export function podCause(input: CauseInput): RootCause | undefined {
  const { pod } = input;
  if (pod.metadata.deletionTimestamp !== undefined) return undefined;
  const cause = unschedulable(pod) ?? containersCause(input) ?? volumeCause(input) ?? evicted(pod);
  return cause && { ...cause, pod: pod.metadata.name };
}

function unschedulable(pod: Pod): RootCause | undefined {
  const scheduled = condition(pod, "PodScheduled");
  if (scheduled?.status !== "False" || scheduled.reason !== "Unschedulable") return undefined;
  const why = (scheduled.message ?? "no node takes it")
    .replace(/\s*preemption:.*$/s, "")
    .replace(/[.,\s]+$/, "");
  // A claim that is about to be bound is part of every first start.
  if (/unbound immediate PersistentVolumeClaims/.test(why)) return undefined;
  return { reason: "Unschedulable", message: `no node takes pod ${pod.metadata.name}: ${why}` };
}

function evicted(pod: Pod): RootCause | undefined {
  if (pod.status?.phase !== "Failed" || !pod.status.reason) return undefined;
  const why = pod.status.message ?? pod.status.reason;
  return { reason: "Other", message: `pod ${pod.metadata.name} was stopped: ${why}` };
}

function volumeCause({ pod, events }: CauseInput): RootCause | undefined {
  const mounting = events.findLast(
    (event) =>
      (event.reason === "FailedMount" || event.reason === "FailedAttachVolume") && !isFirstSync(event),
  );
  const started = pod.status?.containerStatuses?.some((status) => !status.state?.waiting);
  if (!mounting || started === true) return undefined;
  return {
    reason: "Volume",
    message: `a volume of pod ${pod.metadata.name} cannot be mounted: ${firstLine(mounting.message)}`,
  };
}

/** A kubelet that has not yet read a Secret or ConfigMap of a new pod says so, and tries again half a second later. */
function isFirstSync(event: KubeEvent): boolean {
  return /failed to sync \w+ cache|not registered/.test(event.message ?? "") && eventCount(event) < 4;
}

function containersCause(input: CauseInput): RootCause | undefined {
  const { pod } = input;
  const specs = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
  const statuses = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])];
  for (const status of statuses) {
    const spec = specs.find((entry) => entry.name === status.name) ?? { name: status.name };
    const cause = waitingCause(spec, status, input) ?? exitCause(spec, status, input);
    if (cause) return { ...cause, container: status.name };
  }
  for (const status of statuses) {
    const spec = specs.find((entry) => entry.name === status.name) ?? { name: status.name };
    const cause = readinessCause(spec, status, input);
    if (cause) return { ...cause, container: status.name };
  }
  return undefined;
}

const imageReasons = new Set([
  "ErrImagePull",
  "ImagePullBackOff",
  "ErrImageNeverPull",
  "InvalidImageName",
  "ImageInspectError",
  "RegistryUnavailable",
]);
const configReasons = new Set([
  "CreateContainerConfigError",
  "CreateContainerError",
  "RunContainerError",
  "StartError",
]);

function waitingCause(
  spec: ContainerSpec,
  status: ContainerStatus,
  { events }: CauseInput,
): RootCause | undefined {
  const { reason = "", message = "" } = status.state?.waiting ?? {};
  const image = spec.image ?? status.image ?? "?";
  if (imageReasons.has(reason)) {
    // The back-off's own text names no reason; the last failed pull did.
    const failure =
      reason === "ImagePullBackOff"
        ? events.findLast((event) => event.reason === "Failed" && /pull/i.test(event.message ?? ""))?.message
        : message;
    return {
      reason: "ImagePull",
      message: `image ${image} cannot be pulled: ${pullReason(reason, failure ?? message)}`,
    };
  }
  if (configReasons.has(reason)) {
    return {
      reason: "Config",
      message: `container ${status.name} cannot be created: ${firstLine(message) || reason}`,
    };
  }
  return undefined;
}

/** The one phrase of a runtime's long pull error that helps. */
export function pullReason(reason: string, message: string): string {
  if (reason === "ErrImageNeverPull")
    return "it is not on the node, and imagePullPolicy Never forbids fetching it";
  if (reason === "InvalidImageName") return "the name is not a valid image reference";
  const known: readonly (readonly [RegExp, string])[] = [
    [/pull access denied|insufficient_scope|repository does not exist/i, "no such image, or no access to it"],
    [/manifest unknown|not found/i, "not found"],
    [/unauthorized|authentication required|no basic auth/i, "the registry asks for credentials"],
    [/no such host|server misbehaving/i, "the registry's name cannot be resolved"],
    [/connection refused/i, "the registry refuses the connection"],
    [/x509|certificate/i, "the registry's certificate is not trusted"],
    [/i\/o timeout|deadline exceeded|no route|unreachable/i, "the registry does not answer"],
    [/toomanyrequests|rate limit/i, "the registry's rate limit is reached"],
    [/no space left/i, "the node's disk is full"],
  ];
  const hit = known.find(([pattern]) => pattern.test(message));
  return hit?.[1] ?? (firstLine(message).split(": ").at(-1) || reason);
}

function exitCause(spec: ContainerSpec, status: ContainerStatus, input: CauseInput): RootCause | undefined {
  const { state, lastState, name } = status;
  const looping = state?.waiting?.reason === "CrashLoopBackOff";
  const now = state?.terminated;
  const ended = now ?? lastState?.terminated;
  if (!ended) return undefined;
  if (state?.running) {
    if (isSteady(spec, status, input)) return undefined;
    if (ended.exitCode === 0) return undefined;
  } else if (ended.exitCode === 0 && !looping) return undefined;

  const killed = probeKill(spec, status, input);
  if (killed) return killed;
  const restarts = status.restartCount ?? 0;
  const lines = input.lastLines(name, now === undefined);
  const tail = lines.length > 0 ? { lines } : {};
  const again = restarts > 0 ? `, restarted ${restarts === 1 ? "once" : `${restarts} times`}` : "";
  if (ended.reason === "OOMKilled") {
    const limit = spec.resources?.limits?.["memory"];
    return {
      reason: "OutOfMemory",
      message: `container ${name} ran out of memory${limit ? ` (limit ${limit})` : ""}${again}`,
      ...tail,
    };
  }
  return {
    // One that has just ended is started again at once, unless the kubelet says otherwise a moment later.
    reason: looping || (restarts > 0 && state?.running) ? "CrashLoop" : "Exited",
    message: `container ${name} ${exitText(ended)}${again}`,
    ...tail,
  };
}

/** Running and well after a restart: its readiness probe says so, or it has lasted. */
function isSteady(spec: ContainerSpec, status: ContainerStatus, { runningForMs }: CauseInput): boolean {
  if (status.ready !== true) return false;
  return spec.readinessProbe !== undefined || runningForMs(status.containerID ?? "") >= steadyMs;
}

/** "exited with code 1", "was killed (exit code 137, SIGKILL)". */
export function exitText({ exitCode, signal, reason, message }: Terminated): string {
  if (reason === "ContainerCannotRun" || reason === "StartError")
    return `cannot be started: ${firstLine(message)}`;
  const number = signal || (exitCode > 128 && exitCode < 160 ? exitCode - 128 : 0);
  const names: Readonly<Record<number, readonly [string, string]>> = {
    2: ["was interrupted", "SIGINT"],
    4: ["hit an illegal instruction", "SIGILL"],
    6: ["aborted itself", "SIGABRT"],
    7: ["hit a bus error", "SIGBUS"],
    8: ["hit an arithmetic error", "SIGFPE"],
    9: ["was killed", "SIGKILL"],
    11: ["crashed on a memory access", "SIGSEGV"],
    15: ["was told to stop", "SIGTERM"],
  };
  const known = names[number];
  if (known) return `${known[0]} (exit code ${exitCode}, ${known[1]})`;
  const words: Readonly<Record<number, string>> = {
    126: ": the command cannot be executed",
    127: ": the command was not found",
  };
  return `exited with code ${exitCode}${words[exitCode] ?? ""}`;
}

/** The kubelet killed the last run because of a liveness or startup probe: the exit code says nothing then. */
function probeKill(
  spec: ContainerSpec,
  { name, lastState, state }: ContainerStatus,
  { events }: CauseInput,
): RootCause | undefined {
  const ended = state?.terminated ?? lastState?.terminated;
  const kill = aboutContainer(events, name).findLast(
    (event) => event.reason === "Killing" && /failed (liveness|startup) probe/.test(event.message ?? ""),
  );
  if (!kill || !ended) return undefined;
  // Stamps have whole seconds.
  if (ended.startedAt && eventTime(kill) + 1000 < Date.parse(ended.startedAt)) return undefined;
  const which = /startup/.test(kill.message ?? "") ? "startup" : "liveness";
  const probe = which === "startup" ? spec.startupProbe : spec.livenessProbe;
  const unhealthy = aboutContainer(events, name).findLast(
    (event) => event.reason === "Unhealthy" && (event.message ?? "").toLowerCase().startsWith(which),
  );
  return {
    reason: "Probe",
    message: `container ${name} is restarted: ${which} probe failed: ${probeReply(unhealthy, probe)}`,
  };
}

/** A probe that fails while the container is young is part of a normal start: servers wait for one another. */
function readinessCause(
  spec: ContainerSpec,
  status: ContainerStatus,
  { events, runningForMs, deadlineMs = Infinity }: CauseInput,
): RootCause | undefined {
  const running = status.state?.running;
  const probe = spec.readinessProbe;
  if (!running || !probe || status.ready === true) return undefined;
  const failures = probeFailures("readiness", events, status);
  const unhealthy = failures.at(-1);
  if (!unhealthy) return undefined;
  const threshold = probe.failureThreshold ?? 3;
  const count = failures.reduce((sum, event) => sum + eventCount(event), 0);
  // Kubernetes itself counts to the threshold before it says unready.
  const countedMs = 1000 * ((probe.initialDelaySeconds ?? 0) + (threshold - 1) * (probe.periodSeconds ?? 10));
  // The kubelet stops telling of a probe that fails often: our own clock goes on. Its stamps have whole seconds.
  const toldForMs = eventTime(unhealthy) + 1000 - Date.parse(running.startedAt ?? "");
  const failingMs = Math.max(toldForMs, runningForMs(status.containerID ?? ""));
  if (count < threshold || failingMs < Math.min(Math.max(countedMs, startingMs), deadlineMs))
    return undefined;
  return {
    reason: "Probe",
    message: `container ${status.name} is not ready: readiness probe failed: ${probeReply(unhealthy, probe)}`,
  };
}

/** The failed probes of one kind in the container's present run, oldest first. */
export function probeFailures(
  kind: "readiness" | "startup",
  events: readonly KubeEvent[],
  status: ContainerStatus,
): readonly KubeEvent[] {
  const started = Date.parse(status.state?.running?.startedAt ?? "") || 0;
  return aboutContainer(events, status.name).filter(
    (event) =>
      event.reason === "Unhealthy" &&
      (event.message ?? "").toLowerCase().startsWith(kind) &&
      eventTime(event) >= started,
  );
}

/** "/health answered 503", "nothing listens on port 8080 yet", or what the probe's command printed. */
export function probeReply(event: KubeEvent | undefined, probe: Probe | undefined): string {
  const text = firstLine((event?.message ?? "").replace(/^\w+ probe (failed|errored): ?/i, ""));
  const code = /statuscode: (\d+)/.exec(text)?.[1];
  const path = probe?.httpGet?.path ?? "/";
  if (code) return `${path} answered ${code}`;
  const port = probe?.httpGet?.port ?? probe?.tcpSocket?.port;
  if (/connection refused/.test(text))
    return `nothing listens on port ${port === undefined ? "of the probe" : String(port)}`;
  if (/timeout|deadline exceeded/i.test(text))
    return probe?.httpGet ? `${path} did not answer in time` : "no answer in time";
  return text || "no reply is known";
}

function aboutContainer(events: readonly KubeEvent[], name: string): readonly KubeEvent[] {
  return events.filter((event) => (event.involvedObject?.fieldPath ?? "").includes(`{${name}}`));
}

function firstLine(text: string | undefined): string {
  return (text ?? "").trim().split("\n", 1)[0] ?? "";
}
