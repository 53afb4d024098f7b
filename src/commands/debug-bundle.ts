import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { safeConfig } from "../config/safe-text.js";
import { looksSecret } from "../config/secret.js";
import type { LogSource } from "../engine/log-source.js";
import type { State } from "../engine/state.js";
import { pause } from "../lib/pause.js";
import { version } from "../lib/version.js";
import { createRedactor } from "../output/redact.js";
import type { EventHistory } from "./event-history.js";
import { secretArgs } from "./session/session.js";

/** Newest lines of all resources that go into it. */
const logLines = 5_000;

/** What a bundle is made from. */
export interface BundleSources {
  readonly state: State;
  readonly logs: LogSource;
  readonly events: EventHistory;
  /** The path of devloop.yaml. */
  readonly configFile: string;
  readonly signal: AbortSignal;
}

/**
 * Writes a new directory with what is needed to look into a problem: versions, devloop.yaml and the state without values that look like secrets,
 * the newest events and log lines. Such values are hidden wherever they stand in it. Readable by its owner alone: logs and file names
 * may hold what others are not to see.
 */
export async function writeBundle(
  path: string,
  { state, logs, events, configFile, signal }: BundleSources,
): Promise<void> {
  const config = await readFile(configFile, "utf8").then(safeConfig, () => undefined);
  const { add, redact } = createRedactor();
  add([...secretArgs(state.project), ...(config?.values ?? [])]);
  await mkdir(path, { mode: 0o700 });
  const write = (name: string, text: string): Promise<void> =>
    writeFile(join(path, name), redact(text), { mode: 0o600, flag: "wx" });
  const versions = {
    devloop: version,
    node: process.version,
    platform: process.platform,
    arch: process.arch,
  };
  await write("versions.json", `${JSON.stringify(versions, undefined, 2)}\n`);
  await write("devloop.yaml", config?.text ?? "# it cannot be read as YAML, and is left out\n");
  await write("state.json", `${JSON.stringify(state, withoutSecrets, 2)}\n`);
  await write(
    "events.jsonl",
    events
      .lines()
      .map((line) => `${line}\n`)
      .join(""),
  );
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
