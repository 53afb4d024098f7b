import type {
  ForwardState,
  Hold,
  ImageState,
  State,
  TaskId,
  TaskState,
  WorkloadState,
} from "../engine/model.js";
import { describeHold } from "../engine/describe-hold.js";
import { workloadStatus } from "../engine/reduce.js";
import { parseTaskId, taskId, taskState } from "../engine/tasks.js";
import { duration } from "../lib/format.js";
import { localUrl } from "../lib/local-url.js";
import { shortName } from "../lib/short-name.js";
import { problemsOf } from "./problems.js";
import type { LoopIdentity, PublicResource, PublicState } from "./protocol.js";

/** Why tasks wait, by their ids; from the engine's plan. */
export type Holds = ReadonlyMap<TaskId, Hold>;

/** The state as the socket tells it: what there is, how it is and why, without the project's values. */
export function publicStateOf(
  state: State,
  {
    holds,
    loop,
    seq,
    now,
  }: {
    readonly holds: Holds;
    readonly loop: LoopIdentity;
    readonly seq: number;
    /** ms since the epoch. */
    readonly now: number;
  },
): PublicState {
  const resources = resourcesOf(state, holds);
  const last = state.loops.at(-1);
  const { cluster } = state;
  return {
    v: 1,
    time: iso(now),
    seq,
    loop,
    ...(cluster
      ? {
          cluster: { provider: cluster.provider, context: cluster.context, namespace: cluster.namespace },
        }
      : {}),
    ...phaseOf(state, resources),
    paused: state.paused,
    focus: [...state.focus],
    syncOff: Object.values(state.images).flatMap(({ spec, syncOff }) => (syncOff ? [spec.name] : [])),
    ...(last
      ? {
          rounds: {
            number: last.number,
            startedAt: iso(last.startedAt),
            ...(last.endedAt === undefined ? {} : { endedAt: iso(last.endedAt) }),
            ...(last.outcome === undefined ? {} : { outcome: last.outcome }),
            changed: [...last.changed],
          },
        }
      : {}),
    problems: problemsOf(state),
    resources,
  };
}

function phaseOf(state: State, resources: readonly PublicResource[]): Pick<PublicState, "phase" | "text"> {
  if (state.stopping) return { phase: "stopping", text: "stopping" };
  // A forward that starts is nobody's work: what it leads to is.
  const own = resources.filter(({ kind }) => kind !== "forward");
  const busy = own.find(({ health }) => health === "busy");
  if (busy) {
    const text = `${busy.status} ${busy.name}${busy.text === "" ? "" : `: ${busy.text}`}`;
    return { phase: state.loops.length <= 1 && !state.cluster ? "starting" : "working", text };
  }
  if (state.paused) return { phase: "paused", text: "paused: changes are noticed and wait" };
  if (state.configFailure) return { phase: "failed", text: "devloop.yaml cannot be used as it is" };
  const lost = (["engine", "cluster"] as const).find((name) => state.services[name].status === "down");
  if (lost)
    return {
      phase: "waiting",
      text: lost === "engine" ? "waits for the container engine" : "waits for the cluster",
    };
  const last = state.loops.at(-1);
  const bad = resources.filter(({ health }) => health === "bad");
  if (bad[0]) {
    const more = bad.length === 1 ? "" : ` and ${bad.length - 1} more`;
    return { phase: "failed", text: `${bad[0].name} ${bad[0].status}${more}` };
  }
  if (last?.endedAt !== undefined) {
    const took = duration(last.endedAt - last.startedAt);
    return last.outcome === "failed"
      ? { phase: "failed", text: `failed after ${took}` }
      : { phase: "ready", text: `ready in ${took}` };
  }
  if ((last?.number ?? 1) === 1 && !state.cluster) return { phase: "starting", text: "starting" };
  const waits = own.find(({ health }) => health === "waiting");
  if (waits) return { phase: "waiting", text: `${waits.name} ${waits.text}` };
  return { phase: "working", text: "working" };
}

function resourcesOf(state: State, holds: Holds): PublicResource[] {
  const forwards = Object.values(state.forwards);
  const workloads = Object.values(state.workloads);
  return [
    ...Object.values(state.images).map((image) => imageOf(state, image, holds)),
    ...Object.keys(state.deploys).map((id) => deployOf(state, id, holds)),
    ...workloads.map((workload) =>
      workloadOf(
        workload,
        forwards.filter(({ spec }) => spec.name === workload.name),
      ),
    ),
    ...forwards.map(forwardOf),
  ];
}

/** What a resource says of itself, without who it is. */
type Saying = Pick<PublicResource, "health" | "status" | "text" | "since">;

