import type { ForwardState, Hold, State, TaskId, TaskState, WorkloadState } from "../engine/model.js";
import { taskId, taskState } from "../engine/tasks.js";
import { bytes, count, duration } from "../lib/format.js";
import { localUrl } from "../lib/local-url.js";
import { syncedText } from "../lib/synced-text.js";
import { shortName } from "../lib/short-name.js";
import { unreachable } from "../lib/unreachable.js";
import { describeHold } from "../engine/describe-hold.js";

/** What a row's sign and colour say; its word says the same. */
export type Health = "good" | "busy" | "bad" | "waiting";

/** A line of the table: one image, deploy, workload, or forward that belongs to no workload. */
export interface Row {
  readonly id: string;
  readonly kind: "image" | "deploy" | "workload" | "forward";
  /** Its key in the state. */
  readonly subject: string;
  readonly name: string;
  readonly health: Health;
  /** One word. */
  readonly state: string;
  /** When it came to be so, in ms since the epoch. */
  readonly since?: number;
  /** Of a workload: "1/1". */
  readonly pods?: string;
  readonly restarts?: number;
  /** What it does or waits for, in one line. */
  readonly text: string;
  readonly urls: readonly string[];
}

/** Why a task waits; undefined when it does not. */
export type HoldOf = (state: State, id: TaskId) => Hold | undefined;

/** The table: images, deploys, workloads, then the forwards that lead to none of these. */
export function screenRows(state: State, holdOf: HoldOf): readonly Row[] {
  const forwards = Object.values(state.forwards);
  const workloads = inOrder(
    Object.values(state.workloads),
    ({ name }) => name,
    ({ name }) => Object.keys(state.project.order[name] ?? {}),
  );
  const images = inOrder(
    Object.values(state.images),
    ({ spec }) => spec.name,
    ({ bases }) => bases,
  );
  const names = new Set(workloads.map((workload) => workload.name));
  return [
    ...images.map(({ spec }) => imageRow(state, spec.name, holdOf)),
    ...Object.keys(state.deploys).map((id) => deployRow(state, id, holdOf)),
    ...workloads.map((workload) =>
      workloadRow(
        state,
        workload,
        forwards.filter((forward) => forward.spec.name === workload.name),
      ),
    ),
    ...forwards.filter((forward) => !names.has(forward.spec.name)).map(forwardRow),
  ];
}

/** Each after what it needs, else as they were; a circle ends where it began. */
function inOrder<T>(
  items: readonly T[],
  nameOf: (item: T) => string,
  needsOf: (item: T) => readonly string[],
): readonly T[] {
  const byName = new Map(items.map((item) => [nameOf(item), item]));
  const placed = new Set<T>();
  const place = (item: T | undefined): void => {
    if (item === undefined || placed.has(item) || pending.has(item)) return;
    pending.add(item);
    for (const need of needsOf(item)) place(byName.get(need));
    pending.delete(item);
    placed.add(item);
  };
  const pending = new Set<T>();
  for (const item of items) place(item);
  return [...placed];
}

/** What a row says of itself, without who it is. */
type Saying = Pick<Row, "health" | "state" | "since" | "text">;

function imageRow(state: State, name: string, holdOf: HoldOf): Row {
  const build = taskState(state, taskId("build", name));
  const load = taskState(state, taskId("load", name));
  const sync = taskState(state, taskId("sync", name));
  return {
    id: `image:${name}`,
    kind: "image",
    subject: name,
    name: shortName(name, Object.keys(state.images)),
    urls: [],
    ...(running(build, "building") ??
      running(load, "loading") ??
      running(sync, "syncing") ??
      waiting(state, build, holdOf) ??
      failed(build, "failed", name) ??
      failed(load, "failed", name) ??
      failed(sync, "failed", name) ??
      crashedSaying(state, name) ??
      waiting(state, load, holdOf) ??
      syncedSaying(state.images[name]?.synced?.changed ?? [], build, sync) ??
      builtSaying(build, load)),
  };
}

function crashedSaying(state: State, name: string): Saying | undefined {
  const crashed = Object.values(state.crashed).find(({ image }) => image === name);
  if (!crashed) return undefined;
  const text = `its process exited with ${crashed.exitCode} in ${crashed.pod} after the last sync`;
  return { health: "bad", state: "crashed", text };
}

/** The last sync, when it changed something since the image was built. */
function syncedSaying(changed: readonly string[], build: TaskState, sync: TaskState): Saying | undefined {
  const output = sync.success?.output;
  if (output?.kind !== "sync" || !sync.success || sync.success.at < (build.success?.at ?? 0))
    return undefined;
  const text = syncedText(output.containers, changed);
  if (text === undefined) return undefined;
  const took =
    sync.last?.status === "succeeded" ? ` in ${duration(sync.last.endedAt - sync.last.startedAt)}` : "";
  return { health: "good", state: "synced", since: sync.success.at, text: text + took };
}

function builtSaying(build: TaskState, load: TaskState): Saying {
  const output = build.success?.output;
  if (output?.kind !== "build" || !build.success) return nothingYet;
  const moved = load.success?.output;
  const loadedText = moved?.kind === "load" && moved.bytes > 0 ? `, ${bytes(moved.bytes)} loaded` : "";
  const took =
    build.last?.status === "succeeded" ? `in ${duration(build.last.endedAt - build.last.startedAt)}, ` : "";
  return {
    health: "good",
    state: "built",
    since: build.success.at,
    text: output.remembered
      ? "before, from the same files"
      : `${took}${output.cachedSteps} of ${count(output.steps, "step")} cached${loadedText}`,
  };
}

