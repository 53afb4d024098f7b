import type { Key } from "ink";

/** What came from the keyboard, or the mouse. */
export type Input =
  | { readonly kind: "key"; readonly name: string }
  | { readonly kind: "wheel"; readonly by: 1 | -1; readonly row: number }
  | { readonly kind: "click"; readonly row: number };

const named = [
  ["return", "enter"],
  ["escape", "esc"],
  ["upArrow", "up"],
  ["downArrow", "down"],
  ["leftArrow", "left"],
  ["rightArrow", "right"],
  ["pageUp", "pageup"],
  ["pageDown", "pagedown"],
  ["home", "home"],
  ["end", "end"],
  ["backspace", "backspace"],
  ["delete", "backspace"],
] as const satisfies readonly (readonly [keyof Key, string])[];

/** What Ink tells of a piece of input. Keys struck fast, or over a slow line, come in one piece. */
export function inputsOf(input: string, key: Key): readonly Input[] {
  // SGR mouse reports, https://invisible-island.net/xterm/ctlseqs/ctlseqs.html#h3-Extended-coordinates
  const mouse = [...input.matchAll(/\[<(\d+);\d+;(\d+)([Mm])/g)];
  if (mouse.length > 0)
    return mouse.flatMap(([, button, row, end]) => mouseInput(Number(button), Number(row), end));
  const found = named.find(([flag]) => key[flag]);
  if (found) return [{ kind: "key", name: found[1] }];
  if (key.tab) return [{ kind: "key", name: key.shift ? "shift-tab" : "tab" }];
  if (key.ctrl) return [{ kind: "key", name: `ctrl-${input}` }];
  if (key.meta) return [];
  return Array.from(input).flatMap((name): readonly Input[] => {
    if (name === "\r" || name === "\n") return [{ kind: "key", name: "enter" }];
    return name >= " " && name !== "\u007f" ? [{ kind: "key", name }] : [];
  });
}

function mouseInput(button: number, row: number, end: string | undefined): readonly Input[] {
  if (button === 64) return [{ kind: "wheel", by: -1, row }];
  if (button === 65) return [{ kind: "wheel", by: 1, row }];
  return button === 0 && end === "M" ? [{ kind: "click", row }] : [];
}
