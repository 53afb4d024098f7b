import type { Event } from "../engine/event.js";
import type { ForwardStatus, Loop, State, WorkloadHealth } from "../engine/state.js";
import type {
  DeployOutput,
  LoadOutput,
  SyncOutput,
  Task,
  TaskId,
  TaskOutput,
  WorkloadId,
} from "../engine/task.js";
import { parseTaskId, taskState } from "../engine/task-lookup.js";
import type { Failure } from "../lib/errors.js";
import { describeFailure } from "../lib/failure-lines.js";
import { bytes, count, duration } from "../lib/format.js";
import { localUrl } from "../lib/local-url.js";
import { lastPart } from "../lib/short-name.js";
import { syncedText } from "../lib/synced-text.js";
import { unreachable } from "../lib/unreachable.js";
import { taskLabel, workloadLabel } from "./labels.js";

/** An event in words. The first line stands beside the label, further ones are indented under it. */
export interface Description {
  /** What it is about: a short name, or "devloop", "config", "forward" and the like. */
  readonly label: string;
  readonly lines: readonly string[];
  /** For colour only; the words say the same. */
  readonly tone: Tone;
}
export type Tone = "plain" | "dim" | "good" | "bad";

/**
 * What happened, for people; undefined for what is not worth a line: progress, and work that turned out to be none.
 * `state` is the one after the event, `before` the one before it.
 */
export function describeEvent(event: Event, state: State, before: State): Description | undefined {
  switch (event.type) {
    case "config.loaded":
      return plain("config", `${describeProject(state)}, from ${event.files.map(lastPart).join(", ")}`);
    case "config.failed":
      return failure(
        "config",
        "cannot be used; the last good one stays in force",
        describeFailure(event.failure),
      );
    case "cluster.connected":
      return plain("devloop", describeCluster(state));
    case "service.up":
      return before.services[event.service].status === "down"
        ? { label: "devloop", lines: [`${serviceName[event.service]} answers again`], tone: "good" }
        : undefined;
    case "service.down":
      return before.services[event.service].status === "down"
        ? undefined
        : failure("devloop", undefined, describeFailure(event.failure));
    case "task.started":
      return describeStart(event.task, state);
    case "task.note":
      return plain(taskLabel(state, event.id), event.message);
    case "task.superseded": {
      // At the end all that can be stopped is; no change has come.
      const why = state.stopping ? "" : ": a newer change is here";
      return dim(taskLabel(state, event.id), `${taskNoun(event.id)} stopped${why}`);
    }
    case "task.cancelled":
      // What was superseded has had its line.
      return before.tasks[event.id]?.running?.status === "cancelling"
        ? undefined
        : dim(taskLabel(state, event.id), `${taskNoun(event.id)} stopped`);
    case "task.succeeded":
      return describeOutput(event.id, event.output, { took: elapsed(before, event), state, before });
    case "task.failed":
      if (isKnownOutage(event.failure, before) || isSaidAlready(event, before)) return undefined;
      return failure(
        taskLabel(state, event.id),
        `${taskNoun(event.id)} failed after ${duration(elapsed(before, event))}`,
        describeFailure(event.failure),
      );
    case "workload.changed":
      return describeHealth(event.id, event.health, { state, before });
    case "forward.changed":
      return describeForward(event.id, event.state, before);
    case "sync.note":
      return plain("sync", event.message);
    case "process.crashed": {
      const { image, pod, exitCode } = event.process;
      const known = before.crashed[event.container];
      // It is started again and again: once is enough.
      if (known) return undefined;
      return failure(
        image,
        `its process exited with ${exitCode} in ${pod}; it starts again with the next change`,
        [],
      );
    }
    case "process.running":
      return event.container in before.crashed
        ? {
            label: before.crashed[event.container]?.image ?? "",
            lines: ["its process runs again"],
            tone: "good",
          }
        : undefined;
    case "trigger.requested":
      return describeTrigger(event.image ?? event.deploy);
    case "loop.paused":
      return plain("devloop", "paused: changes are noticed and wait");
    case "loop.resumed":
      return plain("devloop", "goes on");
    case "sync.switched": {
      const whose = event.image === undefined ? "" : ` of ${event.image}`;
      return plain(
        "devloop",
        event.on ? `sync${whose} is on` : `sync${whose} is off: edits of synced files wait`,
      );
    }
    case "focus.changed":
      return plain(
        "devloop",
        event.images.length === 0
          ? "everything follows edits again"
          : `only ${event.images.join(", ")} ${event.images.length === 1 ? "follows" : "follow"} edits`,
      );
    case "restart.requested":
      return plain("devloop", `asked to restart ${lastPart(event.workload)}`);
    case "request.failed":
      return failure("devloop", undefined, describeFailure(event.failure));
    case "images.removed": {
      const amount = `${event.exact ? "" : "up to "}${bytes(event.bytes)}`;
      return dim("devloop", `removed ${count(event.builds, "old build")} from engine and nodes, ${amount}`);
    }
    case "watch.problem":
      return failure("devloop", undefined, describeFailure(event.failure));
    // Whoever ends it knows; what is left running is said after it.
    case "session.stopping":
    case "sources.changed":
    case "task.progress":
    case "task.output":
    case "task.due":
    case "containers.changed":
    case "container.reconnected":
    case "process.restarted":
      return undefined;
    default:
      return unreachable(event);
  }
}

