import { logLevels, type KeptLine } from "../../engine/log-source.js";

/**
 * A kept line as it stands in a file: `ORDER TIME FLAGS POD CONTAINER TEXT`, one line each. Order and time in base 36; flags are the level's
 * digit or `-`, and `p` for a container's run before its restart. Whoever opens the file can read it.
 */
export function encodeRecord(line: KeptLine): string {
  const level = line.level === undefined ? "-" : String(logLevels.indexOf(line.level));
  const text = line.text.includes("\n") ? line.text.replaceAll("\n", " ") : line.text;
  return `${line.order.toString(36)} ${line.time.toString(36)} ${level}${line.previous ? "p" : ""} ${line.pod || "-"} ${line.container || "-"} ${text}\n`;
}

/** The lines of a stretch of a resource's file that begins and ends with a record. */
export function decodeRecords(text: string, workload: string): readonly KeptLine[] {
  const lines: KeptLine[] = [];
  let at = 0;
  while (at < text.length) {
    const end = text.indexOf("\n", at);
    if (end === -1) break;
    lines.push(decodeRecord(text, { from: at, to: end, workload }));
    at = end + 1;
  }
  return lines;
}

function decodeRecord(
  all: string,
  { from, to, workload }: { readonly from: number; readonly to: number; readonly workload: string },
): KeptLine {
  let at = from;
  const next = (): string => {
    const space = all.indexOf(" ", at);
    const part = all.slice(at, space);
    at = space + 1;
    return part;
  };
  const order = parseInt(next(), 36);
  const time = parseInt(next(), 36);
  const flags = next();
  const pod = next();
  const container = next();
  const level = logLevels[Number(flags[0])];
  return {
    workload,
    pod: pod === "-" ? "" : pod,
    container: container === "-" ? "" : container,
    time,
    text: all.slice(at, to),
    order,
    ...(level === undefined ? {} : { level }),
    ...(flags[1] === "p" ? { previous: true as const } : {}),
  };
}
