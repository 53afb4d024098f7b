import { canonicalJson } from "../lib/canonical-json.js";
import { unreachable } from "../lib/unreachable.js";
import type { ImageSpec } from "./project.js";
import type { ImageState, State } from "./state.js";
import type { AgentNeed, Hold, Task, TaskId, TaskInput, TaskKind, Service } from "./task.js";
import { laterKey, laterWorkloads } from "./order.js";
import {
  built,
  isInterruptible,
  joinKey,
  loaded,
  parseTaskId,
  rendered,
  separator,
  syncedContainers,
  taskId,
  taskIds,
  taskState,
} from "./task-lookup.js";

/** What the engine is to do now, and why the rest waits. */
export interface Plan {
  readonly start: readonly Task[];
  readonly cancel: readonly TaskId[];
  readonly holds: ReadonlyMap<TaskId, Hold>;
}

/**
 * The one rule of the loop, for every task: running on another key → cancel (if interruptible); not running, and the
 * last attempt's key differs → start; else leave. Pure: planning twice on one state gives one plan, and a plan that was
 * carried out gives an empty one.
 */
export function plan(state: State): Plan {
  const wants = wantAll(state);
  const start: Task[] = [];
  const cancel: TaskId[] = [];
  const holds = new Map<TaskId, Hold>();

  for (const [id, task] of Object.entries(state.tasks) as [TaskId, State["tasks"][TaskId]][]) {
    if (task.running?.status !== "running" || !isInterruptible(parseTaskId(id).kind)) continue;
    const want = wants.get(id);
    const outdated = want === undefined || (want.kind === "run" && want.key !== task.running.key);
    if (outdated || state.stopping) cancel.push(id);
  }
  let builds = Object.values(state.tasks).filter(
    (task) => task.running && task.id.startsWith("build:"),
  ).length;
  for (const [id, want] of wants) {
    const task = taskState(state, id);
    if (want.kind === "hold") holds.set(id, want.hold);
    if (want.kind !== "run" || task.running || task.last?.key === want.key || state.stopping) continue;
    if (want.input.kind === "build") {
      if (builds >= state.project.maxBuilds) {
        holds.set(id, { reason: "slot", limit: state.project.maxBuilds });
        continue;
      }
      builds += 1;
    }
    start.push({ id, key: want.key, attempt: task.attempts + 1, input: want.input });
  }
  return { start, cancel, holds };
}

/** What a task should be working on: a key with its inputs, a reason to wait, or nothing at all. */
type Want =
  | { readonly kind: "run"; readonly key: string; readonly input: TaskInput }
  | { readonly kind: "hold"; readonly hold: Hold }
  | { readonly kind: "nothing" };
/** What the tasks before it want: whether those are settled decides whether a later one may go. */
type Wants = ReadonlyMap<TaskId, Want>;

const nothing: Want = { kind: "nothing" };
const hold = (reason: Hold): Want => ({ kind: "hold", hold: reason });

function wantAll(state: State): Wants {
  const wants = new Map<TaskId, Want>();
  for (const id of inDependencyOrder(state)) wants.set(id, restrained(state, id, want(state, id, wants)));
  return wants;
}

/** What is wanted, as far as a person lets it go on: paused, out of focus, or not synced. */
function restrained(state: State, id: TaskId, wanted: Want): Want {
  const reason = restraint(state, id);
  if (!reason) return wanted;
  const task = taskState(state, id);
  const due = wanted.kind === "run" && task.last?.key !== wanted.key && !task.running;
  // Out of focus, what it would wait for does not matter.
  return due || (reason.reason === "unfocused" && wanted.kind === "hold") ? hold(reason) : wanted;
}

function restraint(state: State, id: TaskId): Hold | undefined {
  const { kind, subject } = parseTaskId(id);
  if (state.paused) return { reason: "paused" };
  if (kind !== "prune" && !isInFocus(state, kind, subject)) return { reason: "unfocused" };
  return kind === "sync" && state.images[subject]?.syncOff ? { reason: "sync-off" } : undefined;
}

