import type { ErrorCode } from "../lib/errors.js";
import type { State } from "./state.js";
import type { BuildOutput, LoadOutput, RenderOutput, TaskId, TaskKind, TaskState } from "./task.js";
import type { RunningContainer } from "./container.js";

/** The id of the one task that removes what deploys that left the config had applied. */
export const pruneTask: TaskId = "prune:removed";

/** Every task of the project, each after those whose outputs it reads. */
export function taskIds(state: State): readonly TaskId[] {
  const images = Object.keys(state.images);
  const deploys = Object.keys(state.deploys);
  return [
    ...images.map((name) => taskId("build", name)),
    ...deploys.map((id) => taskId("render", id)),
    ...images.map((name) => taskId("load", name)),
    ...deploys.map((id) => taskId("deploy", id)),
    ...Object.values(state.images).flatMap(({ spec }) => (spec.sync ? [taskId("sync", spec.name)] : [])),
    pruneTask,
  ];
}

export function taskId(kind: TaskKind, subject: string): TaskId {
  return `${kind}:${subject}`;
}

/** Failures of the outside that pass by themselves: their task is tried again after a while. */
export const transientCodes: ReadonlySet<string> = new Set<ErrorCode>([
  "NODE_UNREACHABLE",
  "SYNC_INTERRUPTED",
]);

/** Splits a task's id: `build:monitor-agent` is a build of monitor-agent. */
export function parseTaskId(id: TaskId): { readonly kind: TaskKind; readonly subject: string } {
  const colon = id.indexOf(":");
  return { kind: id.slice(0, colon) as TaskKind, subject: id.slice(colon + 1) };
}

/** Only builds are worth stopping half-way: half a load or apply is worse than one that ends and runs again. */
export function isInterruptible(kind: TaskKind): boolean {
  return kind === "build";
}

export function taskState(state: State, id: TaskId): TaskState {
  return state.tasks[id] ?? { id, attempts: 0 };
}

/** The newest output of an image's build, and of its load; undefined before the first. */
export function built(state: State, image: string): BuildOutput | undefined {
  const output = taskState(state, taskId("build", image)).success?.output;
  return output?.kind === "build" ? output : undefined;
}
export function loaded(state: State, image: string): LoadOutput | undefined {
  const output = taskState(state, taskId("load", image)).success?.output;
  return output?.kind === "load" ? output : undefined;
}
export function rendered(state: State, deploy: string): RenderOutput | undefined {
  const output = taskState(state, taskId("render", deploy)).success?.output;
  return output?.kind === "render" ? output : undefined;
}

/** The containers of an image that its sync brings up to date: those of the reference loaded last. */
export function syncedContainers(state: State, image: string): readonly RunningContainer[] {
  const ref = loaded(state, image)?.ref;
  return ref === undefined ? [] : state.containers.filter((container) => container.image === ref);
}

/** Between the parts of a task's key. */
export const separator = "|";
export const joinKey = (parts: readonly (string | number)[]): string => parts.join(separator);

/** The resource that a task works for, by its id: `image:web`, `deploy:k8s/overlays/dev`. */
export function resourceOfTask(id: TaskId): string {
  const { kind, subject } = parseTaskId(id);
  return kind === "build" || kind === "load" || kind === "sync" ? `image:${subject}` : `deploy:${subject}`;
}