function imageOf(state: State, { spec: { name } }: ImageState, holds: Holds): PublicResource {
  const [build, load, sync] = (["build", "load", "sync"] as const).map((kind) =>
    taskState(state, taskId(kind, name)),
  ) as [TaskState, TaskState, TaskState];
  const took = build.last && build.last.endedAt - build.last.startedAt;
  return {
    id: `image:${name}`,
    kind: "image",
    name: shortName(name, Object.keys(state.images)),
    ...(running(build, "building") ??
      running(load, "loading") ??
      running(sync, "syncing") ??
      waiting(build, holds) ??
      failed(build) ??
      failed(load) ??
      failed(sync) ??
      crashed(state, name) ??
      waiting(load, holds) ??
      waiting(sync, holds) ??
      done(sync.success && sync.success.at > (build.success?.at ?? 0) ? sync : build, {
        build: "built",
        sync: "synced",
      })),
    ...(took === undefined ? {} : { tookMs: took }),
  };
}

function crashed(state: State, name: string): Saying | undefined {
  const found = Object.values(state.crashed).find(({ image }) => image === name);
  return (
    found && {
      health: "bad",
      status: "crashed",
      text: `its process exited with ${found.exitCode} in ${found.pod}`,
    }
  );
}

function deployOf(state: State, id: string, holds: Holds): PublicResource {
  const render = taskState(state, taskId("render", id));
  const deploy = taskState(state, taskId("deploy", id));
  const names = Object.keys(state.deploys);
  return {
    id: `deploy:${id}`,
    kind: "deploy",
    name: names.length === 1 ? "deploy" : shortName(id, names),
    ...(running(render, "rendering") ??
      running(deploy, "applying") ??
      waiting(render, holds) ??
      failed(render) ??
      waiting(deploy, holds) ??
      failed(deploy) ??
      done(deploy, { deploy: "applied" })),
  };
}

function workloadOf(workload: WorkloadState, forwards: readonly ForwardState[]): PublicResource {
  const { id, name, health, readyAt } = workload;
  const head = { id, kind: "workload", name } as const;
  if (!health)
    return { ...head, health: "busy", status: "starting", text: "applied, nothing seen of it yet" };
  const status = workloadStatus(workload);
  const words = {
    ready: { health: "good", status: "ready" },
    progressing: { health: "busy", status: health.status === "ready" ? "updating" : "starting" },
    failed: { health: "bad", status: "failing" },
    gone: { health: "bad", status: "gone" },
  } as const;
  return {
    ...head,
    ...words[health.status === "gone" ? "gone" : status],
    text: health.cause?.message ?? (status === "ready" ? "" : health.message),
    ready: health.ready,
    desired: health.desired,
    restarts: health.restarts,
    ...(readyAt === undefined ? {} : { since: iso(readyAt) }),
    urls: forwards.flatMap(({ state }) => (state.status === "listening" ? [localUrl(state)] : [])),
  };
}

function forwardOf({ spec, state, serving }: ForwardState): PublicResource {
  const head = { id: spec.id, kind: "forward", name: spec.id } as const;
  switch (state.status) {
    case "starting":
      return { ...head, health: "busy", status: "starting", text: "" };
    case "listening":
      return {
        ...head,
        health: serving ? "good" : "waiting",
        status: serving ? "serving" : "waiting",
        text: serving ? "" : "waits for a pod that is ready",
        urls: [localUrl(state)],
      };
    case "failed":
      return { ...head, health: "bad", status: "failed", text: state.failure.message };
  }
}

function running({ running: task }: TaskState, word: string): Saying | undefined {
  if (!task) return undefined;
  const since = iso(task.startedAt);
  return task.status === "cancelling"
    ? { health: "busy", status: "stopping", since, text: "a newer change is here" }
    : { health: "busy", status: word, since, text: task.progress?.message ?? "" };
}

function waiting({ id }: TaskState, holds: Holds): Saying | undefined {
  const hold = holds.get(id);
  return hold && { health: "waiting", status: "waiting", text: describeHold(hold) };
}

function failed({ last }: TaskState): Saying | undefined {
  if (last?.status !== "failed") return undefined;
  const [text = ""] = last.failure.message.split("\n");
  return { health: "bad", status: "failed", since: iso(last.endedAt), text };
}

function done({ id, success }: TaskState, words: Readonly<Record<string, string>>): Saying {
  if (!success) return { health: "waiting", status: "waiting", text: "" };
  return { health: "good", status: words[parseTaskId(id).kind] ?? "done", since: iso(success.at), text: "" };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
