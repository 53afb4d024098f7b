import { describeHold } from "./describe-hold.js";
import type { ForwardState, State, WorkloadState } from "./state.js";
import type { Hold, TaskId, TaskState } from "./task.js";
import { taskId, taskState } from "./task-lookup.js";
import { bytes, count, duration } from "../lib/format.js";
import { localUrl } from "../lib/local-url.js";
import { shortName } from "../lib/short-name.js";
import { syncedText } from "../lib/synced-text.js";
import { unreachable } from "../lib/unreachable.js";

/** What a resource's sign and colour say; its word says the same. */
export type Health = "good" | "busy" | "bad" | "waiting";

/** One image, deploy, workload or forward, as it is told to people and programs: the screen's rows and the socket's state are made of these. */
export interface Resource {
  /** `image:web`, `deploy:k8s/overlays/dev`, `Deployment/dev/web`, `service/web:80`. */
  readonly id: string;
  readonly kind: "image" | "deploy" | "workload" | "forward";
  /** Its key in the state. */
  readonly subject: string;
  readonly name: string;
  readonly health: Health;
  /** One word. */
  readonly status: string;
  /** When it came to be so, in ms since the epoch. */
  readonly since?: number;
  /** Of a workload. */
  readonly pods?: { readonly ready: number; readonly desired: number };
  readonly restarts?: number;
  /** What it does or waits for, or why it is not well, in one line; may be empty. */
  readonly text: string;
  readonly urls: readonly string[];
  /** Of an image: how long its last build ran, in ms. */
  readonly tookMs?: number;
  /** How long the last loops that touched it took until it was done, in ms, the newest last; without the start. */
  readonly loopsMs: readonly number[];
}

/** Why a task waits; undefined when it does not. */
export type HoldOf = (id: TaskId) => Hold | undefined;

/** All of them: images, deploys, workloads, each kind after what it needs, then forwards. */
export function resourcesOf(state: State, holdOf: HoldOf): readonly Resource[] {
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
  return [
    ...images.map(({ spec }) => imageOf(state, spec.name, holdOf)),
    ...Object.keys(state.deploys).map((id) => deployOf(state, id, holdOf)),
    ...workloads.map((workload) =>
      workloadOf(
        state,
        workload,
        forwards.filter((forward) => forward.spec.name === workload.name),
      ),
    ),
    ...forwards.map(forwardOf),
  ];
}

function loopsOf({ loops }: State, id: string): readonly number[] {
  // The first one is the start, no save.
  return loops.flatMap(({ number, took }) => (number > 1 ? (took?.[id] ?? []) : [])).slice(-shownLoops);
}
const shownLoops = 8;

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

/** What a resource says of itself, without who it is. */
type Saying = Pick<Resource, "health" | "status" | "since" | "text">;

function imageOf(state: State, name: string, holdOf: HoldOf): Resource {
  const build = taskState(state, taskId("build", name));
  const load = taskState(state, taskId("load", name));
  const sync = taskState(state, taskId("sync", name));
  const id = `image:${name}`;
  return {
    id,
    kind: "image",
    subject: name,
    name: shortName(name, Object.keys(state.images)),
    urls: [],
    loopsMs: loopsOf(state, id),
    ...(build.last ? { tookMs: build.last.endedAt - build.last.startedAt } : {}),
    ...(running(build, "building") ??
      running(load, "loading") ??
      running(sync, "syncing") ??
      waiting(build, holdOf) ??
      failed(build, "failed", name) ??
      failed(load, "failed", name) ??
      failed(sync, "failed", name) ??
      crashedSaying(state, name) ??
      waiting(load, holdOf) ??
      waiting(sync, holdOf) ??
      syncedSaying(state.images[name]?.synced?.changed ?? [], build, sync) ??
      builtSaying(build, load)),
  };
}

function crashedSaying(state: State, name: string): Saying | undefined {
  const crashed = Object.values(state.crashed).find(({ image }) => image === name);
  if (!crashed) return undefined;
  const text = `its process exited with ${crashed.exitCode} in ${crashed.pod} after the last sync`;
  return { health: "bad", status: "crashed", text };
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
  return { health: "good", status: "synced", since: sync.success.at, text: text + took };
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
    status: "built",
    since: build.success.at,
    text: output.remembered
      ? "before, from the same files"
      : `${took}${output.cachedSteps} of ${count(output.steps, "step")} cached${loadedText}`,
  };
}

