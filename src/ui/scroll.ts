import { compilePattern } from "../engine/log-pattern.js";
import type { LogPattern } from "../engine/log-source.js";
import { errorText } from "../lib/errors.js";
import { textTop } from "./frame.js";
import { patternOf, patternText, type Overlay, type Place, type ScreenState } from "./screen-state.js";
import type { ScreenContext } from "./screen-context.js";

/** The pane after scrolling by so many lines; at its last line it follows what comes. */
export function scrolledBy(context: ScreenContext, by: number): ScreenState {
  const { screen, pane, layout, window } = context;
  if (pane.body.kind === "text") {
    const last = Math.max(0, pane.body.lines.length - layout.body);
    const top = textTop(pane.body, screen.place, layout.body);
    return { ...screen, place: { top: Math.max(0, Math.min(last, top + by)) } };
  }
  const bottom = bottomOf(screen.place, window.end);
  // Wrapped, one line may need all of the rows.
  const least = window.first + (screen.logs.wrap ? 0 : Math.max(0, layout.body - 1));
  const next = Math.max(least, Math.min(window.end - 1, bottom + by));
  return { ...screen, place: next >= window.end - 1 ? "newest" : { bottom: next } };
}

export function scrolledTo(context: ScreenContext, end: "first" | "last"): ScreenState {
  return scrolledBy(context, end === "first" ? -Infinity : Infinity);
}

function bottomOf(place: Place, end: number): number {
  return place !== "newest" && "bottom" in place ? Math.min(place.bottom, end - 1) : end - 1;
}

/** What was typed at a prompt takes effect. */
export function typedPattern(context: ScreenContext, overlay: Extract<Overlay, { kind: "prompt" }>): void {
  const { set } = context;
  const close = (change: Partial<ScreenState>): void => {
    set((screen) => ({ ...screen, overlay: { kind: "none" }, ...change }));
  };
  if (overlay.what === "fields") {
    close({ fields: overlay.text.split(/[\s,]+/).filter((name) => name !== "") });
    return;
  }
  const pattern = patternOf(overlay.text);
  try {
    if (pattern) compilePattern(pattern);
  } catch (error) {
    set((screen) => ({
      ...screen,
      notice: { text: errorText(error), bad: true },
      overlay: { kind: "none" },
    }));
    return;
  }
  const { filter: _, search: __, ...rest } = context.screen.logs;
  if (overlay.what === "filter") {
    const { search } = context.screen.logs;
    close({
      place: "newest",
      logs: { ...rest, ...(search ? { search } : {}), ...(pattern ? { filter: pattern } : {}) },
    });
    return;
  }
  const { filter } = context.screen.logs;
  close({ logs: { ...rest, ...(filter ? { filter } : {}), ...(pattern ? { search: pattern } : {}) } });
  if (pattern) void search(context, pattern, { direction: "back", from: "bottom" });
}

export async function search(
  context: ScreenContext,
  pattern: LogPattern,
  { direction, from }: { readonly direction: "back" | "forth"; readonly from: "bottom" | "hit" },
): Promise<void> {
  const { screen, pane, window, layout, text, set } = context;
  const signal = context.startSearch();
  const key = patternText(pattern);
  const isLog = pane.body.kind === "logs";
  const here = isLog ? bottomOf(screen.place, window.end) : textTop(pane.body, screen.place, layout.body);
  const known = from === "hit" && screen.hit?.pattern === key ? screen.hit.index : undefined;
  const start = known === undefined ? here : known + (direction === "forth" ? 1 : -1);
  const tell = (notice: ScreenState["notice"]): void => {
    set((now) => ({ ...now, notice }));
  };
  const slow = setTimeout(() => {
    tell({ text: `searching ${key}`, bad: false });
  }, 300);
  try {
    const hit = isLog
      ? await window.find(pattern, start, direction, { signal })
      : inText(text, pattern, { start, direction, from });
    clearTimeout(slow);
    if (signal.aborted) return;
    if (hit === undefined) {
      tell({
        text: `no more lines with ${key} ${direction === "back" ? "above: n searches downwards" : "below: N searches upwards"}`,
        bad: false,
      });
      return;
    }
    const around = Math.floor(layout.body / 2);
    const logPlace: Place = hit + around >= window.end - 1 ? "newest" : { bottom: hit + around };
    const place: Place = isLog ? logPlace : { top: Math.max(0, hit - around) };
    set((now) => ({ ...now, place, hit: { pattern: key, index: hit }, notice: undefined }));
  } catch (error) {
    // Nobody wants its answer any more.
    if (!signal.aborted) tell({ text: errorText(error), bad: true });
  } finally {
    clearTimeout(slow);
  }
}

function inText(
  text: readonly string[],
  pattern: LogPattern,
  { start, direction, from }: { start: number; direction: "back" | "forth"; from: "bottom" | "hit" },
): number | undefined {
  const fits = compilePattern(pattern).matches(text);
  const all = fits.flatMap((fit, index) => (fit ? [index] : []));
  // Text begins to be read at its top.
  if (from === "bottom") return all.find((index) => index >= start) ?? all[0];
  return direction === "forth"
    ? all.find((index) => index >= start)
    : all.findLast((index) => index <= start);
}
