import { createContext, useContext } from "react";
import type { TextProps } from "ink";
import type { Health } from "./rows.js";

/** Looks of a piece of text: of Ink's <Text>, so that a component spreads it. */
type Look = Pick<TextProps, "color" | "dimColor" | "bold">;

export interface Theme {
  /** False under NO_COLOR: words and signs say it all. */
  readonly color: boolean;
  readonly health: Readonly<Record<Health, Look>>;
  readonly bad: Look;
  readonly hint: Look;
  readonly dim: Look;
  readonly link: Look;
}

/** Signs are one column wide in every font and differ in shape. */
export const signs: Readonly<Record<Health, string>> = { good: "●", busy: "◐", bad: "✗", waiting: "○" };

export function createTheme(color: boolean): Theme {
  const look = (name: string): Look => (color ? { color: name } : {});
  return {
    color,
    health: { good: look("green"), busy: look("yellow"), bad: { ...look("red"), bold: true }, waiting: {} },
    bad: look("red"),
    hint: look("cyan"),
    dim: { dimColor: true },
    link: look("cyan"),
  };
}

export const ThemeContext = createContext<Theme>(createTheme(false));

export function useTheme(): Theme {
  return useContext(ThemeContext);
}