/** A deploy is in focus with any of its images; which these are is known once it is rendered. */
function isInFocus(state: State, kind: TaskKind, subject: string): boolean {
  const { focus } = state;
  if (focus.length === 0) return true;
  if (kind !== "render" && kind !== "deploy") return focus.includes(subject);
  const images = rendered(state, subject)?.images;
  return images === undefined || images.some((image) => focus.includes(image));
}

/** Base images before the images built on them; a circle among them ends where it began. */
function inDependencyOrder(state: State): readonly TaskId[] {
  const ordered = new Set<string>();
  const visit = (image: string, path: ReadonlySet<string>): void => {
    if (ordered.has(image) || path.has(image)) return;
    for (const base of state.images[image]?.bases ?? []) visit(base, new Set([...path, image]));
    ordered.add(image);
  };
  for (const image of Object.keys(state.images)) visit(image, new Set());
  const builds = [...ordered].filter((image) => image in state.images).map((image) => taskId("build", image));
  return [...builds, ...taskIds(state).filter((id) => !id.startsWith("build:"))];
}

function want(state: State, id: TaskId, wants: Wants): Want {
  const { kind, subject } = parseTaskId(id);
  switch (kind) {
    case "build":
      return wantBuild(state, subject, wants);
    case "render":
      return wantRender(state, subject);
    case "load":
      return wantLoad(state, subject, wants);
    case "deploy":
      return wantDeploy(state, subject, wants);
    case "sync":
      return wantSync(state, subject, wants);
    case "prune":
      return wantPrune(state, wants);
    default:
      return unreachable(kind);
  }
}

function wantBuild(state: State, name: string, wants: Wants): Want {
  const image = state.images[name];
  if (!image) return nothing;
  if (!image.source) return hold({ reason: "starting", on: "the files of its context" });
  const missing = serviceHold(state, "engine");
  if (missing) return missing;
  const bases: Record<string, string> = {};
  for (const base of image.bases) {
    if (!(base in state.images)) continue;
    const id = taskId("build", base);
    if (!isSettled(state, id, wants)) return hold({ reason: "dependency", on: id });
    const output = built(state, base);
    if (!output) return hold({ reason: "failed-input", on: id });
    bases[base] = output.ref;
  }
  const { spec, source, triggers } = image;
  const basis = joinKey([spec.specHash, source.revision, triggers, ...Object.values(bases)]);
  if (!spec.sync) return { kind: "run", key: basis, input: { kind: "build", image: spec, bases } };
  if (!image.synced) return hold({ reason: "starting", on: "the files that are synced" });
  return wantSyncedBuild(state, image, { basis, bases, synced: image.synced.revision });
}

/**
 * The build of an image whose files are synced: a change of those alone asks for none, as long as there is an image to sync
 * them into. A build that failed may have failed for them.
 */
function wantSyncedBuild(
  state: State,
  { spec, triggers, rebuilds }: ImageState,
  {
    basis,
    bases,
    synced,
  }: {
    readonly basis: string;
    readonly bases: Readonly<Record<string, string>>;
    readonly synced: string;
  },
): Want {
  const task = taskState(state, taskId("build", spec.name));
  const prefix = joinKey([basis, rebuilds, ""]);
  const standing = [task.running?.key, task.success?.key].find((key) => key?.startsWith(prefix));
  // What was built last is what counts: after a failure of the same it is not what was asked for.
  const succeeded = task.running !== undefined || task.last?.status === "succeeded";
  const key = standing !== undefined && succeeded ? standing : prefix + synced;
  const anew = triggers > 0 || rebuilds > 0;
  const input: TaskInput = { kind: "build", image: spec, bases, synced, basis, ...(anew ? { anew } : {}) };
  return { kind: "run", key, input };
}

