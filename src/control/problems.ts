import type { State } from "../engine/state.js";
import { workloadStatus } from "../engine/reduce.js";
import { resourceOfTask, taskIds, taskState } from "../engine/task-lookup.js";
import type { Failure } from "../lib/errors.js";
import type { Problem } from "./protocol.js";

/** What is not well, in the order in which one may follow from the other: the first is where to look. */
export function problemsOf(state: State): Problem[] {
  const services = (["engine", "cluster"] as const).flatMap((service) => {
    const found = state.services[service];
    return found.status === "down" ? [ofFailure(service, found.failure)] : [];
  });
  const tasks = taskIds(state).flatMap((id) => {
    const { last, running } = taskState(state, id);
    // One that is tried again by itself is still not well.
    return last?.status === "failed" && !(running && running.key !== last.key)
      ? [ofFailure(resourceOfTask(id), last.failure)]
      : [];
  });
  const crashed = Object.values(state.crashed).map(({ image, pod, container, exitCode }) => ({
    resource: `image:${image}`,
    message: `its process exited with ${exitCode} in ${pod} after the last sync`,
    pod,
    container,
    lines: [],
  }));
  const workloads = Object.values(state.workloads).flatMap((workload) => {
    const { health } = workload;
    if (!health || workloadStatus(workload) === "ready" || (health.status !== "failed" && !health.cause))
      return [];
    const { cause } = health;
    return [
      {
        resource: workload.id,
        message: cause?.message ?? health.message,
        ...(cause ? { reason: cause.reason } : {}),
        ...(cause?.pod === undefined ? {} : { pod: cause.pod }),
        ...(cause?.container === undefined ? {} : { container: cause.container }),
        lines: [...(cause?.lines ?? [])],
      },
    ];
  });
  const forwards = Object.values(state.forwards).flatMap(({ spec, state: forward }) =>
    forward.status === "failed" ? [ofFailure(spec.id, forward.failure)] : [],
  );
  const config = state.configFailure ? [ofFailure("config", state.configFailure)] : [];
  return [...config, ...services, ...tasks, ...crashed, ...workloads, ...forwards];
}

function ofFailure(resource: string, { code, message, hint, detail }: Failure): Problem {
  const [first = "", ...more] = message.split("\n");
  return {
    resource,
    message: first,
    code,
    ...(hint === undefined ? {} : { hint }),
    lines: [...more, ...(detail?.trimEnd().split("\n") ?? [])],
  };
}
