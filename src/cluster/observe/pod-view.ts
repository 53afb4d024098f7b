import { type ContainerStatus, isPodReady, isTerminating, type Pod } from "./objects.js";
import type { WorkloadId } from "../../engine/task.js";

/** A pod that connections can be made to. */
export interface PodTarget {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** The container ports that have a name. */
  readonly namedPorts: Readonly<Record<string, number>>;
  /** Its containers that run, by the runtime's id and the image that stands in the pod's spec. */
  readonly running: readonly { readonly id: string; readonly image: string }[];
}

/** A pod of the project, with the runs of its containers: what log streams start from. */
export interface PodView {
  readonly workload: WorkloadId;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** Ms since the epoch, by the API server's clock. */
  readonly createdAt: number;
  readonly ready: boolean;
  readonly terminating: boolean;
  /** Init containers first, in the order of the pod's spec. */
  readonly containers: readonly ContainerView[];
}
export interface ContainerView {
  readonly name: string;
  readonly init: boolean;
  /** As it stands in the pod's spec. */
  readonly image: string;
  readonly restarts: number;
  /** The run that is there now; left out while the container has never started. */
  readonly run?: ContainerRun;
  /** The run before it, when it ended. */
  readonly previous?: ContainerRun;
}
export interface ContainerRun {
  /** The runtime's container id. */
  readonly id: string;
  /** Ms since the epoch, by the node's clock. */
  readonly startedAt: number;
  readonly ended: boolean;
  /** Ms since the epoch, in whole seconds, by the node's clock. */
  readonly endedAt?: number;
}

export function podTarget(pod: Pod): PodTarget {
  const namedPorts: Record<string, number> = {};
  for (const container of pod.spec?.containers ?? []) {
    for (const port of container.ports ?? []) if (port.name) namedPorts[port.name] = port.containerPort;
  }
  return {
    namespace: pod.metadata.namespace ?? "default",
    name: pod.metadata.name,
    uid: pod.metadata.uid ?? "",
    namedPorts,
    running: (pod.status?.containerStatuses ?? []).flatMap((status) => {
      const { image, run } = containerView(pod, status, false);
      return run && !run.ended ? [{ id: run.id, image }] : [];
    }),
  };
}

export function podView(workload: WorkloadId, pod: Pod): PodView {
  const { initContainerStatuses = [], containerStatuses = [] } = pod.status ?? {};
  return {
    workload,
    namespace: pod.metadata.namespace ?? "default",
    name: pod.metadata.name,
    uid: pod.metadata.uid ?? "",
    createdAt: Date.parse(pod.metadata.creationTimestamp ?? "") || 0,
    ready: isPodReady(pod),
    terminating: isTerminating(pod),
    containers: [
      ...initContainerStatuses.map((status) => containerView(pod, status, true)),
      ...containerStatuses.map((status) => containerView(pod, status, false)),
    ],
  };
}

function containerView(pod: Pod, status: ContainerStatus, init: boolean): ContainerView {
  const specs = init ? pod.spec?.initContainers : pod.spec?.containers;
  const { state, lastState } = status;
  // A container that waits to be started again has its last run in lastState, and its id in `containerID`.
  const running = state?.running;
  const ended = state?.terminated ?? (running ? undefined : lastState?.terminated);
  const run =
    running && status.containerID
      ? { id: status.containerID, startedAt: Date.parse(running.startedAt ?? "") || 0, ended: false }
      : endedRun(ended);
  const previous = endedRun(lastState?.terminated);
  return {
    name: status.name,
    init,
    image: specs?.find(({ name }) => name === status.name)?.image ?? "",
    restarts: status.restartCount ?? 0,
    ...(run ? { run } : {}),
    ...(previous && previous.id !== run?.id ? { previous } : {}),
  };
}

function endedRun(terminated: NonNullable<ContainerStatus["state"]>["terminated"]): ContainerRun | undefined {
  if (!terminated?.containerID) return undefined;
  const endedAt = Date.parse(terminated.finishedAt ?? "");
  return {
    id: terminated.containerID,
    startedAt: Date.parse(terminated.startedAt ?? "") || 0,
    ended: true,
    ...(Number.isNaN(endedAt) ? {} : { endedAt }),
  };
}
