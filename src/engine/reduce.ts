import { canonicalJson } from "../lib/canonical-json.js";
import { unreachable } from "../lib/unreachable.js";
import type { Event, SourceChange } from "./event.js";
import type { ImageSpec, Project } from "./project.js";
import type { ImageState, Loop, State, WorkloadHealth, WorkloadState } from "./state.js";
import type { DeployOutput, TaskId, TaskOutput, TaskState, Service } from "./task.js";
import { hasLater } from "./order.js";
import { isAtRest } from "./plan.js";
import { resourceOfTask, taskIds, taskState } from "./task-lookup.js";
import type { NewContainer } from "./container.js";

/** The state before anything happened. */
export function initialState(project: Project, startedAt: number): State {
  const state: State = {
    project,
    configRevision: 0,
    services: { engine: { status: "unknown" }, cluster: { status: "unknown" } },
    images: {},
    deploys: {},
    tasks: {},
    workloads: {},
    forwards: {},
    containers: [],
    crashed: {},
    paused: false,
    focus: [],
    startedAt,
    loops: [{ number: 1, startedAt, changed: [] }],
    stopping: false,
  };
  return takeProject(state, project);
}

/** The state after an event. Pure; an event that changes nothing returns the same object. */
export function reduce(state: State, event: Event): State {
  const next = apply(state, event);
  return next === state ? state : endLoop(next, event.at);
}

function apply(state: State, event: Event): State {
  switch (event.type) {
    case "config.loaded": {
      const { configFailure: _, ...rest } = takeProject(state, event.project);
      return { ...rest, configRevision: state.configRevision + 1 };
    }
    case "config.failed":
      return { ...state, configFailure: event.failure };
    case "cluster.connected":
      return { ...state, cluster: event.cluster, services: { ...state.services, cluster: { status: "up" } } };
    case "service.up":
      if (state.services[event.service].status === "up") return state;
      return { ...state, services: { ...state.services, [event.service]: { status: "up" } } };
    case "service.down":
      return serviceDown(state, event.service, event);
    case "sources.changed":
      return sourcesChanged(state, event.changes);
    case "task.started": {
      const { id, key, attempt } = event.task;
      const { retrying } = taskState(state, id);
      const again = retrying?.key === key;
      const next = withTask(state, id, ({ retrying: _, ...task }) => ({
        ...task,
        attempts: attempt,
        running: { status: "running", key, attempt, startedAt: event.at },
        ...(again ? { retrying } : {}),
      }));
      // Work that no edit of a file asked for, such as after an edit of devloop.yaml, is a loop of its own; another try
      // belongs to the loop that it failed in, and a container that comes by itself begins none.
      return again || event.task.input.kind === "sync" ? next : openLoop(next, event.at, []);
    }
    case "task.progress":
      return withRunning(state, event, (task, running) => ({
        ...task,
        running: { ...running, progress: event.progress },
      }));
    case "task.superseded":
      return withRunning(state, event, (task, running) => ({
        ...task,
        running: { ...running, status: "cancelling" },
      }));
    case "task.succeeded": {
      const key = taskState(state, event.id).running?.key;
      const next = withRunning(state, event, (task, { key, attempt, startedAt }) => {
        const { running: _running, retrying: _retrying, ...rest } = task;
        return {
          ...rest,
          last: { status: "succeeded", key, attempt, startedAt, endedAt: event.at },
          success: { key, output: event.output, at: event.at },
        };
      });
      return dropOrphans(key === undefined || next === state ? next : takeOutput(next, event));
    }
    case "task.failed": {
      const service = serviceLost[event.failure.code];
      const next = withRunning(state, event, ({ running: _, ...task }, { key, attempt, startedAt }) =>
        // Not the task's fault: it is tried again as soon as the service answers.
        service
          ? task
          : {
              ...task,
              last: { status: "failed", failure: event.failure, key, attempt, startedAt, endedAt: event.at },
            },
      );
      return dropOrphans(service ? serviceDown(next, service, event) : next);
    }
    case "task.cancelled":
      return dropOrphans(withRunning(state, event, ({ running: _, ...task }) => task));
    case "task.due":
      return taskState(state, event.id).last?.status === "failed"
        ? withTask(state, event.id, ({ last, ...task }) => ({ ...task, ...(last ? { retrying: last } : {}) }))
        : state;
    case "workload.changed":
      return workloadChanged(state, event.id, event.health, event.at);
    case "forward.changed": {
      const forward = state.forwards[event.id];
      if (!forward) return state;
      const { state: status, serving, connections } = event;
      return {
        ...state,
        forwards: { ...state.forwards, [event.id]: { ...forward, state: status, serving, connections } },
      };
    }
    case "containers.changed":
      return containersChanged(state, event.containers);
    case "container.reconnected":
      return {
        ...state,
        containers: state.containers.map((container) =>
          container.id === event.container
            ? { ...container, reconnects: container.reconnects + 1 }
            : container,
        ),
      };
    case "process.crashed":
      return { ...state, crashed: { ...state.crashed, [event.container]: event.process } };
    case "process.running":
      return event.container in state.crashed
        ? { ...state, crashed: without(state.crashed, (id) => id === event.container) }
        : state;
    case "trigger.requested":
      return openLoop(triggered(state, event), event.at, []);
    case "loop.paused":
      return state.paused ? state : { ...state, paused: true };
    case "loop.resumed":
      return state.paused ? { ...state, paused: false } : state;
    case "sync.switched":
      return syncSwitched(state, event);
    case "focus.changed":
      return { ...state, focus: event.images.filter((image) => image in state.images) };
    case "session.stopping":
      return { ...state, stopping: true };
    case "restart.requested":
    case "request.failed":
    case "task.output":
    case "task.note":
    case "images.removed":
    case "sync.note":
    case "process.restarted":
    case "watch.problem":
      return state;
    default:
      return unreachable(event);
  }
}

