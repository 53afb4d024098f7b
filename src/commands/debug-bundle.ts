import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { looksSecret } from "../config/secret.js";
import type { LogSource } from "../engine/log-source.js";
import type { State } from "../engine/model.js";
import { pause } from "../lib/pause.js";
import { version } from "../lib/version.js";

/** Newest lines of all resources that go into it. */
const logLines = 5_000;

/**
 * Writes a new directory with what is needed to look into a problem: versions, the state without values that look like secrets, and the newest
 * log lines. Readable by its owner alone: logs and file names may hold what others are not to see.
 */
export async function writeBundle(
  path: string,
  { state, logs, signal }: { readonly state: State; readonly logs: LogSource; readonly signal: AbortSignal },
): Promise<void> {
  await mkdir(path, { mode: 0o700 });
  const write = (name: string, text: string): Promise<void> =>
    writeFile(join(path, name), text, { mode: 0o600, flag: "wx" });
  const versions = {
    devloop: version,
    node: process.version,
    platform: process.platform,
    arch: process.arch,
  };
  await write("versions.json", `${JSON.stringify(versions, undefined, 2)}\n`);
  await write("state.json", `${JSON.stringify(state, withoutSecrets, 2)}\n`);
  await using view = logs.view({});
  while (view.reading) await pause(20, { signal });
  const lines = await view.lines(Math.max(view.first, view.end - logLines), view.end, { signal });
  await write(
    "logs.txt",
    lines
      .map(({ time, workload, pod, container, text }) =>
        [new Date(time).toISOString(), workload, pod, container, text]
          .filter((part) => part !== "")
          .join(" "),
      )
      .join("\n") + "\n",
  );
}

/** Build arguments and chart values whose names look like secrets'; a Dockerfile in devloop.yaml may hold anything. */
function withoutSecrets(key: string, value: unknown): unknown {
  if (typeof value === "string" && looksSecret(key)) return "(hidden)";
  return key === "text" && typeof value === "string" ? `(${value.length} characters)` : value;
}
