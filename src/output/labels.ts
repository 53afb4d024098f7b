import type { State } from "../engine/state.js";
import type { TaskId, WorkloadId } from "../engine/task.js";
import { parseTaskId } from "../engine/task-lookup.js";
import { lastPart, shortName } from "../lib/short-name.js";

/** What a line of output is about, in the word that stands before it: an image's, workload's or deploy's short name. */
export function taskLabel(state: State, id: TaskId): string {
  const { kind, subject } = parseTaskId(id);
  if (kind === "build" || kind === "load" || kind === "sync") return imageLabel(state, subject);
  return kind === "prune" ? "deploy" : deployLabel(state, subject);
}

/** The last part of the image's name, unless two images share it. */
export function imageLabel(state: State, name: string): string {
  return shortName(name, Object.keys(state.images));
}

/** "deploy" in a project with one deploy; else the last part of the deploy's path or release. */
export function deployLabel(state: State, id: string): string {
  const ids = Object.keys(state.deploys);
  return ids.length < 2 ? "deploy" : shortName(id, ids);
}

/** The workload's name, with its kind where two share it. */
export function workloadLabel(state: State, id: WorkloadId): string {
  const name = lastPart(id);
  const shared = Object.values(state.workloads).some((other) => other.id !== id && other.name === name);
  return shared ? `${name} (${id.slice(0, id.indexOf("/"))})` : name;
}

/** The width of the label column: the longest of the project's own, within reason. */
export function labelWidth(state: State): number {
  const labels = [
    "devloop",
    ...Object.keys(state.images).map((name) => imageLabel(state, name)),
    ...Object.keys(state.deploys).map((id) => deployLabel(state, id)),
    ...Object.keys(state.workloads).map((id) => workloadLabel(state, id)),
  ];
  return Math.min(30, Math.max(...labels.map((label) => label.length)));
}
