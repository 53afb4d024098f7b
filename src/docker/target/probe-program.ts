import { randomUUID } from "node:crypto";
import type { Programs } from "./dial.js";

/** How long the container's shell may take to kill a program, in ms. */
const killMs = 5_000;
const mark = "DEVLOOP_PROBE";
const killMarked = `for p in /proc/[0-9]*; do grep -qs "${mark}=$0" $p/environ && kill -9 \${p#/proc/}; done`;

/**
 * Runs the program of a probe or a hook. One that is given up is killed with all that it has started: the engine has no way to end
 * what it was asked to run, so the container's own shell does. Where there is none, it stays.
 */
export async function runProbeProgram(
  programs: Programs,
  container: string,
  argv: readonly string[],
  { signal }: { readonly signal: AbortSignal },
): ReturnType<Programs["run"]> {
  const id = randomUUID();
  try {
    return await programs.run(container, argv, { signal, env: { [mark]: id } });
  } catch (error) {
    // Nobody waits for it, and it may fail: the container may be gone as well.
    if (signal.aborted)
      void programs
        .run(container, ["sh", "-c", killMarked, id], { signal: AbortSignal.timeout(killMs) })
        .catch(() => undefined);
    throw error;
  }
}
