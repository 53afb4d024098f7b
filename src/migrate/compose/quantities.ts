/** Nanoseconds in each unit that Compose knows. */
const units: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  "\u00B5s": 1e3,
  "\u03BCs": 1e3,
  ms: 1e6,
  s: 1e9,
  m: 6e10,
  h: 3.6e12,
  d: 8.64e13,
  w: 6.048e14,
};

/** The milliseconds of a Go duration with days and weeks (`1d2h`, `1m30s`, `1.5s`); undefined for any other text. */
export function parseDuration(text: string): number | undefined {
  const match = /^([-+]?)(.+)$/.exec(text);
  const rest = match?.[2];
  if (match === null || rest === undefined) return undefined;
  if (rest === "0") return 0;
  const part = /(\d+(?:\.\d*)?|\.\d+)(ns|us|\u00B5s|\u03BCs|ms|s|m|h|d|w)/y;
  let nanoseconds = 0;
  let end = 0;
  while (end < rest.length) {
    part.lastIndex = end;
    const [whole, number, unit] = part.exec(rest) ?? [];
    if (whole === undefined || unit === undefined) return undefined;
    nanoseconds += Number(number) * (units[unit] ?? 0);
    end += whole.length;
  }
  return (match[1] === "-" ? -nanoseconds : nanoseconds) / 1e6;
}

/** The bytes of a size in Docker's units (`64m`, `1.5 GiB`, `100`): powers of 1024; undefined for any other text. */
export function parseBytes(text: string): number | undefined {
  const match = /^(\d+(?:\.\d*)?|\.\d+) *(?:([kmgtp])(?:i?b)?|b)?$/i.exec(text);
  if (match?.[1] === undefined) return undefined;
  const power = " kmgtp".indexOf((match[2] ?? " ").toLowerCase());
  return Math.trunc(Number(match[1]) * 1024 ** power);
}

/** The permission bits that octal digits say; undefined for any other text. */
export function parseMode(text: string): number | undefined {
  return /^[-+]?[0-7]+$/.test(text) ? parseInt(text, 8) : undefined;
}

/** What a text says that stands where true or false is wanted: YAML 1.1's words; undefined for any other. */
export function parseFlag(text: string): boolean | undefined {
  const word = text.toLowerCase();
  if (["true", "y", "yes", "on"].includes(word)) return true;
  if (["false", "n", "no", "off"].includes(word)) return false;
  return undefined;
}
