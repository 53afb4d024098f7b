/**
 * Aborts when the terminal is gone: the kernel's hang-up, or an error of reading or writing it, where the hang-up does not come. Ends that
 * way leave errors on the streams for good, which nobody need hear of.
 */
export function terminalLoss(
  { stdin, stdout, stderr }: Pick<NodeJS.Process, "stdin" | "stdout" | "stderr">,
  hungUp: AbortSignal,
): AbortSignal {
  const lost = new AbortController();
  const onError = ({ code }: NodeJS.ErrnoException): void => {
    if (code === "EIO" || code === "ENXIO" || code === "EPIPE") lost.abort();
  };
  for (const stream of [stdin, stdout, stderr]) stream.on("error", onError);
  return AbortSignal.any([lost.signal, hungUp]);
}
