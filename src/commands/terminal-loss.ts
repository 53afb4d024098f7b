import { closeSync, openSync } from "node:fs";
import { isatty } from "node:tty";

/** The terminal of a process, as long as it is there. */
export interface Terminal {
  /** Aborts when it is gone: at the kernel's hang-up, or at an error of reading or writing it, where the hang-up does not come. */
  readonly lost: AbortSignal;
  /** Puts nothing in its place. Node ends with a crash when it cannot give a terminal back that it found at its start. */
  readonly release: () => void;
}

/** Watches the terminal of this process; `hungUp` aborts at SIGHUP. */
export function watchTerminal(
  { stdin, stdout, stderr }: Pick<NodeJS.Process, "stdin" | "stdout" | "stderr">,
  hungUp: AbortSignal,
): Terminal {
  const lost = new AbortController();
  // Once it is gone the streams fail for good, which nobody need hear of.
  const onError = ({ code }: NodeJS.ErrnoException): void => {
    if (code === "EIO" || code === "ENXIO" || code === "EPIPE") lost.abort();
  };
  for (const stream of [stdin, stdout, stderr]) stream.on("error", onError);
  const terminals = [0, 1, 2].filter((fd) => isatty(fd));
  return {
    lost: AbortSignal.any([lost.signal, hungUp]),
    release: () => {
      for (const fd of terminals) {
        closeSync(fd);
        // The lowest that is free is taken: the same.
        openSync("/dev/null", "r+");
      }
    },
  };
}
