import type { WorkloadState } from "../../engine/state.js";
import { taskId } from "../../engine/task-lookup.js";
import { count } from "../../lib/format.js";
import { terminalText } from "../../lib/terminal-text.js";
import { line, type Line } from "../line.js";
import type { Row } from "../rows.js";
import type { Tab } from "../screen-state.js";
import { deployPane, imagePane, workloadBuildPane } from "./build.js";
import { filesPane } from "./files.js";
import { manifestPane } from "./manifest.js";
import { textBody, type Pane, type PaneContext } from "./pane.js";
import { forwardPane, podsPane } from "./pods.js";
import { timingsPane } from "./timings.js";

/** What is shown of a row under one of its tabs; without a row, all logs. */
export function paneOf(row: Row | undefined, tab: Tab, rows: readonly Row[], context: PaneContext): Pane {
  if (!row)
    return { head: [], body: { kind: "logs", filter: {}, labels: "resources", empty: ["no log lines yet"] } };
  if (tab === "timings") return timingsPane(context);
  switch (row.kind) {
    case "image":
      if (tab === "logs") return imageLogs(row, context);
      return tab === "files" ? filesPane([row.subject], context) : imagePane(row, context);
    case "deploy":
      return deployPane(row, context);
    case "forward":
      return forwardPane(row, context);
    case "workload": {
      const images = context.state.workloads[row.subject]?.images ?? [];
      switch (tab) {
        case "build":
          return workloadBuildPane(
            rows.filter(({ kind, subject }) => kind === "image" && images.includes(subject)),
            context,
          );
        case "pods":
          return podsPane(row, context);
        case "files":
          return filesPane(images, context);
        case "manifest":
          return manifestPane(context);
        case "logs":
          return context.previous ? previousLogs(context) : workloadLogs(row, context);
      }
    }
  }
}

/** An image's builds and syncs, and the containers that run it, together. */
function imageLogs(row: Row, { state }: PaneContext): Pane {
  const workloads = Object.values(state.workloads).filter(({ images }) => images.includes(row.subject));
  return {
    head: [],
    body: {
      kind: "logs",
      filter: {
        resources: [
          taskId("build", row.subject),
          taskId("sync", row.subject),
          ...workloads.map(({ id }) => id),
        ],
      },
      labels: "resources",
      empty: ["no log lines yet"],
    },
  };
}

/** What was printed before the last restart: text, as the cluster has it. */
function previousLogs({ detail }: PaneContext): Pane {
  const head = [line("before its last restart; P shows what it prints now", "hint")];
  switch (detail?.status) {
    case "previous":
      return {
        head,
        body: textBody(
          detail.text === ""
            ? [line("no container was started anew, or nothing is left of the run before", "dim")]
            : detail.text.split("\n").map((text) => line(terminalText(text))),
          "end",
        ),
      };
    case "failed":
      return { head, body: textBody([line(detail.message, "error")]) };
    default:
      return { head, body: textBody([line("asking the cluster", "dim")]) };
  }
}

function workloadLogs(row: Row, { state }: PaneContext): Pane {
  const workload = state.workloads[row.subject];
  return {
    head: workload ? workloadHead(workload) : [],
    body: {
      kind: "logs",
      filter: { resources: [row.subject] },
      labels: "containers",
      empty: workload?.health?.cause?.lines ?? ["no log lines yet"],
    },
  };
}

/** Why it is not well, and the pods that are not. */
function workloadHead({ health }: WorkloadState): readonly Line[] {
  const pods = health?.pods.filter((pod) => !pod.ready || pod.terminating) ?? [];
  return [
    ...(health?.cause ? [line(health.cause.message, "error")] : []),
    ...pods
      .slice(0, 3)
      .map((pod) =>
        line(
          `pod ${pod.name}: ${pod.terminating ? "ending" : `${pod.phase}, not ready`}` +
            (pod.restarts > 0 ? `, ${count(pod.restarts, "restart")}` : "") +
            (pod.current ? "" : ", of the revision before"),
          "dim",
        ),
      ),
    ...(pods.length > 3 ? [line(`and ${count(pods.length - 3, "pod")} more`, "dim")] : []),
  ];
}
