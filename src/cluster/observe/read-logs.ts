import type { LogLine } from "../../engine/state.js";
import type { PodAccess } from "../../engine/target.js";
import { terminalText } from "../../lib/terminal-text.js";
import { LineSplitter, parseStamped } from "./log-lines.js";
import type { PodView } from "./pod-view.js";

export interface ReadLogsOptions {
  /** The run before the one that is there, of containers that were started anew. */
  readonly previous: boolean;
  /** Only lines that are so old at most. */
  readonly sinceSeconds?: number | undefined;
  readonly signal: AbortSignal;
}

/** What is kept of the logs of all containers of pods, in order of time: as much as the runtime has, some 10 MB a container. */
export async function readLogs(
  access: Pick<PodAccess, "openLog">,
  pods: readonly PodView[],
  { previous, sinceSeconds, signal }: ReadLogsOptions,
): Promise<readonly LogLine[]> {
  const lines: LogLine[] = [];
  for (const pod of pods)
    for (const container of pod.containers) {
      const run = previous ? (container.previous ?? restarted(container)) : container.run;
      if (!run) continue;
      const stream = await access.openLog(
        { namespace: pod.namespace, pod: pod.name, container: container.name, run: run.id },
        // The runtime's run before is that of a container that runs again; one that waits has it as its last.
        {
          previous: previous && container.previous !== undefined,
          follow: false,
          ...(sinceSeconds === undefined ? {} : { sinceSeconds }),
          signal,
        },
      );
      if (!stream) continue;
      const splitter = new LineSplitter();
      const add = (texts: readonly string[]): void => {
        for (const stamped of texts.map(parseStamped))
          if (stamped)
            lines.push({
              workload: pod.workload,
              pod: pod.name,
              container: container.name,
              time: stamped.time,
              text: terminalText(stamped.text),
              ...(previous ? { previous: true } : {}),
            });
      };
      for await (const chunk of stream) add(splitter.push(chunk as Buffer));
      const rest = splitter.end();
      if (rest !== undefined) add([rest]);
    }
  // Stable: lines of one container stay as they came.
  return lines.sort((a, b) => a.time - b.time);
}

/** The last run of a container that waits to be started anew. */
function restarted({ restarts, run }: PodView["containers"][number]): PodView["containers"][number]["run"] {
  return restarts > 0 && run?.ended ? run : undefined;
}
