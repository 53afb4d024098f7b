import { readFileSync } from "node:fs";
import { DevloopError, toFailure, type Failure } from "../lib/errors.js";

/** Why watching is given up for polling, with the command that raises the limit that was hit. */
export function describeWatchError(error: NodeJS.ErrnoException, readLimit = readInotifyLimit): Failure {
  const limit = error.code === undefined ? undefined : limits[error.code];
  const consequence = "changes are found by polling instead, which is slower and costs CPU time";
  if (limit === undefined) {
    return toFailure(
      new DevloopError(
        "WATCH_LIMIT",
        `files can not be watched (${error.code ?? error.message}): ${consequence}`,
        {
          cause: error,
        },
      ),
    );
  }
  const current = readLimit(limit.name);
  const wanted = current === undefined ? limit.wanted : Math.max(limit.wanted, current * 2);
  return toFailure(
    new DevloopError(
      "WATCH_LIMIT",
      `the system's limit on ${limit.what} is used up${current === undefined ? "" : ` (${current})`}: ${consequence}`,
      { cause: error, hint: `sudo sysctl fs.inotify.${limit.name}=${wanted}` },
    ),
  );
}

const limits: Readonly<Record<string, { name: string; what: string; wanted: number }>> = {
  ENOSPC: { name: "max_user_watches", what: "inotify watches", wanted: 524_288 },
  EMFILE: { name: "max_user_instances", what: "inotify instances", wanted: 512 },
};

function readInotifyLimit(name: string): number | undefined {
  try {
    return Number.parseInt(readFileSync(`/proc/sys/fs/inotify/${name}`, "utf8"), 10);
  } catch {
    // Not Linux.
    return undefined;
  }
}
