import type { LogAnswer } from "../control/protocol.js";
import { count } from "../lib/format.js";
import { lastPart } from "../lib/short-name.js";
import { terminalText } from "../lib/terminal-text.js";
import { labelColor, paint, wantsColor } from "../output/paint.js";

/** Log lines as they are printed: for people, whose each is stands before it, or one JSON object a line. */
export function logPrinter({ json }: { readonly json: boolean }): (line: LogAnswer) => string {
  return json ? (line) => `${JSON.stringify(line)}\n` : plainLines();
}

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
