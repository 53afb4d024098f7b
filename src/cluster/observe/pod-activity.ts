import { condition, type KubeEvent, type Pod } from "./objects.js";
import { exitText, probeReply, probeFailures } from "./root-cause.js";

/** What a pod that is not ready is doing or waiting for, in a few words. `events` are its own, oldest first. */
export function podActivity(pod: Pod, events: readonly KubeEvent[]): string {
  if (pod.metadata.deletionTimestamp !== undefined) return "stopping";
  if (condition(pod, "PodScheduled")?.status !== "True" && pod.spec?.nodeName === undefined)
    return "waiting for a node";
  const { initContainerStatuses = [], containerStatuses = [] } = pod.status ?? {};
  const init = initContainerStatuses.find((status) => status.ready !== true && status.state?.running);
  if (init) return `init container ${init.name} is running`;

  const waiting = [...initContainerStatuses, ...containerStatuses].find((status) => status.state?.waiting);
  const starting = containerStatuses.length === 0 || waiting !== undefined;
  if (starting) return `starting (${startStep(events)})`;

  const ended = containerStatuses.find((status) => status.state?.terminated);
  if (ended?.state?.terminated) return `container ${ended.name} ${exitText(ended.state.terminated)}`;

  const unready = containerStatuses.find((status) => status.ready !== true);
  if (!unready) return "waiting for readiness";
  const spec = pod.spec?.containers?.find((entry) => entry.name === unready.name);
  // Readiness is not asked for before the startup probe has passed.
  const kind = spec?.startupProbe && unready.started !== true ? "startup" : "readiness";
  const probe = kind === "startup" ? spec?.startupProbe : spec?.readinessProbe;
  const failure = probeFailures(kind, events, unready).at(-1);
  return failure ? `waiting for readiness: ${probeReply(failure, probe)}` : "waiting for readiness";
}

function startStep(events: readonly KubeEvent[]): string {
  const last = events.at(-1);
  if (last?.reason === "Pulling") return "pulling image";
  if (last?.reason === "FailedMount" || last?.reason === "FailedAttachVolume") return "waiting for a volume";
  return "creating containers";
}
