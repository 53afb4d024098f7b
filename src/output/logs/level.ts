import type { LogLevel } from "../../engine/log-source.js";

/** Further than this into a line no level stands. */
const head = 160;

const words: Readonly<Record<string, LogLevel>> = {
  trace: "trace",
  trc: "trace",
  verbose: "trace",
  debug: "debug",
  dbg: "debug",
  dbug: "debug",
  fine: "debug",
  info: "info",
  inf: "info",
  information: "info",
  notice: "info",
  warn: "warn",
  wrn: "warn",
  warning: "warn",
  error: "error",
  err: "error",
  eror: "error",
  fail: "error",
  severe: "error",
  fatal: "fatal",
  ftl: "fatal",
  critical: "fatal",
  crit: "fatal",
  panic: "fatal",
  alert: "fatal",
  emerg: "fatal",
  emergency: "fatal",
};
const word = Object.keys(words)
  .sort((a, b) => b.length - a.length)
  .join("|");

/** `"level":"warn"`, `"severity": "ERROR"`, pino's and bunyan's `"level":40`. The first of a JSON line. */
const field = /"(?:level|lvl|severity|loglevel|log\.level|@level|levelname)"\s*:\s*(?:"([A-Za-z]+)"|(\d+))/i;
/** logfmt: `level=warn`, `lvl="error"`. */
const pair = /(?:^|\s)(?:level|lvl|severity)=["']?([A-Za-z]+)/i;
/** klog: `E0102 15:04:05.123456    1 file.go:12] message`. */
const klog = /^([IWEF])\d{4} \d{2}:\d{2}:\d{2}/;
const klogLevels: Readonly<Record<string, LogLevel>> = { I: "info", W: "warn", E: "error", F: "fatal" };
/** `[WARN]`, `<error>`, `|INFO|`: in brackets, anywhere near the start, in any case. */
const bracketed = new RegExp(`[[<(|]\\s*(${word})\\s*[\\]>)|]`, "i");
/** `ERROR: …`, `2026-01-02 15:04:05,123 WARN app - …`: upper-case, behind nothing but times, numbers and signs. */
const leading = new RegExp(`^[\\d\\s\\-:.,+TZ/[\\]]*(${word.toUpperCase()})(?=[\\s:\\]|-]|$)`);
/** `error: …`, `Warning: …`, `npm warn …`: the line's first or second word. */
const opening = new RegExp(`^(?:npm )?(${word})(?:: |!|\\[|$)|^npm (${word}) `, "i");
/** A traceback's or an uncaught error's first line: `TypeError: …`, `panic: …`, `Traceback (most recent call last)`. */
const thrown = /^(?:Uncaught )?(?:[A-Z][A-Za-z.]*(?:Error|Exception)\b|Traceback \()|^panic: /;

/** The level that a line tells of itself; undefined when it tells none. Colours do not hide it. */
export function levelOf(text: string): LogLevel | undefined {
  const plain = text.includes("\u001b") ? text.replace(/\u001b\[[\d;:]*m/g, "") : text;
  const first = plain.trimStart();
  if (first.startsWith("{")) {
    const [, name, number] = field.exec(first) ?? [];
    if (name !== undefined) return words[name.toLowerCase()];
    if (number !== undefined) return levelOfNumber(Number(number));
  }
  const start = first.slice(0, head);
  const letter = klog.exec(start)?.[1];
  if (letter !== undefined) return klogLevels[letter];
  const named =
    pair.exec(start)?.[1] ?? bracketed.exec(start)?.[1] ?? leading.exec(start)?.[1] ?? openingWord(start);
  if (named !== undefined) return words[named.toLowerCase()];
  return thrown.test(start) ? "error" : undefined;
}

function openingWord(start: string): string | undefined {
  const found = opening.exec(start);
  return found?.[1] ?? found?.[2];
}

/** Pino's and bunyan's numbers; syslog's are below 8. */
function levelOfNumber(level: number): LogLevel | undefined {
  if (level >= 60) return "fatal";
  if (level >= 50) return "error";
  if (level >= 40) return "warn";
  if (level >= 30) return "info";
  if (level >= 20) return "debug";
  if (level >= 10) return "trace";
  return level <= 2 ? "fatal" : level === 3 ? "error" : level === 4 ? "warn" : level <= 6 ? "info" : "debug";
}
