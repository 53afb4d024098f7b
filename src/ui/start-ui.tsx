import { Writable } from "node:stream";
import { setImmediate } from "node:timers/promises";
import { render } from "ink";
import type { LogSource } from "../engine/log-source.js";
import type { LoopControl, ResourceDetails } from "../engine/loop-control.js";
import type { Store } from "../engine/store.js";
import { App, type AppProps } from "./app.js";
import { paced, StoreContext } from "./context.js";
import { createFrameWriter } from "./frame-writer.js";
import { createTheme, isLight } from "./theme.js";
import type { ScreenTools } from "./tools.js";
import type { Alarm } from "./use-alarm.js";

export interface UiOptions {
  readonly store: Pick<Store, "getSnapshot" | "subscribe">;
  readonly logs: LogSource;
  readonly control: LoopControl;
  readonly details: ResourceDetails;
  readonly tools: ScreenTools;
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  /** The q key. */
  readonly quit: () => void;
  /** Ctrl-c, which is no signal while the terminal hands every key over. */
  readonly interrupt: () => void;
  readonly holdOf: AppProps["holdOf"];
  readonly version: string;
  /** Left out: none. */
  readonly alarm?: Alarm;
  /** Left out: unless NO_COLOR is set. */
  readonly color?: boolean;
  /** ms since the epoch. */
  readonly now?: () => number;
}

/** A screen under way. */
export interface Ui {
  /** Resolves once the screen has gone and the terminal is as it was; rejects when drawing it failed. */
  readonly waitUntilExit: () => Promise<void>;
  readonly unmount: () => void;
  /** Frames that were written. */
  readonly frames: () => number;
}

/** The state reaches the screen at most this often, in ms: 20 times a second. */
const frameMs = 50;

/** Draws the screen on a terminal until it is unmounted. It starts no work: keys ask the loop for it. */
export function startUi(options: UiOptions): Ui {
  const { store, logs, control, details, tools, holdOf, stdin, stdout, version } = options;
  const color = options.color ?? !process.env["NO_COLOR"];
  const writer = createFrameWriter({ stdout });
  const instance = render(
    <StoreContext.Provider value={paced(store, frameMs)}>
      <App
        {...{ logs, control, details, tools, holdOf, writer, stdout, version }}
        theme={createTheme({ color, light: isLight(process.env) })}
        alarm={options.alarm ?? { kind: "off" }}
        quit={options.quit}
        interrupt={options.interrupt}
        now={options.now ?? Date.now}
      />
    </StoreContext.Provider>,
    {
      stdin,
      // The frame writer has the terminal.
      stdout: nowhere(),
      stderr: nowhere(),
      exitOnCtrlC: false,
      patchConsole: false,
    },
  );
  // Asked for at once: Ink settles only promises that were asked for before it exits.
  const exited: Promise<void> = (instance.waitUntilExit() as Promise<void>).finally(async () => {
    writer[Symbol.dispose]();
    // What is typed from now on is the shell's. Node takes up to a buffer of it even when nobody reads; pause() ends
    // that, once the stream has noticed, in a turn of its own, that its reader has gone.
    await setImmediate();
    stdin.pause();
  });
  // Whoever awaits it hears of a failure; an unmount without anyone waiting must not end the process.
  exited.catch(() => undefined);
  return {
    waitUntilExit: () => exited,
    unmount: () => {
      instance.unmount();
    },
    frames: () => writer.frames,
  };
}

function nowhere(): NodeJS.WriteStream {
  const sink = new Writable({
    write: (_chunk, _encoding, done) => {
      done();
    },
  });
  return Object.assign(sink, { columns: 80, rows: 24, isTTY: false }) as unknown as NodeJS.WriteStream;
}