/** The line for a loop that ended with this event, if one did: from the save to ready, or to the failure. */
export function describeLoopEnd(state: State, before: State): Description | undefined {
  const loop = endedLoop(state, before);
  if (loop?.endedAt === undefined) return undefined;
  const took = duration(loop.endedAt - loop.startedAt);
  return loop.outcome === "failed"
    ? { label: "devloop", lines: [`failed after ${took}`], tone: "bad" }
    : { label: "devloop", lines: [`ready in ${took}`], tone: "good" };
}

/** The loop that ended between the two states. */
export function endedLoop(state: State, before: State): Loop | undefined {
  const loop = state.loops.at(-1);
  if (loop?.endedAt === undefined) return undefined;
  const earlier = before.loops.find((other) => other.number === loop.number);
  return earlier?.outcome === loop.outcome ? undefined : loop;
}

const serviceName = { engine: "the container engine", cluster: "the cluster" } as const;

/** Every task that needs a lost service fails with it; saying it once is enough. */
function isKnownOutage({ code }: Failure, { services }: State): boolean {
  return (
    (code === "ENGINE_UNREACHABLE" && services.engine.status === "down") ||
    (code === "CLUSTER_UNREACHABLE" && services.cluster.status === "down")
  );
}

/** What is tried again by itself fails in the same words until it works. */
function isSaidAlready({ id, failure }: Extract<Event, { type: "task.failed" }>, before: State): boolean {
  const { retrying } = taskState(before, id);
  return retrying?.status === "failed" && retrying.failure.message === failure.message;
}

function describeProject({ project }: State): string {
  const parts = [
    count(project.images.length, "image"),
    count(project.deploys.length, "deploy"),
    count(project.forwards.length, "forward"),
  ];
  return `${project.name}: ${parts.join(", ")}`;
}

function describeCluster({ cluster }: State): string {
  if (!cluster) return "connected";
  if (cluster.provider === "docker")
    return `no cluster: on the container engine, namespace ${cluster.namespace}`;
  const how = [
    cluster.provider === "context" ? undefined : cluster.provider,
    cluster.registry === undefined ? count(cluster.nodes.length, "node") : `registry ${cluster.registry}`,
  ].filter((part) => part !== undefined);
  return `cluster ${cluster.context} (${how.join(", ")}), namespace ${cluster.namespace}`;
}

function describeStart(task: Task, state: State): Description | undefined {
  if (task.input.kind !== "build") return undefined;
  const image = state.images[task.input.image.name];
  const since = state.tasks[task.id]?.last?.startedAt;
  const source = image?.source;
  const edited = source !== undefined && since !== undefined && source.changedAt >= since;
  const why = edited ? describeChanged(source.changed) : undefined;
  return plain(taskLabel(state, task.id), why === undefined ? "building" : `building (${why})`);
}

/** "src/server.js changed", "src/server.js and 3 more changed". */
export function describeChanged(changed: readonly string[]): string | undefined {
  const [first, ...more] = changed;
  if (first === undefined) return undefined;
  return more.length === 0 ? `${first} changed` : `${first} and ${more.length} more changed`;
}

function describeOutput(
  id: TaskId,
  output: TaskOutput,
  { took, state, before }: { took: number; state: State; before: State },
): Description | undefined {
  const label = taskLabel(state, id);
  switch (output.kind) {
    case "build": {
      // Its start has had a line.
      if (output.remembered) return plain(label, "built before from the same files");
      const earlier = before.tasks[id]?.success?.output;
      const same = earlier?.kind === "build" && earlier.imageId === output.imageId;
      const cached = `${output.cachedSteps} of ${count(output.steps, "step")} cached`;
      return plain(
        label,
        `built in ${duration(took)} (${same ? "the image is the same as before" : cached})`,
      );
    }
    case "load": {
      const line = describeLoad(output, took, state);
      return line === undefined ? undefined : plain(label, line);
    }
    case "render":
      return undefined;
    case "deploy": {
      const lines = describeApplied(output, took);
      return lines.length === 0 ? undefined : { label, lines, tone: "plain" };
    }
    case "sync": {
      const line = describeSync(output, {
        took,
        changed: state.images[parseTaskId(id).subject]?.synced?.changed,
      });
      return line === undefined ? undefined : plain(label, line);
    }
    case "prune":
      return output.pruned.length === 0
        ? undefined
        : { label, lines: [`removed: ${output.pruned.join(", ")}`], tone: "plain" };
    default:
      return unreachable(output);
  }
}

