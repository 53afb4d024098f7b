import { writeSync } from "node:fs";

/** Puts frames on a terminal: of each only the rows that differ from what stands there. */
export interface FrameWriter extends Disposable {
  /**
   * The newest frame, one string a row, painted. It is written when the last one is old enough; the answer to a key (`urgent`) at once, as
   * long as there are not more than twenty frames in a second.
   */
  draw(rows: readonly string[], options?: { readonly urgent?: boolean }): void;
  /** Forgets what stands on the screen: the next frame is written whole. */
  forget(): void;
  /** Gives the terminal to another program, and takes it back. */
  suspend(): void;
  resume(): void;
  /** Whether the mouse's wheel and clicks are reported (SGR), instead of selecting text. */
  mouse(on: boolean): void;
  /** Bytes that do not move the cursor: a bell, a clipboard's contents. */
  readonly send: (bytes: string) => void;
  /** Frames that were written. */
  readonly frames: number;
}

export interface FrameWriterOptions {
  readonly stdout: Pick<NodeJS.WriteStream, "write" | "writableNeedDrain" | "once" | "off"> & {
    readonly fd?: number;
  };
  readonly now?: () => number;
}

/** Frames that nobody asked for by a key come at most this often, in ms: what is left of twenty a second is for keys. */
const restMs = 70;
/** So many frames may come at once, and so many more in each second: never more than twenty in any second. */
const burst = 4;
const perSecond = 16;

/** https://gist.github.com/christianparpart/d8a62cc1ab659194337d73e399004036: terminals that do not know it, ignore it. */
const begin = "\u001b[?2026h";
const end = "\u001b[?2026l";

/** The other buffer, no cursor, no wrapping at the edge. */
const enter = "\u001b[?1049h\u001b[?25l\u001b[?7l\u001b[2J\u001b[H";
const mouseOn = "\u001b[?1000h\u001b[?1006h";
const mouseOff = "\u001b[?1006l\u001b[?1000l";
/** All of it back, in an order that is right on its own at any moment. */
const leave = `${mouseOff}${end}\u001b[0m\u001b[?7h\u001b[?25h\u001b[?1049l`;

/** Takes the terminal's other buffer until it is disposed; also when the process ends without that. */
export function createFrameWriter({
  stdout,
  now = () => performance.now(),
}: FrameWriterOptions): FrameWriter {
  let shown: readonly string[] = [];
  let next: readonly string[] | undefined;
  let isUrgent = false;
  let wroteAt = -Infinity;
  /** Frames that may be written now, as of the last one. */
  let allowed = burst;
  let timer: NodeJS.Timeout | undefined;
  let state: "on" | "suspended" | "off" = "on";
  let frames = 0;
  let mouse = false;

  // A process that ends by an error runs no cleanup: the screen must not be left in a shell.
  const onExit = (): void => {
    if (state === "on" && stdout.fd !== undefined)
      try {
        writeSync(stdout.fd, leave);
      } catch {
        // The terminal is gone.
      }
  };
  process.on("exit", onExit);
  stdout.write(enter);

  const allowedNow = (time: number): number =>
    Math.min(burst, allowed + ((time - wroteAt) / 1000) * perSecond);

  /** How long the next frame has to wait, in ms. */
  function wait(): number {
    const time = now();
    const lacking = ((1 - allowedNow(time)) * 1000) / perSecond;
    return Math.max(lacking, isUrgent ? 0 : wroteAt + restMs - time);
  }

  function schedule(): void {
    clearTimeout(timer);
    timer = undefined;
    const due = wait();
    if (due <= 0) flush();
    // Rounded up: a timer that fires a fraction early would write too soon.
    else timer = setTimeout(flush, Math.ceil(due));
  }

  function flush(): void {
    timer = undefined;
    if (next === undefined || state !== "on") return;
    // A slow line takes the newest frame when it is free again, and never those between.
    if (stdout.writableNeedDrain) {
      stdout.off("drain", flush).once("drain", flush);
      return;
    }
    const changes = differences(shown, next);
    shown = next;
    next = undefined;
    isUrgent = false;
    if (changes === "") return;
    const time = now();
    allowed = allowedNow(time) - 1;
    wroteAt = time;
    frames += 1;
    stdout.write(begin + changes + end);
  }

  return {
    get frames() {
      return frames;
    },
    draw(rows, { urgent = false } = {}) {
      const hurries = urgent && !isUrgent;
      next = rows;
      isUrgent ||= urgent;
      if (timer === undefined || hurries) schedule();
    },
    forget() {
      shown = [];
    },
    suspend() {
      if (state !== "on") return;
      state = "suspended";
      stdout.write(leave);
    },
    resume() {
      if (state !== "suspended") return;
      state = "on";
      shown = [];
      stdout.write(enter + (mouse ? mouseOn : ""));
    },
    mouse(on) {
      mouse = on;
      if (state === "on") stdout.write(on ? mouseOn : mouseOff);
    },
    send: (bytes) => {
      if (state === "on" && bytes !== "") stdout.write(bytes);
    },
    [Symbol.dispose]() {
      clearTimeout(timer);
      stdout.off("drain", flush);
      process.off("exit", onExit);
      if (state === "on") stdout.write(leave);
      state = "off";
    },
  };
}

/** What turns one frame into the next, or `""`. A frame of another height, or the first, begins on an empty screen. */
export function differences(before: readonly string[], after: readonly string[]): string {
  const isNew = before.length !== after.length;
  let bytes = isNew ? "\u001b[0m\u001b[2J" : "";
  for (const [row, text] of after.entries())
    if (isNew || before[row] !== text) bytes += `\u001b[${row + 1};1H${text}`;
  return bytes;
}
