import { useEffect, useRef } from "react";
import { useInput } from "ink";
import { actionOfKey } from "./actions.js";
import { suspendProcess } from "./suspend-process.js";
import { inputsOf, type Input } from "./keys.js";
import { offersOf } from "./palette.js";
import { performAction } from "./perform.js";
import { scrolledBy, scrolledTo, typedPattern } from "./scroll.js";
import {
  fresh,
  moved,
  showing,
  shownRow,
  shownTab,
  startState,
  tabsOf,
  type Overlay,
  type ScreenState,
} from "./screen-state.js";
import type { ScreenContext } from "./screen-context.js";

/** What the keys need of what was drawn last. */
export interface KeysInput extends Omit<ScreenContext, "set" | "startSearch"> {
  readonly setScreen: (next: ScreenState) => void;
  /** False while another program has the terminal. */
  readonly active: boolean;
}

/** How long it is told what a key did, in ms; what went wrong until the next key. */
const noticeMs = 6_000;

/** Follows the keyboard and the mouse: what is selected and shown is kept in the screen's state, all else is asked of the loop. */
export function useKeys(input: KeysInput): void {
  // Keys may come faster than frames: each acts on what the one before it left, not on what was drawn last.
  const newest = useRef(input.screen);
  const drawn = useRef(input);
  drawn.current = input;
  const { notice } = input.screen;
  useEffect(() => {
    if (!notice || notice.bad) return;
    // The keys that the footer names are of more use than what was done a while ago.
    const timer = setTimeout(() => {
      if (newest.current.notice === notice) set({ ...newest.current, notice: undefined });
    }, noticeMs);
    return () => {
      clearTimeout(timer);
    };
  }, [notice]);
  const searching = useRef<AbortController>(undefined);
  // The lines that are searched are other ones then, or nobody's.
  const searched = JSON.stringify(input.filter ?? null);
  useEffect(() => () => searching.current?.abort(), [searched]);

  useInput(
    (text, key) => {
      for (const each of inputsOf(text, key)) take(each);
    },
    { isActive: input.active },
  );

  function set(next: ScreenState): void {
    newest.current = next;
    drawn.current.setScreen(next);
  }

  function context(): ScreenContext {
    const row = shownRow(newest.current, drawn.current.rows);
    return {
      ...drawn.current,
      screen: newest.current,
      row,
      tab: shownTab(newest.current, row),
      set: (change) => {
        set(change(newest.current));
      },
      startSearch: () => {
        searching.current?.abort();
        searching.current = new AbortController();
        return searching.current.signal;
      },
    };
  }

  function take(each: Input): void {
    const all = context();
    if (each.kind === "wheel") {
      set(scrolledBy(all, each.by * 3));
      return;
    }
    if (each.kind === "click") {
      click(all, each.row);
      return;
    }
    if (each.name === "ctrl-c") {
      all.interrupt();
      return;
    }
    if (each.name === "ctrl-z") {
      void all.suspend(suspendProcess);
      return;
    }
    // What a key did is told until the next one.
    const { notice, ...rest } = all.screen;
    if (notice) set({ ...rest, notice: undefined });
    const { overlay } = all.screen;
    switch (overlay.kind) {
      case "prompt":
        inPrompt(overlay, each.name);
        return;
      case "palette":
        inPalette(overlay, each.name);
        return;
      case "help":
      case "text":
        inText(overlay, each.name);
        return;
      case "none":
        onScreen(each.name);
    }
  }

  function click(all: ScreenContext, row: number): void {
    const at = row - 2 - all.layout.banners.length;
    const target = all.layout.table[at];
    if (target && "row" in target && all.screen.overlay.kind === "none") set(showing(all.screen, target.row));
  }

  function onScreen(name: string): void {
    const all = context();
    const { screen, rows, row } = all;
    const tabs = tabsOf(row);
    const page = Math.max(1, Math.floor(all.layout.body / 2));
    switch (name) {
      case "j":
      case "down":
        set(screen.full ? scrolledBy(all, 1) : moved(screen, rows, 1));
        return;
      case "k":
      case "up":
        set(screen.full ? scrolledBy(all, -1) : moved(screen, rows, -1));
        return;
      case "g":
      case "home":
        set(screen.full ? scrolledTo(all, "first") : moved(screen, rows, -rows.length));
        return;
      case "G":
      case "end":
        if (screen.full || screen.place !== "newest") set(scrolledTo(all, "last"));
        else set(moved(moved(screen, rows, 1), rows, rows.length));
        return;
      case "ctrl-d":
      case "pagedown":
        set(scrolledBy(all, page));
        return;
      case "ctrl-u":
      case "pageup":
        set(scrolledBy(all, -page));
        return;
      case "h":
      case "left":
        set(sideways(screen, -8));
        return;
      case "l":
      case "right":
        set(sideways(screen, 8));
        return;
      case "tab":
      case "shift-tab": {
        // All logs have no tabs: the key leads to the row.
        if (tabs.length < 2) {
          performAction("all-logs", all);
          return;
        }
        const by = name === "tab" ? 1 : tabs.length - 1;
        choose(tabs[(tabs.indexOf(all.tab) + by) % tabs.length]);
        return;
      }
      default: {
        const tab = /^[1-9]$/.test(name) ? tabs[Number(name) - 1] : undefined;
        const id = actionOfKey.get(name);
        if (tab) choose(tab);
        else if (name === "esc") back(screen);
        else if (id) performAction(id, all);
      }
    }
  }

  function choose(tab: ScreenState["tab"]): void {
    const screen = newest.current;
    set({ ...screen, tab, ...fresh(screen) });
  }

  /** One thing after the other: the place, the filter, the full view, what was chosen. */
  function back(screen: ScreenState): void {
    const { logs } = screen;
    searching.current?.abort();
    if (screen.place !== "newest") set({ ...screen, place: "newest" });
    else if (logs.filter || logs.level || logs.container || logs.search || logs.previous) {
      const { filter: _, level: __, container: ___, search: ____, previous: _____, ...rest } = logs;
      set({ ...screen, logs: rest });
    } else if (screen.full) set({ ...screen, full: false });
    else set({ ...screen, view: startState.view, tab: undefined });
  }

  function inText(overlay: Extract<Overlay, { top: number }>, name: string): void {
    const screen = newest.current;
    const page = Math.max(1, drawn.current.size.rows - 6);
    const by = {
      j: 1,
      down: 1,
      k: -1,
      up: -1,
      "ctrl-d": page,
      pagedown: page,
      "ctrl-u": -page,
      pageup: -page,
      G: 1e6,
      g: -1e6,
    }[name];
    const most = Math.max(0, drawn.current.text.length - (drawn.current.size.rows - 3));
    if (by !== undefined)
      set({ ...screen, overlay: { ...overlay, top: Math.max(0, Math.min(most, overlay.top + by)) } });
    else if (name === "q") drawn.current.quit();
    else if (["esc", "?", "d", "enter"].includes(name)) set({ ...screen, overlay: { kind: "none" } });
  }

  function inPrompt(overlay: Extract<Overlay, { kind: "prompt" }>, name: string): void {
    const screen = newest.current;
    if (name === "esc") set({ ...screen, overlay: { kind: "none" } });
    else if (name === "enter") typedPattern(context(), overlay);
    else set({ ...screen, overlay: { ...overlay, text: edited(overlay.text, name) } });
  }

  function inPalette(overlay: Extract<Overlay, { kind: "palette" }>, name: string): void {
    const screen = newest.current;
    const offers = offersOf(overlay.text, drawn.current.rows);
    const by = { down: 1, "ctrl-n": 1, tab: 1, up: -1, "ctrl-p": -1, "shift-tab": -1 }[name];
    if (name === "esc" || name === "ctrl-k") set({ ...screen, overlay: { kind: "none" } });
    else if (by !== undefined)
      set({
        ...screen,
        overlay: { ...overlay, chosen: Math.max(0, Math.min(offers.length - 1, overlay.chosen + by)) },
      });
    else if (name === "enter") {
      const offer = offers[overlay.chosen];
      set({ ...screen, overlay: { kind: "none" } });
      if (offer?.kind === "row") set(showing(newest.current, offer.row));
      else if (offer) performAction(offer.id, context());
    } else set({ ...screen, overlay: { ...overlay, text: edited(overlay.text, name), chosen: 0 } });
  }
}

/** A prompt's text after a key. */
function edited(text: string, name: string): string {
  if (name === "backspace") return Array.from(text).slice(0, -1).join("");
  if (name === "ctrl-u") return "";
  if (name === "ctrl-w") return text.replace(/\S*\s*$/, "");
  return Array.from(name).length === 1 ? text + name : text;
}

function sideways(screen: ScreenState, by: number): ScreenState {
  const { logs } = screen;
  return { ...screen, logs: { ...logs, sideways: logs.wrap ? 0 : Math.max(0, logs.sideways + by) } };
}
