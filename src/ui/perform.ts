import type { LogFilter } from "../engine/log-source.js";
import type { State } from "../engine/state.js";
import { errorText } from "../lib/errors.js";
import { unreachable } from "../lib/unreachable.js";
import type { ActionId } from "./actions.js";
import { containersOf, textOf } from "./log-filter.js";
import type { Row } from "./rows.js";
import type { ScreenContext } from "./screen-context.js";
import { search } from "./scroll.js";
import { fresh, patternText, selectedRow, toggledLogs, type ScreenState } from "./screen-state.js";

/** Does what a key, or a line of the palette, asks for. */
export function performAction(id: ActionId, context: ScreenContext): void {
  const { state, rows, screen, control, set } = context;
  const selected = selectedRow(screen, rows);
  const images = imagesOf(selected, state);
  const say = (text: string, bad = false): void => {
    set((now) => ({ ...now, notice: { text, bad } }));
  };
  const attempt = (work: Promise<string | undefined>): void => {
    work
      .then((text) => {
        if (text !== undefined) say(text);
      })
      .catch((error: unknown) => {
        say(errorText(error), true);
      });
  };
  const prompt = (what: "filter" | "search" | "fields", text: string): void => {
    set((now) => ({ ...now, overlay: { kind: "prompt", what, text } }));
  };
  switch (id) {
    case "rebuild":
      if (!selected || selected.kind === "forward") control.trigger();
      else control.trigger(selected.subject);
      return;
    case "rebuild-all":
      control.trigger();
      return;
    case "restart":
      if (selected?.kind !== "workload") say("select a workload to restart");
      else {
        control.restart(selected.subject);
        say(`restarting ${selected.name}`);
      }
      return;
    case "pause":
      if (state.paused) control.resume();
      else control.pause();
      return;
    case "sync": {
      const synced = images.filter((image) => state.images[image]?.spec.sync !== undefined);
      if (synced.length === 0) {
        say(
          images.length === 0 ? "select an image or a workload" : `${images.join(", ")}: no files are synced`,
        );
        return;
      }
      const on = synced.some((image) => state.images[image]?.syncOff);
      for (const image of synced) control.setSync(on, image);
      say(`sync of ${synced.join(", ")} is ${on ? "on" : "off: edits wait"}`);
      return;
    }
    case "focus":
      if (state.focus.length > 0) {
        control.focus([]);
        say("everything follows edits again");
      } else if (images.length === 0) say("select an image or a workload to focus on");
      else {
        control.focus(images);
        say(`only ${images.join(", ")} follow edits: F ends it`);
      }
      return;
    case "open": {
      const [url] = selected?.urls ?? [];
      if (url === undefined) say("the selected row has no address");
      else attempt(context.tools.open(url).then(() => `opened ${url}`));
      return;
    }
    case "shell": {
      const { shell } = context.tools;
      if (selected?.kind !== "workload") say("select a workload for a shell in it");
      else if (!shell) say("there is no shell here");
      else attempt(context.suspend(() => shell(selected.subject)).then(() => undefined));
      return;
    }
    case "describe":
      if (selected?.kind !== "workload") say("select a workload to describe");
      else attempt(describe(selected, context));
      return;
    case "bundle": {
      const { bundle } = context.tools;
      if (!bundle) say("there is no debug bundle here");
      else {
        say("writing the debug bundle");
        attempt(bundle().then((path) => `wrote ${path}: look through it before you pass it on`));
      }
      return;
    }
    case "all-logs":
      set((now) => toggledLogs(now, rows));
      return;
    case "filter":
      prompt("filter", patternText(screen.logs.filter));
      return;
    case "search":
      prompt("search", "");
      return;
    case "next":
    case "previous": {
      const pattern = screen.logs.search;
      if (!pattern) say("nothing was searched for: / does");
      else void search(context, pattern, { direction: id === "next" ? "forth" : "back", from: "hit" });
      return;
    }
    case "level":
      set((now) => ({ ...now, place: "newest", logs: nextLevel(now.logs) }));
      return;
    case "container":
      if (context.filter) attempt(nextContainer(context, context.filter));
      return;
    case "previous-run":
      if (context.row?.kind !== "workload" || context.tab !== "logs")
        say("select a workload's logs to see what it printed before its last restart");
      else set(toggledPrevious);
      return;
    case "wrap":
      set((now) => ({ ...now, logs: { ...now.logs, wrap: !now.logs.wrap, sideways: 0 } }));
      return;
    case "times":
      set((now) => ({ ...now, logs: { ...now.logs, times: !now.logs.times } }));
      return;
    case "raw":
      set((now) => ({ ...now, logs: { ...now.logs, raw: !now.logs.raw } }));
      return;
    case "fields":
      prompt("fields", screen.fields.join(" "));
      return;
    case "save":
      attempt(save(context));
      return;
    case "copy": {
      const text = context.visible.join("\n");
      // OSC 52, https://invisible-island.net/xterm/ctlseqs/ctlseqs.html: the terminal's clipboard, also over SSH.
      context.writer.send(`\u001b]52;c;${Buffer.from(text).toString("base64")}\u0007`);
      say("copied what is shown, if the terminal lets programs copy");
      return;
    }
    case "full":
      set((now) => ({ ...now, full: !now.full }));
      return;
    case "back":
      return;
    case "palette":
      set((now) => ({ ...now, overlay: { kind: "palette", text: "", chosen: 0 } }));
      return;
    case "mouse":
      context.mouse.set(!context.mouse.on);
      say(
        context.mouse.on
          ? "the mouse is the terminal's again"
          : "the wheel scrolls, a click selects; m ends it",
      );
      return;
    case "help":
      set((now) => ({ ...now, overlay: { kind: "help", top: 0 } }));
      return;
    case "quit":
      context.quit();
      return;
    default:
      unreachable(id);
  }
}