function wantRender(state: State, id: string): Want {
  const deploy = state.deploys[id];
  if (!deploy) return nothing;
  if (!deploy.source) return hold({ reason: "starting", on: "its files" });
  const images = Object.keys(state.images).sort();
  const key = joinKey([deploy.spec.specHash, deploy.source.revision, deploy.triggers, ...images]);
  return { kind: "run", key, input: { kind: "render", deploy: deploy.spec, images } };
}

function wantLoad(state: State, name: string, wants: Wants): Want {
  const build = taskId("build", name);
  const output = built(state, name);
  if (!output)
    return hold(
      isSettled(state, build, wants)
        ? { reason: "failed-input", on: build }
        : { reason: "dependency", on: build },
    );
  // Which manifests name the image is known once they are rendered: one that none names is not worth moving.
  const renders = Object.keys(state.deploys).map((deploy) => taskId("render", deploy));
  const used = Object.keys(state.deploys).some((deploy) => rendered(state, deploy)?.images.includes(name));
  if (!used) {
    const pending = renders.find((render) => !isSettled(state, render, wants));
    if (pending) return hold({ reason: "dependency", on: pending });
    const failed = renders.find((render) => hasFailed(state, render));
    if (failed) return hold({ reason: "failed-input", on: failed });
    if (renders.length === 0 || isBase(state, name)) return nothing;
  }
  const missing = serviceHold(state, "cluster");
  if (missing) return missing;
  const input: TaskInput = { kind: "load", image: name, ref: output.ref, imageId: output.imageId };
  if (!used) {
    const names = [
      ...new Set(Object.keys(state.deploys).flatMap((deploy) => rendered(state, deploy)?.names ?? [])),
    ].sort();
    return { kind: "run", key: joinKey(["unused", ...names]), input: { ...input, unusedAmong: names } };
  }
  // A rebuild that is asked for also looks whether the nodes still have the image: the kubelet may have removed it.
  const triggers = triggersOfBuild(state, name);
  return {
    kind: "run",
    key: joinKey([output.imageId, output.ref, triggers, ...(state.cluster?.nodes ?? [])]),
    input,
  };
}

function wantDeploy(state: State, id: string, wants: Wants): Want {
  const deploy = state.deploys[id];
  if (!deploy) return nothing;
  const render = taskId("render", id);
  if (!isSettled(state, render, wants)) return hold({ reason: "dependency", on: render });
  const output = rendered(state, id);
  if (!output || hasFailed(state, render)) return hold({ reason: "failed-input", on: render });
  const before = Object.keys(state.deploys);
  for (const other of before.slice(0, before.indexOf(id))) {
    const earlier = taskId("deploy", other);
    if (!isSettled(state, earlier, wants)) return hold({ reason: "dependency", on: earlier });
  }
  // New manifests may need new code: they wait for every image on its way. With the manifests that run already, an
  // image goes out as soon as it is there, and one that fails keeps none of the others back.
  const changedManifests = deployedRender(state, id) !== output.hash;
  const refs: Record<string, string> = {};
  let failed: TaskId | undefined;
  for (const image of output.images) {
    const ref = loaded(state, image)?.ref;
    const under = [taskId("build", image), taskId("load", image)].find(
      (task) => !isSettled(state, task, wants),
    );
    if (under && (ref === undefined || changedManifests)) return hold({ reason: "dependency", on: under });
    if (ref !== undefined) refs[image] = ref;
    else failed ??= hasFailed(state, taskId("build", image)) ? taskId("build", image) : taskId("load", image);
  }
  if (failed && Object.keys(refs).length === 0) return hold({ reason: "failed-input", on: failed });
  const lost = serviceHold(state, "cluster");
  if (lost) return lost;
  const missing = output.images.filter((image) => !(image in refs));
  const agents = agentNeeds(state, output.images);
  const { restarts } = state.project;
  const basis = joinKey([
    output.hash,
    deploy.triggers,
    ...Object.entries(refs).flat(),
    ...Object.entries(agents).flat(),
    ...Object.entries(restarts).flat(2),
  ]);
  const later = laterWorkloads(state, id, basis);
  const key = laterKey(basis, later);
  const last = taskState(state, taskId("deploy", id)).success?.output;
  const freed = last?.kind === "deploy" && last.later.some(({ name }) => !(name in later));
  return {
    kind: "run",
    key,
    input: {
      kind: "deploy",
      deploy: deploy.spec,
      render: output.hash,
      refs,
      missing,
      agents,
      later,
      freed,
      restarts,
    },
  };
}

