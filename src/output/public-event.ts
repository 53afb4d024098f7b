import { createHash } from "node:crypto";
import type { Event } from "../engine/event.js";
import type { Project } from "../engine/project.js";
import type { LogLine, State, WorkloadHealth } from "../engine/state.js";
import type { TaskProgress } from "../engine/task.js";
import { parseTaskId } from "../engine/task-lookup.js";
import { unreachable } from "../lib/unreachable.js";
import { endedLoop } from "./describe.js";
import type { OutputEvent } from "./event-schema.js";

/** An event as `--output json` prints it: no build arguments, Helm values or task inputs, times in ISO form. */
export function publicEvent(event: Event): OutputEvent {
  const head = { v: 1, time: isoTime(event.at) } as const;
  switch (event.type) {
    case "config.loaded":
      return { ...head, type: event.type, project: publicProject(event.project), files: [...event.files] };
    case "sources.changed":
      return {
        ...head,
        type: event.type,
        changes: event.changes.map(({ target, revision, changed, changedAt, bases }) => ({
          target: { ...target },
          revision,
          changed: [...changed],
          changedAt: isoTime(changedAt),
          ...(bases ? { bases: [...bases] } : {}),
        })),
      };
    case "task.started": {
      const { id, attempt, key } = event.task;
      const keyHash = createHash("sha256").update(key).digest("hex").slice(0, 16);
      return { ...head, type: event.type, id, ...parseTaskId(id), attempt, keyHash };
    }
    case "task.progress":
      return {
        ...head,
        type: event.type,
        id: event.id,
        attempt: event.attempt,
        progress: publicProgress(event.progress),
      };
    case "workload.changed":
      return { ...head, type: event.type, id: event.id, health: publicHealth(event.health) };
    case "config.failed":
    case "cluster.connected":
    case "service.up":
    case "service.down":
    case "task.output":
    case "task.note":
    case "task.superseded":
    case "task.succeeded":
    case "task.failed":
    case "task.cancelled":
    case "task.due":
    case "forward.changed":
    case "containers.changed":
    case "container.reconnected":
    case "process.crashed":
    case "sync.note":
    case "process.running":
    case "process.restarted":
    case "trigger.requested":
    case "loop.paused":
    case "loop.resumed":
    case "sync.switched":
    case "focus.changed":
    case "restart.requested":
    case "request.failed":
    case "images.removed":
    case "watch.problem":
    case "session.stopping": {
      const { at: _, ...fields } = event;
      // The rest is public as it stands; the model's arrays are readonly, the schema's types cannot say so.
      return { ...head, ...fields } as OutputEvent;
    }
    default:
      return unreachable(event);
  }
}

function publicProgress({ steps, ...progress }: TaskProgress): PublicProgress {
  if (steps === undefined) return progress;
  return {
    ...progress,
    steps: steps.map(({ startedAt, took, lines, ...step }) => ({
      ...step,
      ...(startedAt === undefined ? {} : { startedAt: isoTime(startedAt) }),
      ...(took === undefined ? {} : { took: Math.round(took) }),
      lines: [...lines],
    })),
  };
}
type PublicProgress = Extract<OutputEvent, { type: "task.progress" }>["progress"];

/** The line that begins a session. */
export function sessionStarted(state: State, version: string): OutputEvent {
  const time = isoTime(state.startedAt);
  return { v: 1, time, type: "session.started", version, project: publicProject(state.project) };
}

/** The line for a loop that ended between the two states: it is the state's, no event of its own. */
export function loopEnded(state: State, before: State): OutputEvent | undefined {
  const loop = endedLoop(state, before);
  if (loop?.endedAt === undefined) return undefined;
  return {
    v: 1,
    time: isoTime(loop.endedAt),
    type: "loop.ended",
    number: loop.number,
    outcome: loop.outcome ?? "ready",
    durationMs: loop.endedAt - loop.startedAt,
    changed: [...loop.changed],
  };
}

export function publicLogLine({ workload, pod, container, time, text, previous }: LogLine): OutputEvent {
  const line = { workload, pod, container, text, ...(previous ? { previous } : {}) };
  return { v: 1, time: isoTime(time), type: "log.line", ...line };
}

function publicProject(project: Project): Extract<OutputEvent, { type: "config.loaded" }>["project"] {
  const { provider, name, context, namespace } = project.cluster;
  return {
    name: project.name,
    root: project.root,
    cluster: defined({ provider, name, context, namespace }),
    images: project.images.map(({ name, context, dockerfile, target, platform, args }) =>
      defined({
        name,
        context,
        dockerfile: dockerfile.kind === "file" ? dockerfile.path : "inline",
        target,
        platform,
        args: Object.keys(args),
      }),
    ),
    deploys: project.deploys.map((deploy) => ({
      id: deploy.id,
      kind: deploy.kind,
      ...(deploy.kind === "helm" ? { set: Object.keys(deploy.set) } : {}),
    })),
    forwards: project.forwards.map(({ id, kind, name, namespace, host, local, remote }) =>
      defined({ id, kind, name, namespace, host, local, remote }),
    ),
    maxBuilds: project.maxBuilds,
  };
}

function publicHealth(health: WorkloadHealth): Extract<OutputEvent, { type: "workload.changed" }>["health"] {
  const { cause, pods, createdAt, ...rest } = health;
  return {
    ...rest,
    ...(cause ? { cause: { ...cause, lines: [...(cause.lines ?? [])] } } : {}),
    pods: pods.map((pod) => ({ ...pod, createdAt: isoTime(pod.createdAt) })),
    createdAt: isoTime(createdAt),
  };
}

/** The object without its undefined fields. */
function defined<T extends object>(object: T): Defined<T> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as Defined<T>;
}
type Defined<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