/** The project's images that a row stands for. */
function imagesOf(row: Row | undefined, state: State): readonly string[] {
  if (row?.kind === "image") return [row.subject];
  return row?.kind === "workload" ? (state.workloads[row.subject]?.images ?? []) : [];
}

async function describe(row: Row, { details, set }: ScreenContext): Promise<undefined> {
  const { signal } = new AbortController();
  const text = await details.describe(row.subject, { signal });
  set((now) => ({ ...now, overlay: { kind: "text", title: row.name, text, top: 0 } }));
  return undefined;
}

function nextLevel({ level, ...rest }: ScreenState["logs"]): ScreenState["logs"] {
  if (level === undefined) return { ...rest, level: "warn" };
  return level === "warn" ? { ...rest, level: "error" } : rest;
}

function toggledPrevious(screen: ScreenState): ScreenState {
  const { previous, ...logs } = screen.logs;
  return { ...screen, place: "newest", logs: previous ? logs : { ...logs, previous: true } };
}

async function nextContainer(
  { logs, screen, set }: ScreenContext,
  filter: LogFilter,
): Promise<string | undefined> {
  const all = await containersOf(logs, filter);
  if (all.length < 2 && screen.logs.container === undefined) return "the newest lines are of one container";
  const next = all[screen.logs.container === undefined ? 0 : all.indexOf(screen.logs.container) + 1];
  set((now) => {
    const { container: _, ...rest } = now.logs;
    return { ...now, ...fresh(now), logs: { ...rest, ...(next === undefined ? {} : { container: next }) } };
  });
  return next === undefined ? "all containers" : undefined;
}

async function save({ row, filter, logs, text, tools }: ScreenContext): Promise<string> {
  const what = row?.name ?? "all";
  const path = await tools.save(what, filter ? textOf(logs, filter) : linesOf(text));
  return `saved to ${path}`;
}

async function* linesOf(text: readonly string[]): AsyncGenerator<string> {
  for (const each of text) yield await Promise.resolve(`${each}\n`);
}