function deployRow(state: State, id: string, holdOf: HoldOf): Row {
  const render = taskState(state, taskId("render", id));
  const deploy = taskState(state, taskId("deploy", id));
  return {
    id: `deploy:${id}`,
    kind: "deploy",
    subject: id,
    name: Object.keys(state.deploys).length === 1 ? "deploy" : shortName(id, Object.keys(state.deploys)),
    urls: [],
    ...(running(render, "rendering") ??
      running(deploy, "applying") ??
      waiting(state, render, holdOf) ??
      failed(render, "failed") ??
      waiting(state, deploy, holdOf) ??
      failed(deploy, "failed") ??
      appliedSaying(deploy)),
  };
}

function appliedSaying(deploy: TaskState): Saying {
  const output = deploy.success?.output;
  if (output?.kind !== "deploy" || !deploy.success) return nothingYet;
  const parts = [
    part(output.created, "created"),
    part(output.changed, "changed"),
    part(output.unchanged, "unchanged"),
    part(output.pruned.length, "removed"),
    part(output.replaced.length, "replaced"),
    part(output.waiting.length, "waiting for an image"),
    ...output.later.map(({ name, until }) => `${name} waits until ${until}`),
  ];
  const text = parts.filter((each) => each !== undefined).join(", ");
  return { health: "good", state: "applied", since: deploy.success.at, text };
}

function workloadRow(state: State, workload: WorkloadState, forwards: readonly ForwardState[]): Row {
  const { health, name } = workload;
  const since = beganAt(state, workload);
  const row = {
    id: `workload:${workload.id}`,
    kind: "workload",
    subject: workload.id,
    name,
    ...(since === undefined ? {} : { since }),
    urls: forwards.flatMap(({ state }) => (state.status === "listening" ? [localUrl(state)] : [])),
  } as const;
  if (!health) return { ...row, health: "busy", state: "starting", text: "applied, nothing seen of it yet" };
  // The count is part of most causes, and the container's name is most often the row's.
  const cause = health.cause?.message.replace(`container ${name} `, "");
  const problem = forwards.map(({ spec, state }) =>
    state.status === "failed"
      ? state.failure.message
      : state.status === "listening" && state.moved
        ? `port ${spec.local} is taken`
        : undefined,
  );
  return {
    ...row,
    ...healthWord(workload),
    pods: `${health.ready}/${health.desired}`,
    ...(cause?.includes("restarted") ? {} : { restarts: health.restarts }),
    text: [cause ?? (health.status === "ready" ? undefined : health.message), ...problem]
      .filter((each) => each !== undefined)
      .join("; "),
  };
}

/** When the workload came to be as it is: ready, or with its youngest pod of the newest revision. */
function beganAt(state: State, { health, expected, readyAt, deploy }: WorkloadState): number | undefined {
  if (!health || health.generation < expected) return taskState(state, taskId("deploy", deploy)).success?.at;
  if (health.status === "ready") return readyAt ?? health.createdAt;
  const created = health.pods.filter((pod) => pod.current && !pod.terminating).map((pod) => pod.createdAt);
  return created.length > 0 ? Math.max(...created) : health.createdAt;
}

function healthWord({ health, expected }: WorkloadState): Pick<Row, "health" | "state"> {
  if (!health) return { health: "busy", state: "starting" };
  switch (health.status) {
    case "ready":
      return health.generation < expected
        ? { health: "busy", state: "updating" }
        : { health: "good", state: "ready" };
    case "progressing":
      return { health: "busy", state: "starting" };
    case "failed":
      return { health: "bad", state: "failing" };
    case "gone":
      return { health: "bad", state: "gone" };
    default:
      return unreachable(health.status);
  }
}

function forwardRow({ spec, state, serving }: ForwardState): Row {
  const row = {
    id: `forward:${spec.id}`,
    kind: "forward",
    subject: spec.id,
    name: spec.id,
    urls: [],
  } as const;
  switch (state.status) {
    case "starting":
      return { ...row, health: "busy", state: "starting", text: "" };
    case "listening":
      return {
        ...row,
        urls: [localUrl(state)],
        health: serving ? "good" : "waiting",
        state: serving ? "serving" : "waiting",
        text: serving ? "" : "waits for a pod that is ready",
      };
    case "failed":
      return { ...row, health: "bad", state: "failed", text: state.failure.message };
    default:
      return unreachable(state);
  }
}

const nothingYet: Saying = { health: "waiting", state: "waiting", text: "" };

function running(task: TaskState, word: string): Saying | undefined {
  if (!task.running) return undefined;
  const { status, startedAt, progress } = task.running;
  return status === "cancelling"
    ? { health: "busy", state: "stopping", since: startedAt, text: "a newer change is here" }
    : { health: "busy", state: word, since: startedAt, text: progress?.message ?? "" };
}

function waiting(state: State, task: TaskState, holdOf: HoldOf): Saying | undefined {
  const hold = holdOf(state, task.id);
  return hold && { health: "waiting", state: "waiting", text: describeHold(hold) };
}

/** `name` is the row's own: a message need not begin with it again. */
function failed(task: TaskState, word: string, name = ""): Saying | undefined {
  if (task.last?.status !== "failed") return undefined;
  const [text = ""] = task.last.failure.message.split("\n");
  const rest = text.startsWith(`${name}: `) ? text.slice(name.length + 2) : text;
  return { health: "bad", state: word, since: task.last.endedAt, text: rest };
}

function part(amount: number, word: string): string | undefined {
  return amount === 0 ? undefined : `${amount} ${word}`;
}
