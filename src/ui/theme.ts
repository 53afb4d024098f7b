import type { Health } from "../engine/resources.js";

/** How a piece of text looks. */
export type Look =
  | Health
  | "bold"
  | "dim"
  | "hint"
  | "link"
  | "warn"
  | "error"
  | "hit"
  | "key"
  | "added"
  | "removed"
  | "chosen"
  | `label${0 | 1 | 2 | 3 | 4 | 5}`;

export interface Theme {
  /** False under NO_COLOR: words and signs say it all. */
  readonly color: boolean;
  /** Whether the terminal is told of addresses (OSC 8). */
  readonly links: boolean;
  /** What goes before and after. */
  readonly codes: (look: Look) => readonly [open: string, close: string];
}

/** Signs are one column wide in every font and differ in shape. */
export const signs: Readonly<Record<Health, string>> = { good: "●", busy: "◐", bad: "✗", waiting: "○" };

/**
 * Of the terminal's own sixteen colours only those that most palettes make readable on a light and on a dark background, and never a background of ours.
 * [colour, weight] as SGR parameters.
 */
const looks: Readonly<Record<Look, readonly [color: number | undefined, weight: number | undefined]>> = {
  good: [32, undefined],
  busy: [33, undefined],
  bad: [31, 1],
  waiting: [undefined, undefined],
  bold: [undefined, 1],
  dim: [undefined, 2],
  hint: [36, undefined],
  link: [36, undefined],
  warn: [33, undefined],
  error: [31, undefined],
  hit: [undefined, 7],
  key: [undefined, 1],
  added: [32, undefined],
  removed: [31, undefined],
  chosen: [undefined, 7],
  label0: [36, undefined],
  label1: [35, undefined],
  label2: [34, undefined],
  label3: [32, undefined],
  label4: [33, undefined],
  label5: [31, undefined],
};

/** Where the background is known to be light: yellow and cyan are hard to see on white in many palettes. */
const onLight: Readonly<Record<number, number>> = { 33: 35, 36: 34 };

/** Whether a terminal says that its background is light: `COLORFGBG=0;15`, as rxvt, Konsole and others set it. */
export function isLight({ COLORFGBG }: Readonly<Record<string, string | undefined>>): boolean {
  const background = Number(COLORFGBG?.split(";").at(-1) ?? NaN);
  return background === 7 || background === 15;
}

const ends: Readonly<Record<number, number>> = { 1: 22, 2: 22, 7: 27 };

export function createTheme({
  color,
  light = false,
  links = true,
}: {
  readonly color: boolean;
  readonly light?: boolean;
  readonly links?: boolean;
}): Theme {
  const known = new Map<Look, readonly [string, string]>();
  const codes = (look: Look): readonly [string, string] => {
    const found = known.get(look) ?? codesOf(looks[look], { color, light });
    known.set(look, found);
    return found;
  };
  return { color, links, codes };
}

function codesOf(
  [foreground, weight]: readonly [number | undefined, number | undefined],
  { color, light }: { readonly color: boolean; readonly light: boolean },
): readonly [string, string] {
  const readable = light ? (onLight[foreground ?? 0] ?? foreground) : foreground;
  const shown = color ? readable : undefined;
  const open = [weight, shown].filter((code) => code !== undefined);
  const close = [...(shown === undefined ? [] : [39]), ...(weight === undefined ? [] : [ends[weight]])];
  return open.length === 0 ? ["", ""] : [`\u001b[${open.join(";")}m`, `\u001b[${close.join(";")}m`];
}
