import type { Tone } from "./describe.js";

/** An SGR colour number. */
export type Color = number;

/** Wraps text in a colour; plain text without one. */
export function paint(text: string, color: Color | undefined): string {
  return color === undefined || text === "" ? text : `\u001b[${color}m${text}\u001b[0m`;
}

/** Whether colour is wanted: a terminal that can, and no NO_COLOR (https://no-color.org). */
export function wantsColor(
  stream: { readonly isTTY?: boolean },
  env: Readonly<Record<string, string | undefined>>,
): boolean {
  return stream.isTTY === true && !env["NO_COLOR"] && env["TERM"] !== "dumb";
}

export const toneColor: Readonly<Record<Tone, Color | undefined>> = {
  plain: undefined,
  dim: 2,
  good: 32,
  bad: 31,
};

/** Colours that are readable on light and dark grounds and mean nothing: no red, no green, no grey. */
const labelColors: readonly Color[] = [36, 35, 34, 33, 96, 95, 94];

/** The same colour for the same label, always. */
export function labelColor(label: string): Color | undefined {
  let hash = 0;
  for (const character of label) hash = (hash * 31 + (character.codePointAt(0) ?? 0)) % 65_521;
  return labelColors[hash % labelColors.length];
}
