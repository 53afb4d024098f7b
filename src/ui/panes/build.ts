import type { State } from "../../engine/state.js";
import { taskId, taskState } from "../../engine/task-lookup.js";
import type { Failure } from "../../lib/errors.js";
import { shortDigest } from "../../lib/format.js";
import { terminalText } from "../../lib/terminal-text.js";
import { line, span, type Line } from "../line.js";
import type { Health } from "../../engine/resources.js";
import type { Row } from "../rows.js";
import { stepLines } from "../step-lines.js";
import { signs } from "../theme.js";
import { changedLines, textBody, type Pane, type PaneContext } from "./pane.js";

/** An image's build: its steps while it runs, why it failed, else what it made and printed. */
export function imagePane(row: Row, { state, now }: PaneContext): Pane {
  const image = row.subject;
  const build = taskState(state, taskId("build", image));
  const failure = [build, taskState(state, taskId("load", image)), taskState(state, taskId("sync", image))]
    .map(failureOf)
    .find((each) => each !== undefined);
  if (failure && !build.running) return failurePane(failure);
  const steps = build.running?.progress?.steps;
  if (steps) return { head: [], body: textBody(stepLines(steps, now).map(stepLine), "end") };
  const synced = afterSync(row, state);
  if (synced) return synced;
  const output = build.success?.output;
  return {
    head: [
      ...(output?.kind === "build"
        ? [line(`${output.ref}  image ${shortDigest(output.imageId)}`, "dim")]
        : []),
      ...changedLines(state.images[image]?.source?.changed ?? []),
    ],
    body: {
      kind: "logs",
      filter: { resources: [build.id], since: build.running?.startedAt ?? build.last?.startedAt ?? 0 },
      labels: "none",
      empty: [output ? "the last build printed nothing" : "no output yet"],
    },
  };
}

/** The sign in its colour; what a step printed is not its name. */
function stepLine(text: string): Line {
  const health = Object.entries(signs).find(([, sign]) => text.startsWith(sign))?.[0];
  return health === undefined
    ? line(terminalText(text), "dim")
    : [span(text.slice(0, 1), health as Health), span(terminalText(text.slice(1)))];
}

/** Several images of one workload: the first that is not well, else the first. */
export function workloadBuildPane(images: readonly Row[], context: PaneContext): Pane {
  const row = images.find(({ health }) => health === "bad" || health === "busy") ?? images[0];
  if (!row) return { head: [], body: textBody([line("none of the project's images runs in it", "dim")]) };
  const pane = imagePane(row, context);
  const others = images.filter((other) => other !== row);
  return {
    ...pane,
    head: [
      [
        span(`image ${row.name}: ${row.status}`, "bold"),
        ...(others.length > 0 ? [span(`   also ${others.map(({ name }) => name).join(", ")}`, "dim")] : []),
      ],
      ...pane.head,
    ],
  };
}

export function deployPane(row: Row, { state }: PaneContext): Pane {
  const deploy = taskState(state, taskId("deploy", row.subject));
  const failure = failureOf(taskState(state, taskId("render", row.subject))) ?? failureOf(deploy);
  if (failure) return failurePane(failure);
  const output = deploy.success?.output;
  return {
    head: changedLines(state.deploys[row.subject]?.source?.changed ?? []),
    body: textBody(
      output?.kind !== "deploy"
        ? [line("nothing was applied yet", "dim")]
        : [
            ...output.pruned.map((object) => `removed ${object}`),
            ...output.replaced.map((object) => `replaced ${object}`),
            ...output.waiting.map((object) => `${object} waits for its image`),
            ...output.later.map(({ title, until }) => `${title} waits until ${until}`),
            ...output.workloads.map((workload) => `${workload.kind} ${workload.namespace}/${workload.name}`),
          ].map((text) => line(text)),
    ),
  };
}

export function failurePane({ message, hint, detail }: Failure): Pane {
  return {
    head: [line(message, "error"), ...(hint === undefined ? [] : [line(`→ ${hint}`, "hint")])],
    body: textBody(
      (detail?.trimEnd().split("\n") ?? []).map((text) => line(terminalText(text))),
      "end",
    ),
  };
}

/** What stands under an image whose last change went into its containers. */
function afterSync(row: Row, state: State): Pane | undefined {
  const head: readonly Line[] = changedLines(state.images[row.subject]?.synced?.changed ?? []);
  if (row.status === "crashed") {
    const crashed = Object.values(state.crashed).find(({ image }) => image === row.subject);
    const workload = Object.values(state.workloads).find(({ health }) =>
      health?.pods.some(({ name }) => name === crashed?.pod),
    );
    if (!crashed || !workload) return undefined;
    return {
      head: [
        line(row.text, "error"),
        ...head,
        line("→ it starts again with the next change, and by itself from time to time", "hint"),
      ],
      body: {
        kind: "logs",
        filter: {
          resources: [workload.id],
          pod: crashed.pod,
          container: crashed.container,
        },
        labels: "none",
        empty: ["it printed nothing"],
      },
    };
  }
  if (row.status !== "synced" && row.status !== "syncing") return undefined;
  const sync = taskState(state, taskId("sync", row.subject));
  return {
    head: [...head, line(row.text, "dim")],
    body: {
      kind: "logs",
      filter: { resources: [sync.id], since: sync.running?.startedAt ?? sync.last?.startedAt ?? 0 },
      labels: "none",
      empty: ["the sync's commands printed nothing"],
    },
  };
}

function failureOf({
  last,
  running,
}: {
  readonly last?: { readonly status: string; readonly failure?: Failure };
  readonly running?: unknown;
}): Failure | undefined {
  return !running && last?.status === "failed" ? last.failure : undefined;
}
