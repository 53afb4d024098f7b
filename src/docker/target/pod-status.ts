import type { KubeObject } from "../../engine/kube-object.js";
import type { InspectedContainer } from "../engine-containers.js";
import { creating, endOf, isBeside, type Restart, type RunState, type Slot } from "./container-slot.js";
import { label } from "./labels.js";
import type { ContainerSpec, PodObject } from "./objects.js";
import type { PodTurn } from "./workload-turn.js";

export interface PodLook {
  readonly slots: readonly Slot[];
  readonly restart: Restart;
  readonly createdAt: string;
  readonly address: string | undefined;
  /** Since when it is on its way out. */
  readonly stopping: string | undefined;
}

/** A pod with its status, as an API server shows it. */
export function shownPod(
  pod: PodObject,
  { slots, restart, createdAt, address, stopping }: PodLook,
): KubeObject {
  const isInit = (slot: Slot): boolean => slot.init && !isBeside(slot);
  const initialized = slots.filter(isInit).every(({ ready }) => ready);
  const main = slots.filter(({ init }) => !init);
  // What runs beside those that have ended is part of it.
  const ended =
    main.every(({ state }) => state.terminated !== undefined) &&
    !willRestart(main, restart) &&
    !slots.some((slot) => isBeside(slot) && slot.state.running);
  const bad =
    hasFailedToBegin(slots, restart) || (ended && main.some(({ state }) => state.terminated?.exitCode !== 0));
  const begun = main.some(
    ({ state, lastState }) => state.running ?? state.terminated ?? lastState.terminated,
  );
  const phase = bad ? "Failed" : ended ? "Succeeded" : initialized && begun ? "Running" : "Pending";
  const ready =
    !ended &&
    !bad &&
    stopping === undefined &&
    initialized &&
    slots.every((slot) => isInit(slot) || slot.ready);
  const condition = (type: string, status: boolean): object => ({ type, status: status ? "True" : "False" });
  return {
    ...pod,
    metadata: {
      ...pod.metadata,
      creationTimestamp: createdAt,
      ...(stopping === undefined ? {} : { deletionTimestamp: stopping }),
    },
    spec: { ...pod.spec, nodeName: "docker" },
    status: {
      phase,
      ...(address === undefined ? {} : { podIP: address, podIPs: [{ ip: address }] }),
      conditions: [
        condition("PodScheduled", true),
        condition("Initialized", initialized),
        condition("ContainersReady", ready),
        condition("Ready", ready),
      ],
      initContainerStatuses: slots.filter(({ init }) => init).map(statusOf),
      containerStatuses: main.map(statusOf),
    },
  };
}

/** A pod as its workload's controller looks at it, by what is shown of it. */
export function podTurn(shown: KubeObject, of: Pick<PodTurn, "current" | "stopping">): PodTurn {
  const status = (shown["status"] ?? {}) as PodStatus;
  return {
    ...of,
    name: shown.metadata.name,
    ready: status.conditions?.some(({ type, status: is }) => type === "Ready" && is === "True") === true,
    phase: status.phase ?? "Pending",
    restarts: [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])].reduce(
      (sum, { restartCount }) => sum + restartCount,
      0,
    ),
  };
}

interface PodStatus {
  readonly phase?: string;
  readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  readonly initContainerStatuses?: readonly { readonly restartCount: number }[];
  readonly containerStatuses?: readonly { readonly restartCount: number }[];
}

function willRestart(main: readonly Slot[], restart: Restart): boolean {
  if (restart === "Always") return true;
  return restart === "OnFailure" && main.some(({ state }) => state.terminated?.exitCode !== 0);
}

function statusOf({ spec: of, id, state, lastState, restarts, ready, started }: Slot): object {
  return {
    name: of.name,
    image: of.image,
    ready,
    started: started && state.running !== undefined,
    restartCount: restarts,
    ...(id === undefined ? {} : { containerID: id }),
    state,
    lastState,
  };
}

/**
 * All containers of a pod, the init containers first, by what is there of each; `held`: the network that they ran in is there. Where it
 * is not, those that are not over are to be started anew, each under a number of its own. One that runs and has probes counts as neither
 * started nor ready.
 */
export function slotsOf(
  { spec }: PodObject,
  existing: readonly InspectedContainer[],
  held: boolean,
): readonly Slot[] {
  const restart = spec.restartPolicy ?? "Always";
  const slots = (given: boolean): readonly Slot[] => [
    ...(spec.initContainers ?? []).map((container) => slotOf(container, true, existing, given)),
    ...spec.containers.map((container) => slotOf(container, false, existing, given)),
  ];
  const there = slots(true);
  // Its end needs no network.
  if (held || isDone(there, restart)) return there;
  const over = there.filter((slot) => isOver(slot, restart));
  // Init containers run again with those that come after them.
  return slots(false).map((slot, index) => {
    const known = there[index];
    return known && !known.init && over.includes(known) ? known : slot;
  });
}

/** Nothing of a pod is to be started any more: it has done its work, or an init container has failed for good. */
export function isDone(slots: readonly Slot[], restart: Restart): boolean {
  return hasFailedToBegin(slots, restart) || slots.every((slot) => slot.init || isOver(slot, restart));
}

function hasFailedToBegin(slots: readonly Slot[], restart: Restart): boolean {
  return slots.some((slot) => slot.init && isOver(slot, restart) && slot.state.terminated?.exitCode !== 0);
}

/** It has ended, and is not to be started again. */
export function isOver(slot: Slot, restart: Restart): boolean {
  const { init, state } = slot;
  if (state.terminated === undefined || isBeside(slot)) return false;
  return restart === "Never" || (state.terminated.exitCode === 0 && (init || restart === "OnFailure"));
}

function slotOf(
  container: ContainerSpec,
  init: boolean,
  existing: readonly InspectedContainer[],
  held: boolean,
): Slot {
  const runs = existing
    .filter(({ labels, state }) => labels[label.container] === container.name && state.status !== "created")
    .sort((a, b) => Number(a.labels[label.attempt]) - Number(b.labels[label.attempt]));
  const last = held ? runs.at(-1) : undefined;
  const before = held ? runs.at(-2) : runs.at(-1);
  const { readinessProbe, startupProbe } = container;
  const next = before ? Number(before.labels[label.attempt]) + 1 : 0;
  const running = last?.state.running === true;
  const state: RunState = !last
    ? { waiting: { reason: init ? "PodInitializing" : creating } }
    : running
      ? { running: { startedAt: last.state.startedAt } }
      : { terminated: endOf(last.id, last) };
  return {
    spec: container,
    init,
    id: last?.id,
    state,
    lastState: before ? { terminated: endOf(before.id, before) } : {},
    restarts: last ? Number(last.labels[label.attempt]) + last.restarts : held ? 0 : next,
    started: running && !startupProbe,
    ready: running ? !startupProbe && !readinessProbe : init && last?.state.exitCode === 0,
  };
}
