import type { LogLine, State } from "../engine/model.js";
import { taskId, taskState } from "../engine/tasks.js";
import type { Failure } from "../lib/errors.js";
import { count, shortDigest } from "../lib/format.js";
import { lastPart } from "../lib/short-name.js";
import { changedText, type Details, dim, type LogSource } from "./detail-lines.js";
import type { Row } from "./rows.js";
import { stepLines } from "./step-lines.js";
import { syncDetails } from "./sync-details.js";

/** `lines` is how many lines the screen has room for, `now` in ms since the epoch. */
export function detailsOf(
  row: Row | undefined,
  { state, logs, lines, now }: { state: State; logs: LogSource; lines: number; now: number },
): Details {
  if (!row) return allLogs(logs, lines);
  switch (row.kind) {
    case "image":
      return imageDetails(row, state, logs, { lines, now });
    case "deploy":
      return deployDetails(row, state);
    case "workload":
      return workloadDetails(row, state, logs, lines);
    case "forward":
      return forwardDetails(row, state);
  }
}

function allLogs(logs: LogSource, lines: number): Details {
  const tail = logs.tail(undefined, lines);
  const width = Math.max(...tail.map((line) => labelOf(line).length), 0);
  return {
    title: "all logs",
    head: tail.length === 0 ? [dim("no log lines yet")] : [],
    body: tail.map((line) => `${labelOf(line).padEnd(width)} │ ${line.text}`),
  };
}

function imageDetails(
  row: Row,
  state: State,
  logs: LogSource,
  { lines, now }: { readonly lines: number; readonly now: number },
): Details {
  const build = taskState(state, taskId("build", row.subject));
  const load = taskState(state, taskId("load", row.subject));
  const sync = taskState(state, taskId("sync", row.subject));
  const failure = [build, load, sync].map(failureOf).find((each) => each !== undefined);
  if (failure && !build.running) return failureDetails(row, failure, `${row.name}: ${row.state}`);
  const steps = build.running?.progress?.steps;
  if (steps) return { title: `${row.name}: build steps`, head: [], body: stepLines(steps, now) };
  const synced = syncDetails(row, { state, logs, lines });
  if (synced) return synced;
  const output = build.success?.output;
  const changed = state.images[row.subject]?.source?.changed ?? [];
  const since = build.running?.startedAt ?? build.last?.startedAt ?? 0;
  const printed = logs.tail(build.id, lines).filter((line) => line.time >= since);
  return {
    title: `${row.name}: build output`,
    head: [
      ...(output?.kind === "build" ? [dim(`${output.ref}  image ${shortDigest(output.imageId)}`)] : []),
      ...(changed.length > 0 ? [dim(`last change: ${changedText(changed)}`)] : []),
      ...(printed.length === 0 && output ? [dim("the last build printed nothing")] : []),
    ],
    body: printed.map((line) => line.text),
  };
}

function deployDetails(row: Row, state: State): Details {
  const render = taskState(state, taskId("render", row.subject));
  const deploy = taskState(state, taskId("deploy", row.subject));
  const failure = failureOf(render) ?? failureOf(deploy);
  if (failure) return failureDetails(row, failure, `${row.subject}: ${row.state}`);
  const output = deploy.success?.output;
  const changed = state.deploys[row.subject]?.source?.changed ?? [];
  return {
    title: `${row.subject}: last apply`,
    head: changed.length > 0 ? [dim(`last change: ${changedText(changed)}`)] : [],
    body:
      output?.kind === "deploy"
        ? [
            ...output.pruned.map((object) => `removed ${object}`),
            ...output.replaced.map((object) => `replaced ${object}`),
            ...output.waiting.map((object) => `${object} waits for its image`),
            ...output.later.map(({ title, until }) => `${title} waits until ${until}`),
            ...output.workloads.map((workload) => `${workload.kind} ${workload.namespace}/${workload.name}`),
          ]
        : [],
  };
}

function workloadDetails(row: Row, state: State, logs: LogSource, lines: number): Details {
  const health = state.workloads[row.subject]?.health;
  const tail = logs.tail(row.subject, lines);
  const containers = new Set(tail.map((line) => line.container));
  const logLines = tail.map((line) => {
    const name = containers.size > 1 ? `${line.container} │ ` : "";
    return `${line.previous ? "(before its restart) " : ""}${name}${line.text}`;
  });
  const cause = health?.cause;
  const pods = health?.pods.filter((pod) => !pod.ready || pod.terminating) ?? [];
  return {
    title: `${row.name}: ${cause ? row.state : "logs"}`,
    head: [
      ...(cause ? [{ text: cause.message, tone: "bad" } as const] : []),
      ...pods.map((pod) =>
        dim(
          `pod ${pod.name}: ${pod.terminating ? "ending" : `${pod.phase}, not ready`}` +
            (pod.restarts > 0 ? `, ${count(pod.restarts, "restart")}` : "") +
            (pod.current ? "" : ", of the revision before"),
        ),
      ),
      ...(tail.length === 0 && !cause ? [dim("no log lines yet")] : []),
    ],
    body: logLines.length > 0 ? logLines : (cause?.lines ?? []),
  };
}

function forwardDetails(row: Row, state: State): Details {
  const forward = state.forwards[row.subject];
  if (forward?.state.status === "failed") return failureDetails(row, forward.state.failure, row.name);
  const open = forward ? [dim(count(forward.connections, "open connection"))] : [];
  return { title: row.name, head: open, body: [] };
}

function failureDetails(row: Row, failure: Failure, title: string): Details {
  return {
    title: title === "" ? row.name : title,
    head: [
      { text: failure.message, tone: "bad" },
      ...(failure.hint === undefined ? [] : [{ text: `→ ${failure.hint}`, tone: "hint" } as const]),
    ],
    body: failure.detail?.trimEnd().split("\n") ?? [],
  };
}

function failureOf({ last, running }: { last?: { status: string; failure?: Failure }; running?: unknown }) {
  return !running && last?.status === "failed" ? last.failure : undefined;
}

/** A workload's name, or `monitor-agent build` for a task's own output. */
function labelOf({ workload }: LogLine): string {
  const [, kind, image] = /^(build|sync):(.*)$/.exec(workload) ?? [];
  return kind === undefined ? lastPart(workload) : `${lastPart(image ?? "")} ${kind}`;
}
