import type { State } from "../engine/state.js";
import type { Hold, TaskId } from "../engine/task.js";
import { loopSummary } from "../engine/phase.js";
import { resourcesOf, type Resource } from "../engine/resources.js";
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
  const resources = resourcesOf(state, (id) => holds.get(id));
  const { phase, text } = loopSummary(state, resources);
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
    ...{ phase, text },
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
    resources: resources.map(publicResource),
  };
}

function publicResource({ since, pods, urls, loopsMs, subject: _, ...rest }: Resource): PublicResource {
  const loopMs = loopsMs.at(-1);
  return {
    ...rest,
    ...(since === undefined ? {} : { since: iso(since) }),
    ...(pods ? { ready: pods.ready, desired: pods.desired } : {}),
    ...(urls.length > 0 || rest.kind === "workload" ? { urls: [...urls] } : {}),
    ...(loopMs === undefined ? {} : { loopMs }),
  };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