/** Failures that say that a service is gone, not that the task's input is bad. */
const serviceLost: Readonly<Partial<Record<string, Service>>> = {
  ENGINE_UNREACHABLE: "engine",
  CLUSTER_UNREACHABLE: "cluster",
};

function serviceDown(
  state: State,
  service: Service,
  { failure, at }: { failure: Extract<Event, { type: "service.down" }>["failure"]; at: number },
): State {
  if (state.services[service].status === "down") return state;
  return { ...state, services: { ...state.services, [service]: { status: "down", failure, since: at } } };
}

/** What decides which files an image is made from, and which images: both are told by a scan. */
export function sourcesOf({
  context,
  dockerfile,
  contexts,
  ignore,
  target,
  args,
  sync,
  pull,
}: ImageSpec): object {
  return { context, dockerfile, contexts, ignore, target, args, sync: sync ?? null, pull };
}

/** What a task's output means for the rest of the state. */
function takeOutput(
  state: State,
  { id, output }: { readonly id: TaskId; readonly output: TaskOutput },
): State {
  if (output.kind === "deploy") return takeWorkloads(state, id, output);
  if (output.kind !== "sync" || output.rebuild === undefined) return state;
  const image = state.images[id.slice("sync:".length)];
  if (!image) return state;
  const next = { ...image, rebuilds: image.rebuilds + 1 };
  return { ...state, images: { ...state.images, [image.spec.name]: next } };
}

function containersChanged(state: State, containers: readonly NewContainer[]): State {
  const known = new Map(state.containers.map((container) => [container.id, container]));
  const ids = new Set(containers.map(({ id }) => id));
  return {
    ...state,
    containers: containers.map((container) => known.get(container.id) ?? { ...container, reconnects: 0 }),
    crashed: without(state.crashed, (id) => !ids.has(id)),
  };
}

function without<T>(
  entries: Readonly<Record<string, T>>,
  leaves: (key: string) => boolean,
): Readonly<Record<string, T>> {
  if (!Object.keys(entries).some(leaves)) return entries;
  return Object.fromEntries(Object.entries(entries).filter(([key]) => !leaves(key)));
}

