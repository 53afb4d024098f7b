import type { LogAnswer } from "../control/protocol.js";
import { lastPart } from "../lib/short-name.js";
import { terminalText } from "../lib/terminal-text.js";
import { writeChunk } from "../lib/write-chunk.js";
import { count } from "../lib/format.js";
import { labelColor, paint, wantsColor } from "../output/paint.js";
import { findRunning } from "./find-running.js";
import type { ProjectOptions } from "./session/session.js";

export interface LogsOptions extends ProjectOptions {
  /** Workloads, and images for what their builds print; all when empty. */
  readonly resources: readonly string[];
  readonly follow: boolean;
  readonly json: boolean;
  readonly level?: string | undefined;
  readonly tail?: string | undefined;
  /** Only lines that hold it. */
  readonly search?: string | undefined;
  /** Lines of the last so many ms. */
  readonly sinceMs?: number | undefined;
  readonly signal: AbortSignal;
}

/** `devloop logs`: the lines that the running loop keeps, and with --follow those that come. Throws LOOP_NOT_RUNNING, NOT_FOUND. */
export async function logsCommand(options: LogsOptions): Promise<number> {
  const { client } = await findRunning(options);
  const { resources, follow, json, level, tail, search, sinceMs, signal } = options;
  const query = {
    resource: resources,
    follow: follow ? 1 : 0,
    level,
    tail,
    text: search,
    since: sinceMs === undefined ? undefined : Date.now() - sinceMs,
  };
  const print = json ? (line: LogAnswer) => `${JSON.stringify(line)}\n` : plainLines();
  for await (const line of client.lines("/v1/logs", query, { signal })) {
    await writeChunk(process.stdout, Buffer.from(print(line as LogAnswer)));
    if (process.stdout.destroyed) return 0;
  }
  return 0;
}

/** Lines for people: whose each is stands before it. */
function plainLines(): (line: LogAnswer) => string {
  const color = wantsColor(process.stdout, process.env);
  let width = 0;
  const containers = new Map<string, Set<string>>();
  return (line) => {
    if (line.type === "log.missed") return `… ${count(line.lines, "line")} not shown: no longer kept\n`;
    const { resource, container, text, previous } = line;
    const seen = (containers.get(resource) ?? new Set()).add(container);
    containers.set(resource, seen);
    const name = lastPart(resource.replace(/^build:/, "build "));
    const label = seen.size > 1 ? `${name}/${container}` : name;
    width = Math.min(30, Math.max(width, label.length));
    const mark = previous ? " │ (before its restart) " : " │ ";
    const head = paint(label.padEnd(width), color ? labelColor(label) : undefined);
    return `${head}${mark}${terminalText(text, { color })}\n`;
  };
}
