import type { Store } from "../engine/store.js";
import type { LogLine } from "../engine/state.js";

/**
 * Keeps what tasks print (a build's RUN steps) in the log store, under the task's id, beside the workloads' logs: the
 * state holds no lines. Returns its removal.
 */
export function recordTaskOutput(
  store: Pick<Store, "subscribe">,
  logs: { append(lines: readonly LogLine[]): void },
): () => void {
  return store.subscribe((event) => {
    if (event.type !== "task.output") return;
    const line = { workload: event.id, pod: "", container: "", time: event.at };
    logs.append(event.lines.map((text) => ({ ...line, text })));
  });
}