/** Takes a new config in: what stays keeps all that is known of it, so that only what changed runs again. */
function takeProject(state: State, project: Project): State {
  const images = Object.fromEntries(
    project.images.map((spec): [string, ImageState] => {
      const known = state.images[spec.name];
      if (!known) return [spec.name, { spec, bases: [], triggers: 0, rebuilds: 0 }];
      const sameSources = canonicalJson(sourcesOf(known.spec)) === canonicalJson(sourcesOf(spec));
      const { source: _source, synced: _synced, ...rest } = known;
      // Another context's revision must not start a build of this one: it waits for the scan.
      return [spec.name, { ...(sameSources ? known : rest), spec }];
    }),
  );
  const deploys = Object.fromEntries(
    project.deploys.map((spec) => {
      const known = state.deploys[spec.id];
      return [spec.id, known ? { ...known, spec } : { spec, triggers: 0 }];
    }),
  );
  const forwards = Object.fromEntries(
    project.forwards.map((spec) => {
      const known = state.forwards[spec.id];
      const same = known && JSON.stringify(known.spec) === JSON.stringify(spec);
      return [
        spec.id,
        same ? known : { spec, state: { status: "starting" } as const, serving: false, connections: 0 },
      ];
    }),
  );
  const workloads = Object.fromEntries(
    Object.entries(state.workloads).filter(([, { deploy }]) => deploy in deploys),
  );
  const focus = state.focus.filter((image) => image in images);
  return dropOrphans({ ...state, project, images, deploys, forwards, workloads, focus });
}

/** Forgets tasks of what left the config, once they do not run any more. */
function dropOrphans(state: State): State {
  const known = new Set(taskIds(state));
  const gone = Object.values(state.tasks).filter((task) => !known.has(task.id) && !task.running);
  if (gone.length === 0) return state;
  const tasks = { ...state.tasks };
  for (const task of gone) Reflect.deleteProperty(tasks, task.id);
  return { ...state, tasks };
}

function sourcesChanged(state: State, changes: readonly SourceChange[]): State {
  let next = state;
  for (const change of changes) {
    const { revision, changed, changedAt } = change;
    const source = { revision, changed: changed.slice(0, 100), changedAt };
    if ("sync" in change.target) {
      const image = next.images[change.target.sync];
      if (!image || image.synced?.revision === revision) continue;
      next = { ...next, images: { ...next.images, [image.spec.name]: { ...image, synced: source } } };
    } else if ("image" in change.target) {
      const image = next.images[change.target.image];
      if (!image || image.source?.revision === revision) continue;
      const bases = change.bases ?? image.bases;
      next = { ...next, images: { ...next.images, [image.spec.name]: { ...image, source, bases } } };
    } else {
      const deploy = next.deploys[change.target.deploy];
      if (!deploy || deploy.source?.revision === revision) continue;
      next = { ...next, deploys: { ...next.deploys, [deploy.spec.id]: { ...deploy, source } } };
    }
  }
  if (next === state) return state;
  const changedAt = Math.min(...changes.map((change) => change.changedAt));
  return openLoop(next, changedAt, [...new Set(changes.flatMap((change) => change.changed))].slice(0, 100));
}

function withTask(state: State, id: TaskId, change: (task: TaskState) => TaskState): State {
  return { ...state, tasks: { ...state.tasks, [id]: change(taskState(state, id)) } };
}

/** For events of a running attempt; those of an attempt that is over are ignored. */
function withRunning(
  state: State,
  event: { readonly id: TaskId; readonly attempt: number },
  change: (task: TaskState, running: NonNullable<TaskState["running"]>) => TaskState,
): State {
  const { running } = taskState(state, event.id);
  if (running?.attempt !== event.attempt) return state;
  return withTask(state, event.id, (task) => change(task, running));
}

function takeWorkloads(state: State, id: TaskId, output: DeployOutput): State {
  const deploy = id.slice("deploy:".length);
  // What is held back may run as it was applied before.
  const later = new Set(output.later.map(({ name }) => name));
  const others = Object.entries(state.workloads).filter(
    ([, workload]) => workload.deploy !== deploy || later.has(workload.name),
  );
  const applied = output.workloads.map((workload): [string, WorkloadState] => {
    const { kind, namespace, name, generation, images } = workload;
    const known = state.workloads[workload.id];
    return [
      workload.id,
      {
        ...(known ?? {}),
        id: workload.id,
        kind,
        namespace,
        name,
        deploy,
        images,
        expected: generation,
        uid: workload.uid,
      },
    ];
  });
  return { ...state, workloads: Object.fromEntries([...others, ...applied]) };
}

function workloadChanged(state: State, id: string, health: WorkloadHealth, at: number): State {
  const workload = state.workloads[id];
  if (!workload) return state;
  const ready = health.status === "ready" && health.generation >= workload.expected;
  const { readyAt: before, ...rest } = workload;
  const readyAt = ready ? (before ?? at) : undefined;
  const next: WorkloadState = { ...rest, health, ...(readyAt === undefined ? {} : { readyAt }) };
  return { ...state, workloads: { ...state.workloads, [id]: next } };
}

