import type { LogAnswer } from "../control/protocol.js";
import type { RunningLoop } from "../control/find-loop.js";
import { DevloopError } from "../lib/errors.js";
import { writeChunk } from "../lib/write-chunk.js";
import { findRunning } from "./find-running.js";
import { logPrinter } from "./log-printer.js";
import type { ProjectOptions } from "./session/session.js";

export interface LogsOptions extends ProjectOptions {
  /** Workloads, and images for what their builds print; all when empty. */
  readonly resources: readonly string[];
  readonly follow: boolean;
  /** Of the containers' runs before their last restart. */
  readonly previous: boolean;
  readonly json: boolean;
  readonly level?: string | undefined;
  /** The newest so many. */
  readonly tail?: number | undefined;
  /** Only lines that hold it. */
  readonly search?: string | undefined;
  /** Lines of the last so many ms. */
  readonly sinceMs?: number | undefined;
  readonly signal: AbortSignal;
}

/**
 * `devloop logs`: the lines that the running loop keeps, and with --follow those that come. Where none runs, and for runs that are over
 * (--previous), what the cluster has. Throws NOT_FOUND, and USAGE for what does not go together.
 */
export async function logsCommand(options: LogsOptions): Promise<number> {
  if (options.previous && options.follow)
    throw new DevloopError("USAGE", "--previous shows runs that are over: nothing of theirs comes any more", {
      hint: "leave out --follow",
    });
  const loop = options.previous ? undefined : await runningLoop(options);
  const lines = loop ? linesOfLoop(loop, options) : await linesOfCluster(options);
  const print = logPrinter(options);
  for await (const line of lines) {
    await writeChunk(process.stdout, Buffer.from(print(line)));
    if (process.stdout.destroyed) return 0;
  }
  return 0;
}

async function runningLoop(options: LogsOptions): Promise<RunningLoop | undefined> {
  try {
    return await findRunning(options);
  } catch (error) {
    if (error instanceof DevloopError && error.code === "LOOP_NOT_RUNNING") return undefined;
    throw error;
  }
}

function linesOfLoop({ client }: RunningLoop, options: LogsOptions): AsyncIterable<LogAnswer> {
  const { resources, follow, level, tail, search, sinceMs, signal } = options;
  const query = {
    resource: resources,
    follow: follow ? 1 : 0,
    level,
    tail,
    text: search,
    since: sinceMs === undefined ? undefined : Date.now() - sinceMs,
  };
  return client.lines("/v1/logs", query, { signal }) as AsyncGenerator<LogAnswer>;
}

/** The cluster's part is loaded only where it is needed. */
async function linesOfCluster(options: LogsOptions): Promise<AsyncIterable<LogAnswer>> {
  const { clusterLogs } = await import("./cluster-logs.js");
  return clusterLogs(options);
}
