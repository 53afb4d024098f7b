import type { State } from "../engine/model.js";
import { taskId, taskState } from "../engine/tasks.js";
import { lastPart } from "../lib/short-name.js";
import { changedText, type Details, dim, type LogSource } from "./detail-lines.js";
import type { Row } from "./rows.js";

/** What stands under an image whose last change went into its containers; undefined where its build is what is to be shown. */
export function syncDetails(
  row: Row,
  { state, logs, lines }: { readonly state: State; readonly logs: LogSource; readonly lines: number },
): Details | undefined {
  const changed = state.images[row.subject]?.synced?.changed ?? [];
  const head = changed.length > 0 ? [dim(`last change: ${changedText(changed)}`)] : [];
  if (row.state === "crashed") {
    return {
      title: `${row.name}: crashed`,
      head: [
        { text: row.text, tone: "bad" },
        ...head,
        { text: "→ it starts again with the next change, and by itself from time to time", tone: "hint" },
      ],
      body: crashedLines(row, { state, logs, lines }),
    };
  }
  if (row.state !== "synced" && row.state !== "syncing") return undefined;
  const sync = taskState(state, taskId("sync", row.subject));
  const since = sync.running?.startedAt ?? sync.last?.startedAt ?? 0;
  const printed = logs.tail(sync.id, lines).filter((line) => line.time >= since);
  return {
    title: `${row.name}: last sync`,
    head: [...head, dim(row.text)],
    body: printed.map((line) => line.text),
  };
}

/** What the process printed that came to its end, the newest at the bottom. */
function crashedLines(
  row: Row,
  { state, logs, lines }: { readonly state: State; readonly logs: LogSource; readonly lines: number },
): readonly string[] {
  const crashed = Object.values(state.crashed).find(({ image }) => image === row.subject);
  const workload = Object.values(state.workloads).find(({ health }) =>
    health?.pods.some(({ name }) => name === crashed?.pod),
  );
  if (!crashed || !workload) return [];
  return logs
    .tail(workload.id, lines)
    .filter(({ pod, container }) => lastPart(pod) === crashed.pod && container === crashed.container)
    .map(({ text }) => text);
}