function triggered(state: State, target: { readonly image?: string; readonly deploy?: string }): State {
  const all = target.image === undefined && target.deploy === undefined;
  const raise = <T extends { readonly triggers: number }>(
    entries: Readonly<Record<string, T>>,
    name: string | undefined,
  ) =>
    Object.fromEntries(
      Object.entries(entries).map(([key, value]): [string, T] => [
        key,
        all || key === name ? { ...value, triggers: value.triggers + 1 } : value,
      ]),
    );
  return {
    ...state,
    images: raise(state.images, target.image),
    deploys: raise(state.deploys, target.deploy),
  };
}

function syncSwitched(state: State, { on, image }: { readonly on: boolean; readonly image?: string }): State {
  const images = Object.entries(state.images).map(([name, value]): [string, ImageState] => {
    if (image !== undefined && name !== image) return [name, value];
    const { syncOff: _, ...rest } = value;
    return [name, on ? rest : { ...rest, syncOff: true }];
  });
  return { ...state, images: Object.fromEntries(images) };
}

/** How many past loops are kept for the waterfall. */
const keptLoops = 50;

/** A change begins a loop, or joins the one under way. */
function openLoop(state: State, startedAt: number, changed: readonly string[]): State {
  const current = state.loops.at(-1);
  if (current && current.endedAt === undefined) {
    const joined: Loop = {
      ...current,
      changed: [...new Set([...current.changed, ...changed])].slice(0, 100),
    };
    return { ...state, loops: [...state.loops.slice(0, -1), joined] };
  }
  const next: Loop = { number: (current?.number ?? 0) + 1, startedAt, changed };
  return { ...state, loops: [...state.loops, next].slice(-keptLoops) };
}

/** A loop ends when nothing is left to do and every workload has either become ready or failed. */
function endLoop(state: State, at: number): State {
  const current = state.loops.at(-1);
  if (!current || current.outcome === "ready") return state;
  const outcome = outcomeOf(state);
  // A loop that ended badly may still heal by itself: a service that crashed until its database was there.
  if (outcome === undefined || outcome === current.outcome) return state;
  const ended: Loop = { ...current, endedAt: at, outcome, took: tookOf(state, current) };
  return { ...state, loops: [...state.loops.slice(0, -1), ended] };
}

/** When each resource was done that the loop touched, in ms after its start. */
function tookOf(state: State, { startedAt }: Loop): Readonly<Record<string, number>> {
  const took: Record<string, number> = {};
  const note = (id: string, at: number): void => {
    took[id] = Math.max(took[id] ?? 0, at - startedAt);
  };
  for (const { id, last } of Object.values(state.tasks))
    if (last && last.startedAt >= startedAt) note(resourceOfTask(id), last.endedAt);
  for (const { id, readyAt } of Object.values(state.workloads))
    if (readyAt !== undefined && readyAt > startedAt) note(id, readyAt);
  return took;
}

/** Where the loop stands once nothing is left to do: undefined while something runs, waits, or is still starting. */
export function outcomeOf(state: State): Loop["outcome"] {
  const serving = state.services.engine.status === "up" && state.services.cluster.status === "up";
  if (state.paused || !serving || !everySourceKnown(state) || !everySyncKnown(state) || !isAtRest(state))
    return undefined;
  if (Object.values(state.tasks).some((task) => task.last?.status === "failed")) return "failed";
  if (Object.keys(state.crashed).length > 0) return "failed";
  const workloads = Object.values(state.workloads);
  if (workloads.some((workload) => workloadStatus(workload) === "progressing")) return undefined;
  if (workloads.some((workload) => workloadStatus(workload) === "failed")) return "failed";
  return hasLater(state) ? undefined : "ready";
}

function everySourceKnown(state: State): boolean {
  return [...Object.values(state.images), ...Object.values(state.deploys)].every(
    (item) => item.source !== undefined,
  );
}

function everySyncKnown(state: State): boolean {
  return Object.values(state.images).every(({ spec, synced }) => !spec.sync || synced !== undefined);
}

/** A workload's health as of the manifests applied last: what is said of an older generation does not count. */
export function workloadStatus(workload: WorkloadState): WorkloadHealth["status"] {
  const { health, expected } = workload;
  if (!health) return "progressing";
  if (health.status === "gone") return "progressing";
  return health.generation < expected ? "progressing" : health.status;
}
