// Plain YAML scalars as Compose's YAML library (go-yaml 3) reads them. It differs from YAML 1.2 in numbers: `0644` is
// octal, `0b11` and `1_000` are numbers. And the text of a number as Go writes it, where Compose wants text.

export interface PlainScalar {
  readonly value: string | number | boolean | null;
  readonly text: string;
}

const words: Readonly<Record<string, boolean | null>> = {
  "": null,
  "~": null,
  null: null,
  Null: null,
  NULL: null,
  true: true,
  True: true,
  TRUE: true,
  false: false,
  False: false,
  FALSE: false,
};
const notNumbers: Readonly<Record<string, readonly [number, string]>> = {
  ".inf": [Infinity, "+Inf"],
  ".Inf": [Infinity, "+Inf"],
  ".INF": [Infinity, "+Inf"],
  "+.inf": [Infinity, "+Inf"],
  "+.Inf": [Infinity, "+Inf"],
  "+.INF": [Infinity, "+Inf"],
  "-.inf": [-Infinity, "-Inf"],
  "-.Inf": [-Infinity, "-Inf"],
  "-.INF": [-Infinity, "-Inf"],
  ".nan": [NaN, "NaN"],
  ".NaN": [NaN, "NaN"],
  ".NAN": [NaN, "NaN"],
};

export function readPlain(source: string): PlainScalar {
  if (Object.hasOwn(words, source)) {
    const value = words[source] ?? null;
    return { value, text: value === null ? "" : String(value) };
  }
  const special = Object.hasOwn(notNumbers, source) ? notNumbers[source] : undefined;
  if (special) return { value: special[0], text: special[1] };
  if (!/^[-+.0-9]/.test(source)) return { value: source, text: source };
  const digits = source.replaceAll("_", "");
  const integer = readInteger(digits);
  if (integer !== undefined) return { value: Number(integer), text: integer.toString() };
  if (/^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/.test(digits)) {
    return { value: Number(digits), text: goFloat(Number(digits)) };
  }
  return { value: source, text: source };
}

/** Integers of 64 bits; a greater one is read as a float. */
function readInteger(digits: string): bigint | undefined {
  const match = /^([-+]?)(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)$/.exec(digits);
  if (match?.[2] === undefined) return undefined;
  const octal = /^0[oO]?([0-7]+)$/.exec(match[2])?.[1];
  const size = BigInt(octal === undefined ? match[2] : `0o${octal}`);
  const value = match[1] === "-" ? -size : size;
  return value >= -(1n << 63n) && value < 1n << 64n ? value : undefined;
}

/** A float as Go's `%v` writes it: the shortest digits, with an exponent below 1e-4 and from 1e+06 on. */
function goFloat(value: number): string {
  if (value === 0) return Object.is(value, -0) ? "-0" : "0";
  const [mantissa = "", exponentText = "0"] = value.toExponential().split("e");
  const exponent = Number(exponentText);
  if (exponent >= -4 && exponent < 6) return String(value);
  return `${mantissa}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
}
