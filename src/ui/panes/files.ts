import type { SyncAction } from "../../engine/project.js";
import type { ImageState } from "../../engine/state.js";
import { taskId, taskState } from "../../engine/task-lookup.js";
import { bytes, count } from "../../lib/format.js";
import { line, span, type Line } from "../line.js";
import { textBody, type Pane, type PaneContext } from "./pane.js";

/** The files of these images: what changed last, which rules sync them, and which containers got what. */
export function filesPane(images: readonly string[], context: PaneContext): Pane {
  const lines = images.flatMap((image, index) => [
    ...(index > 0 ? [[]] : []),
    ...imageLines(image, context, images.length > 1),
  ]);
  return {
    head: [],
    body: textBody(lines.length > 0 ? lines : [line("none of the project's images runs in it", "dim")]),
  };
}

function imageLines(name: string, { state }: PaneContext, titled: boolean): readonly Line[] {
  const image = state.images[name];
  if (!image) return [];
  const changes = [
    ...paths("into the containers", image.synced?.changed ?? []),
    ...paths("built", image.source?.changed ?? []),
  ];
  const changed = changes.length > 0 ? [line("changed last", "bold"), ...changes] : [];
  const output = taskState(state, taskId("sync", name)).success?.output;
  return [
    ...(titled ? [line(name, "bold")] : []),
    ...(image.syncOff ? [line("sync is off: edits of synced files wait (S switches it on)", "warn")] : []),
    ...changed,
    ...(output?.kind === "sync"
      ? [
          line("containers that are up to date", "bold"),
          ...output.containers.map((each): Line => [
            span(`  ${each.pod} ${each.container}`),
            span(
              `  ${each.written} written, ${each.removed} removed, ${bytes(each.bytes)}${each.restarted ? ", restarted" : ""}${each.commands > 0 ? `, ${count(each.commands, "command")} run` : ""}`,
              "dim",
            ),
          ]),
        ]
      : []),
    line("rules", "bold"),
    ...rules(image),
  ];
}

function paths(what: string, changed: readonly string[]): readonly Line[] {
  return changed.map((path) => [span(`  ${path}`), span(`  ${what}`, "dim")]);
}

function rules({ spec }: ImageState): readonly Line[] {
  const { sync } = spec;
  if (!sync) return [line("  every change builds the image: it has no sync rules", "dim")];
  const found: readonly Line[] =
    sync.kind === "auto"
      ? [line("  by the Dockerfile's COPY lines (devloop explain PATH tells of one file)")]
      : sync.rules.map((rule): Line => [
          span(`  ${rule.src} → ${rule.dest}`),
          span(`  ${then(rule.then)}${rule.origin === undefined ? "" : `  ${rule.origin}`}`, "dim"),
        ]);
  return [...found, ...sync.rebuild.map((pattern) => line(`  ${pattern} builds the image`, "dim"))];
}

function then(action: SyncAction): string {
  switch (action.kind) {
    case "nothing":
      return "copied";
    case "restart":
      return "copied, then its process starts anew";
    case "exec":
      return `copied, then ${action.command.join(" ")}`;
  }
}
