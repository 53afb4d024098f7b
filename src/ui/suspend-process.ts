import { once } from "node:events";

/** How long a stop may take to come over this process, in ms: a process that is stopped runs no timers. */
const stopMs = 200;

/**
 * Stops this process and those that run with it, as ctrl-z does outside of raw mode; resolves when the shell brings it back, or at once
 * where nobody can: without job control (a terminal's only program) the kernel drops the signal, and Windows has none.
 */
export async function suspendProcess(): Promise<void> {
  const back = once(process, "SIGCONT", { signal: AbortSignal.timeout(stopMs) }).catch(() => undefined);
  try {
    // The whole job: a package runner that waits for us is stopped with us, and the shell has its terminal.
    process.kill(0, "SIGTSTP");
  } catch {
    return;
  }
  await back;
}
