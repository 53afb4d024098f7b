import { Writable } from "node:stream";
import type { LoopControl } from "../engine/loop-control.js";
import type { State } from "../engine/state.js";
import { loopSummary, type LoopSummary } from "../engine/phase.js";
import { resourcesOf, type Health, type Resource } from "../engine/resources.js";
import { throttle } from "../lib/throttle.js";
import { clipLine, line, lineWidth, paint, span, type Line } from "./line.js";
import { headerLine, nameWidthOf, tableLine } from "./overview.js";
import { screenRows } from "./rows.js";
import type { Ui, UiOptions } from "./start-ui.js";
import { suspendProcess } from "./suspend-process.js";
import { createTheme, isLight } from "./theme.js";
import { alarmBytes } from "./use-alarm.js";

/** A few rows that stay below the lines that scroll by. */
export interface Footer extends Ui {
  /** Whole lines written to it come to stand above. */
  readonly above: Writable;
}

export interface FooterOptions extends Pick<
  UiOptions,
  "store" | "stdin" | "stdout" | "quit" | "interrupt" | "holdOf" | "color" | "now" | "alarm"
> {
  readonly control: Pick<LoopControl, "trigger" | "pause" | "resume">;
}

/** Rows at most for what is at work or not well. */
const mostRows = 3;
/** The footer is drawn at most this often, in ms. */
const drawMs = 70;

/** Whoever brings more than this before it was written, waits: in characters. */
const mostWaiting = 64 * 1024;

const begin = "\u001b[?2026h";
const end = "\u001b[?2026l";
const hideCursor = "\u001b[?25l";
/** A terminal that has just become narrower must not break the footer's rows: how many there are would not be known. */
const wrapOff = "\u001b[?7l";
const wrapOn = "\u001b[?7h";
const showCursor = "\u001b[?25h";