function deployOf(state: State, id: string, holdOf: HoldOf): Resource {
  const render = taskState(state, taskId("render", id));
  const deploy = taskState(state, taskId("deploy", id));
  return {
    id: `deploy:${id}`,
    kind: "deploy",
    subject: id,
    name: Object.keys(state.deploys).length === 1 ? "deploy" : shortName(id, Object.keys(state.deploys)),
    urls: [],
    loopsMs: loopsOf(state, `deploy:${id}`),
    ...(running(render, "rendering") ??
      running(deploy, "applying") ??
      waiting(render, holdOf) ??
      failed(render, "failed") ??
      waiting(deploy, holdOf) ??
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
  return { health: "good", status: "applied", since: deploy.success.at, text };
}

function workloadOf(state: State, workload: WorkloadState, forwards: readonly ForwardState[]): Resource {
  const { health, name } = workload;
  const since = beganAt(state, workload);
  const head = {
    id: workload.id,
    kind: "workload",
    subject: workload.id,
    name,
    ...(since === undefined ? {} : { since }),
    urls: forwards.flatMap((each) => (each.state.status === "listening" ? [localUrl(each.state)] : [])),
    loopsMs: loopsOf(state, workload.id),
  } as const;
  if (!health)
    return { ...head, health: "busy", status: "starting", text: "applied, nothing seen of it yet" };
  // The container's name is most often the workload's.
  const cause = health.cause?.message.replace(`container ${name} `, "");
  const moved = forwards.flatMap(({ spec, state }) =>
    state.status === "listening" && state.moved ? [`port ${spec.local} is taken`] : [],
  );
  return {
    ...head,
    ...healthWord(workload),
    pods: { ready: health.ready, desired: health.desired },
    restarts: health.restarts,
    text: [cause ?? (health.status === "ready" ? undefined : health.message), ...moved]
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

function healthWord({ health, expected }: WorkloadState): Pick<Resource, "health" | "status"> {
  if (!health) return { health: "busy", status: "starting" };
  switch (health.status) {
    case "ready":
      return health.generation < expected
        ? { health: "busy", status: "updating" }
        : { health: "good", status: "ready" };
    case "progressing":
      return { health: "busy", status: "starting" };
    case "failed":
      return { health: "bad", status: "failing" };
    case "gone":
      return { health: "bad", status: "gone" };
    default:
      return unreachable(health.status);
  }
}

function forwardOf({ spec, state, serving }: ForwardState): Resource {
  const head = {
    id: spec.id,
    kind: "forward",
    subject: spec.id,
    name: spec.id,
    urls: [],
    loopsMs: [],
  } as const;
  switch (state.status) {
    case "starting":
      return { ...head, health: "busy", status: "starting", text: "" };
    case "listening":
      return {
        ...head,
        urls: [localUrl(state)],
        health: serving ? "good" : "waiting",
        status: serving ? "serving" : "waiting",
        text: serving ? "" : "waits for a pod that is ready",
      };
    case "failed":
      return { ...head, health: "bad", status: "failed", text: state.failure.message };
    default:
      return unreachable(state);
  }
}

const nothingYet: Saying = { health: "waiting", status: "waiting", text: "" };

function running(task: TaskState, word: string): Saying | undefined {
  if (!task.running) return undefined;
  const { status, startedAt, progress } = task.running;
  return status === "cancelling"
    ? { health: "busy", status: "stopping", since: startedAt, text: "a newer change is here" }
    : { health: "busy", status: word, since: startedAt, text: progress?.message ?? "" };
}

function waiting(task: TaskState, holdOf: HoldOf): Saying | undefined {
  const hold = holdOf(task.id);
  return hold && { health: "waiting", status: "waiting", text: describeHold(hold) };
}

/** `name` is the row's own: a message need not begin with it again. */
function failed(task: TaskState, word: string, name = ""): Saying | undefined {
  if (task.last?.status !== "failed") return undefined;
  const [text = ""] = task.last.failure.message.split("\n");
  const rest = text.startsWith(`${name}: `) ? text.slice(name.length + 2) : text;
  return { health: "bad", status: word, since: task.last.endedAt, text: rest };
}

function part(amount: number, word: string): string | undefined {
  return amount === 0 ? undefined : `${amount} ${word}`;
}
