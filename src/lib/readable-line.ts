/** Names that programs give a line's message and its level, the commonest first. */
const messages = ["msg", "message", "text", "event", "log"];
const unshown = new Set([
  ...messages,
  ...["level", "lvl", "severity", "loglevel", "levelname", "@level", "log.level"],
  ...["time", "ts", "timestamp", "@timestamp", "t", "asctime", "date"],
  ...["v", "pid", "hostname"],
]);

/**
 * A line of JSON as people read it: the level, the message, then `key=value` of the rest; any other line as it is. `fields`: these alone, in
 * this order, instead of the rest; time stamps are left out unless named, since every line has one of its own.
 */
export function readableLine(text: string, fields: readonly string[] = []): string {
  const object = parsed(text);
  if (object === undefined) return text;
  const message = messages.find((name) => typeof object[name] === "string");
  const names = fields.length > 0 ? fields : Object.keys(object).filter((name) => !unshown.has(name));
  const level = ["level", "severity", "lvl", "levelname"].map((name) => object[name]).find(isScalar);
  const parts = [
    ...(level === undefined ? [] : [levelWord(level)]),
    ...(message === undefined ? [] : [String(object[message])]),
    ...names
      .filter((name) => name !== message && object[name] !== undefined)
      .map((name) => `${name}=${valueText(object[name])}`),
  ];
  return parts.length === 0 ? text : parts.join(" ").replaceAll("\n", "⏎ ");
}

function parsed(text: string): Readonly<Record<string, unknown>> | undefined {
  const trimmed = text.trim();
  if (!trimmed.startsWith("{") || !trimmed.endsWith("}")) return undefined;
  try {
    const value: unknown = JSON.parse(trimmed);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function isScalar(value: unknown): value is string | number {
  return typeof value === "string" || typeof value === "number";
}

const numbered: Readonly<Record<number, string>> = {
  10: "TRACE",
  20: "DEBUG",
  30: "INFO",
  40: "WARN",
  50: "ERROR",
  60: "FATAL",
};

function levelWord(level: string | number): string {
  return (typeof level === "number" ? (numbered[level] ?? String(level)) : level.toUpperCase()).padEnd(5);
}

function valueText(value: unknown): string {
  if (typeof value !== "string") return JSON.stringify(value);
  return value === "" || /[\s"=]/.test(value) ? JSON.stringify(value) : value;
}
