/** Linux' numbers on amd64 and arm64 (signal(7)): those of this machine are of no use in a container. */
const numbers: Readonly<Record<string, number>> = Object.fromEntries(
  (
    "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU " +
    "XFSZ VTALRM PROF WINCH IO PWR SYS"
  )
    .split(" ")
    .map((name, index) => [name, index + 1]),
);
export const sigterm = 15;
const realTime = { MIN: 34, MAX: 64 } as const;

/** The number of a signal as an image's STOPSIGNAL names it: `SIGQUIT`, `quit`, `3`, `SIGRTMIN+3`; undefined where there is none of that name. */
export function signalNumber(text: string): number | undefined {
  const name = text.trim().toUpperCase().replace(/^SIG/, "");
  const { base, offset = "0" } = /^RT(?<base>MIN|MAX)(?<offset>[+-]\d+)?$/.exec(name)?.groups ?? {};
  const number = base
    ? realTime[base as keyof typeof realTime] + Number(offset)
    : /^\d+$/.test(name)
      ? Number(name)
      : numbers[name];
  return number !== undefined && number >= 1 && number <= realTime.MAX ? number : undefined;
}