function agentNeeds(state: State, images: readonly string[]): Readonly<Record<string, AgentNeed>> {
  return Object.fromEntries(
    images.flatMap((name): readonly (readonly [string, AgentNeed])[] => {
      const { sync, pull = [] } = state.images[name]?.spec ?? {};
      if (!sync && pull.length === 0) return [];
      const actions = sync?.kind === "auto" ? [sync.then] : (sync?.rules ?? []).map(({ then }) => then);
      if (!sync) return [[name, "pull"]];
      return [[name, actions.some(({ kind }) => kind === "restart") ? "process" : "files"]];
    }),
  );
}

/** Files go into the containers of an image that is as new as its other files are: half an edit would be neither. */
function wantSync(state: State, name: string, wants: Wants): Want {
  const image = state.images[name];
  if (!image?.spec.sync) return nothing;
  if (!image.synced) return hold({ reason: "starting", on: "the files that are synced" });
  for (const task of [taskId("build", name), taskId("load", name)]) {
    if (!isSettled(state, task, wants))
      return wantSyncAsBefore(state, image.spec, hold({ reason: "dependency", on: task }));
    if (hasFailed(state, task))
      return wantSyncAsBefore(state, image.spec, hold({ reason: "failed-input", on: task }));
  }
  const ref = loaded(state, name)?.ref;
  const output = built(state, name);
  if (ref === undefined || output === undefined) return nothing;
  const containers = syncedContainers(state, name);
  const { revision } = image.synced;
  const fresh = output.synced === revision;
  // None runs that could take the files: the only way in is a new image, for one that fails by itself.
  if (containers.length === 0 && (fresh || !failsWithout(state, name))) return nothing;
  const lost = serviceHold(state, "cluster");
  if (lost) return lost;
  const ids = containers.map(({ id, reconnects }) => `${id}+${reconnects}`).sort();
  return {
    kind: "run",
    // A build that a refused sync asked for may give the same image again: whether it helped is to be seen.
    key: joinKey([ref, revision, hashOfRules(image.spec), image.rebuilds, ...ids]),
    input: { kind: "sync", image: image.spec, ref, revision, fresh, containers },
  };
}

/**
 * While the next image is not there, a container that comes new, such as one that was restarted, gets what the others of its image
 * got last: with its image alone it would be older than they are. Otherwise it is as `otherwise` says.
 */
function wantSyncAsBefore(state: State, image: ImageSpec, otherwise: Want): Want {
  const { success } = taskState(state, taskId("sync", image.name));
  const ref = loaded(state, image.name)?.ref;
  const { output } = success ?? {};
  // What was synced last was synced into containers of this image: its reference is the first part of the key.
  if (ref === undefined || !success?.key.startsWith(joinKey([ref, ""]))) return otherwise;
  if (output?.kind !== "sync" || output.rebuild !== undefined || serviceHold(state, "cluster"))
    return otherwise;
  const containers = syncedContainers(state, image.name);
  const known = new Set(output.containers.map(({ id }) => id));
  if (containers.every(({ id }) => known.has(id))) return otherwise;
  const ids = containers.map(({ id, reconnects }) => `${id}+${reconnects}`).sort();
  return {
    kind: "run",
    key: joinKey([ref, "as before", ...ids]),
    input: { kind: "sync", image, ref, fresh: false, containers },
  };
}

function hashOfRules({ sync }: ImageSpec): string {
  return canonicalJson(sync ?? {});
}