function describeLoad(output: LoadOutput, took: number, state: State): string | undefined {
  const size = output.bytes > 0 ? ` (${bytes(output.bytes)})` : "";
  const registry = state.cluster?.registry;
  if (registry !== undefined)
    return output.bytes > 0 ? `pushed to ${registry} in ${duration(took)}${size}` : undefined;
  const loaded = output.nodes.filter((node) => !output.present.includes(node)).length;
  return loaded === 0 ? undefined : `loaded into ${count(loaded, "node")} in ${duration(took)}${size}`;
}

function describeSync(
  { containers, rebuild }: SyncOutput,
  { took, changed = [] }: { readonly took: number; readonly changed?: readonly string[] | undefined },
): string | undefined {
  if (rebuild !== undefined) return `built instead of synced: ${rebuild}`;
  const text = syncedText(containers, changed);
  return text === undefined ? undefined : `${text} in ${duration(took)}`;
}

function describeApplied(output: DeployOutput, took: number): string[] {
  const did = [
    output.created > 0 ? `${output.created} created` : undefined,
    output.changed > 0 ? `${output.changed} changed` : undefined,
    output.pruned.length > 0 ? `${output.pruned.length} removed` : undefined,
  ].filter((part) => part !== undefined);
  const more = [
    ...output.pruned.map((object) => `removed ${object}`),
    ...output.replaced.map((object) => `replaced ${object}`),
    ...output.waiting.map((object) => `${object} waits for its image`),
    ...output.later.map(({ title, until }) => `${title} waits until ${until}`),
  ];
  if (did.length === 0 && more.length === 0) return [];
  if (output.unchanged > 0) did.push(`${output.unchanged} unchanged`);
  return [`applied in ${duration(took)}: ${did.join(", ")}`, ...more];
}

function describeHealth(
  id: WorkloadId,
  health: WorkloadHealth,
  { state, before }: { state: State; before: State },
): Description | undefined {
  const label = workloadLabel(state, id);
  const earlier = before.workloads[id]?.health;
  const restarted =
    health.restarts > (earlier?.restarts ?? 0) ? `, ${count(health.restarts, "restart")}` : "";
  switch (health.status) {
    case "ready": {
      // Ready on what ran before the last apply is no news.
      if (health.generation < (state.workloads[id]?.expected ?? 0)) return undefined;
      const same = earlier?.status === "ready" && earlier.generation === health.generation;
      return same && restarted === ""
        ? undefined
        : { label, lines: [`ready: ${pods(health)}${restarted}`], tone: "good" };
    }
    case "failed":
      return earlier?.status === "failed" && earlier.cause?.message === health.cause?.message
        ? undefined
        : failure(
            label,
            `failing${restarted}: ${health.cause?.message ?? health.message}`,
            health.cause?.lines ?? [],
          );
    case "progressing":
      if (health.cause && health.cause.message !== earlier?.cause?.message)
        return plain(label, `not ready: ${health.cause.message}`);
      if (earlier?.status === "progressing") return undefined;
      return plain(
        label,
        health.message.startsWith("starting") ? health.message : `starting: ${health.message}`,
      );
    case "gone":
      return earlier === undefined || earlier.status === "gone"
        ? undefined
        : dim(label, "gone from the cluster");
    default:
      return unreachable(health.status);
  }
}

function pods(health: WorkloadHealth): string {
  return `${health.ready} of ${health.desired} pods`;
}

function describeForward(id: string, status: ForwardStatus, before: State): Description | undefined {
  const earlier = before.forwards[id]?.state;
  switch (status.status) {
    case "starting":
      return undefined;
    case "listening": {
      if (earlier?.status === "listening" && earlier.port === status.port) return undefined;
      const wanted = before.forwards[id]?.spec.local;
      const moved = status.moved && wanted !== undefined ? ` (port ${wanted} is taken)` : "";
      return plain("forward", `${localUrl(status)} → ${id}${moved}`);
    }
    case "failed":
      return earlier?.status === "failed" && earlier.failure.message === status.failure.message
        ? undefined
        : failure("forward", undefined, describeFailure(status.failure));
    default:
      return unreachable(status);
  }
}

function describeTrigger(subject: string | undefined): Description {
  return plain(
    "devloop",
    subject === undefined ? "asked to rebuild everything" : `asked to rebuild ${subject}`,
  );
}

function taskNoun(id: TaskId): string {
  return parseTaskId(id).kind;
}

function elapsed(before: State, event: { readonly at: number; readonly id: TaskId }): number {
  return event.at - (before.tasks[event.id]?.running?.startedAt ?? event.at);
}

const plain = (label: string, line: string): Description => ({ label, lines: [line], tone: "plain" });
const dim = (label: string, line: string): Description => ({ label, lines: [line], tone: "dim" });
const failure = (label: string, head: string | undefined, lines: readonly string[]): Description => ({
  label,
  lines: head === undefined ? lines : [head, ...lines],
  tone: "bad",
});