/** Follows the loop below the terminal's own lines, which stay in its scroll-back: no other buffer is taken. */
export function openFooter(options: FooterOptions): Footer {
  const { store, control, stdin, stdout, holdOf, now = Date.now } = options;
  const color = options.color ?? !process.env["NO_COLOR"];
  const theme = createTheme({ color, light: isLight(process.env) });
  let shown: readonly Line[] = [];
  let waiting = "";
  const release: (() => void)[] = [];
  let state: "open" | "suspended" | "closed" = "open";
  let before: Health | undefined;
  let resizing: NodeJS.Timeout | undefined;
  let frames = 0;
  let settle: () => void = () => undefined;
  const exited = new Promise<void>((resolve) => {
    settle = resolve;
  });

  const isClosed = (): boolean => state === "closed";
  const columns = (): number => stdout.columns || 80;

  /**
   * Back to the footer's first row, and nothing below. A terminal that became narrower has broken its rows. Row by row: where all of the screen
   * is erased at once, tmux keeps what stood there in its history.
   */
  function erase(): string {
    const rows = shown.reduce((sum, each) => sum + Math.max(1, Math.ceil(lineWidth(each) / columns())), 0);
    shown = [];
    return rows === 0 ? "" : `\r\u001b[2K${"\u001b[A\u001b[2K".repeat(rows - 1)}`;
  }

  /** Once when the loop turns bad. */
  function ring({ health, text }: LoopSummary): void {
    const { alarm = { kind: "off" } } = options;
    if (health === "bad" && before !== "bad")
      stdout.write(alarmBytes(alarm, { project: store.getSnapshot().project.name, text }));
    before = health;
  }

  function flush(): void {
    if (state !== "open" || resizing !== undefined) return;
    // A slow terminal gets the rest once it is ready; whoever writes lines waits.
    if (stdout.writableNeedDrain) {
      stdout.off("drain", draw).once("drain", draw);
      return;
    }
    const text = waiting;
    const loop = store.getSnapshot();
    const resources = resourcesOf(loop, (id) => holdOf(loop, id));
    const summary = loopSummary(loop, resources);
    ring(summary);
    const next = footerLines(loop, resources, { summary, now: now(), columns: columns() });
    if (text === "" && sameLines(next, shown)) return;
    const drawn = next.map((each) => paint(each, columns(), theme)).join("\n");
    const bytes = erase() + text + wrapOff + drawn + wrapOn;
    waiting = "";
    shown = next;
    frames += 1;
    stdout.write(begin + hideCursor + bytes + end);
    for (const done of release.splice(0)) done();
  }
  const draw = throttle(flush, drawMs);

  const above = new Writable({
    decodeStrings: false,
    write(chunk: Buffer | string, _encoding, done) {
      if (state === "closed") {
        done();
        return;
      }
      waiting += chunk.toString();
      if (waiting.length > mostWaiting) release.push(done);
      else done();
      draw();
    },
  });

  function onKeys(keys: Buffer): void {
    for (const key of keys.toString()) {
      if (key === "q") options.quit();
      else if (key === "\u0003") options.interrupt();
      else if (key === "\u001a") void suspend();
      else if (key === "r") control.trigger();
      else if (key === "p") {
        if (store.getSnapshot().paused) control.resume();
        else control.pause();
      } else if (key === "\r") above.write("\n");
    }
  }

  async function suspend(): Promise<void> {
    stdout.write(erase() + showCursor);
    stdin.setRawMode(false);
    state = "suspended";
    await suspendProcess();
    // Meanwhile the loop may have ended.
    if (isClosed()) return;
    state = "open";
    stdin.setRawMode(true);
    draw();
  }

  // A process that ends by an error runs no cleanup.
  const onExit = (): void => {
    if (state === "open") stdout.write(erase() + showCursor);
  };
  const removeStore = store.subscribe(draw);
  const tick = setInterval(draw, 1_000);
  const onResize = (): void => {
    // Drawn once the size rests: what comes in between would be drawn for a size that is not any more.
    clearTimeout(resizing);
    resizing = setTimeout(() => {
      resizing = undefined;
      draw();
    }, drawMs);
  };
  stdout.on("resize", onResize);
  stdin.setRawMode(true);
  stdin.on("data", onKeys);
  process.on("exit", onExit);
  draw();

  return {
    above,
    frames: () => frames,
    waitUntilExit: () => exited,
    unmount: () => {
      if (isClosed()) return;
      removeStore();
      clearInterval(tick);
      clearTimeout(resizing);
      draw[Symbol.dispose]();
      stdout.off("resize", onResize);
      stdout.off("drain", draw);
      stdin.off("data", onKeys);
      if (state === "open") stdin.setRawMode(false);
      stdin.pause();
      process.off("exit", onExit);
      stdout.write(erase() + waiting + showCursor);
      state = "closed";
      for (const done of release.splice(0)) done();
      settle();
    },
  };
}

function sameLines(a: readonly Line[], b: readonly Line[]): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** How the loop stands, what is at work or not well, and the keys. One column stays free: a full row would be broken. */
function footerLines(
  state: State,
  resources: readonly Resource[],
  {
    summary,
    now,
    columns,
  }: { readonly summary: LoopSummary; readonly now: number; readonly columns: number },
): readonly Line[] {
  const room = columns - 1;
  const rows = screenRows(state, resources);
  const some = rows.filter(({ health }) => health === "bad" || health === "busy").slice(0, mostRows);
  const look = { selected: undefined, columns: room, now, nameWidth: nameWidthOf(rows, room), saves: false };
  return [
    line("─".repeat(room), "dim"),
    headerLine(state, summary, { now, columns: room }),
    ...some.map((row) => tableLine({ row }, look)),
    keysLine(state.paused),
  ].map((each) => clipLine(each, room));
}

function keysLine(paused: boolean): Line {
  const keys = [
    ["r", "rebuild all"],
    ["p", paused ? "go on" : "pause"],
    ["q", "quit"],
  ] as const;
  return keys.flatMap(([key, does], index) => [
    ...(index > 0 ? [span("   ")] : []),
    span(key, "key"),
    span(` ${does}`, "dim"),
  ]);
}