/**
 * A workload of the image has failed: its containers come to nothing before anything can be synced into them. One that has only
 * just ended is started again at once.
 */
function failsWithout(state: State, image: string): boolean {
  return Object.values(state.workloads).some(
    ({ kind, images, health }) =>
      images.includes(image) &&
      health?.status === "failed" &&
      (health.cause?.reason !== "Exited" || kind === "Job"),
  );
}

function wantPrune(state: State, wants: Wants): Want {
  const deploys = Object.keys(state.deploys);
  for (const deploy of deploys) {
    const id = taskId("deploy", deploy);
    // A deploy that was renamed takes over its objects first: only what none of them holds is removed.
    if (!isSettled(state, id, wants)) return hold({ reason: "dependency", on: id });
    if (!taskState(state, id).success || hasFailed(state, id))
      return hold({ reason: "failed-input", on: id });
  }
  return (
    serviceHold(state, "cluster") ?? {
      kind: "run",
      key: joinKey(deploys),
      input: { kind: "prune", keep: deploys },
    }
  );
}

/** Nothing runs, and nothing will without a new input: its output, or its failure, is what there is. */
function isSettled(state: State, id: TaskId, wants: Wants): boolean {
  const task = taskState(state, id);
  if (task.running) return false;
  const wanted = wants.get(id) ?? nothing;
  switch (wanted.kind) {
    case "nothing":
      return true;
    case "run":
      return task.last?.key === wanted.key;
    case "hold":
      return settledHolds.has(wanted.hold.reason);
    default:
      return unreachable(wanted);
  }
}

/** What waits for these waits for a person: whatever is there has to do meanwhile. */
const settledHolds: ReadonlySet<Hold["reason"]> = new Set(["failed-input", "unfocused", "sync-off"]);

function hasFailed(state: State, id: TaskId): boolean {
  return taskState(state, id).last?.status === "failed";
}

function isBase(state: State, name: string): boolean {
  return Object.values(state.images).some((image) => image.bases.includes(name));
}

function serviceHold(state: State, service: Service): Want | undefined {
  const { status } = state.services[service];
  if (status === "down") return hold({ reason: "unreachable", service });
  if (status === "up" && (service === "engine" || state.cluster)) return undefined;
  return hold({ reason: "starting", on: service === "engine" ? "the container engine" : "the cluster" });
}

/** The hash of the manifests that the last successful deploy applied: the first part of its key. */
function deployedRender(state: State, id: string): string | undefined {
  return taskState(state, taskId("deploy", id)).success?.key.split(separator)[0];
}

/** How often a rebuild had been asked for when the newest image was built: the third part of its build's key. */
function triggersOfBuild(state: State, image: string): string {
  return taskState(state, taskId("build", image)).success?.key.split(separator)[2] ?? "0";
}

/** Whether the loop has nothing running and nothing to start: it rests until the next event. */
export function isAtRest(state: State): boolean {
  return Object.values(state.tasks).every((task) => !task.running) && plan(state).start.length === 0;
}

/** Why a task waits; undefined when it does not. */
export function taskHold(state: State, id: TaskId): Hold | undefined {
  return plan(state).holds.get(id);
}

/**
 * Whether a container has just come and is still to get what changed since its image was built: no connection is to be made to it
 * before. One that cannot get it, or not now, is better than none.
 */
export function awaitsSync(
  state: State,
  container: { readonly id: string; readonly image: string },
): boolean {
  const image = Object.values(state.images).find(
    ({ spec: { name, sync } }) => sync && loaded(state, name)?.ref === container.image,
  );
  if (!image) return false;
  const id = taskId("sync", image.spec.name);
  const { running, last, success } = taskState(state, id);
  const output = success?.output;
  const had =
    output?.kind === "sync" &&
    (output.rebuild !== undefined || output.containers.some((each) => each.id === container.id));
  if (had) return false;
  const tried = state.containers.some((each) => each.id === container.id);
  return !(tried && !running && last?.status === "failed") && !taskHold(state, id);
}
