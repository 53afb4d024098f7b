import { render } from "ink";
import type { Store } from "../engine/store.js";
import { App } from "./app.js";
import { paced, StoreContext } from "./context.js";
import type { LogSource } from "./detail-lines.js";
import type { HoldOf } from "./rows.js";
import { createTheme, ThemeContext } from "./theme.js";
import type { UiActions } from "./use-keys.js";

export interface UiOptions {
  readonly store: Store;
  readonly logs: LogSource;
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly actions: UiActions;
  readonly holdOf: HoldOf;
  readonly version: string;
  /** Left out: unless NO_COLOR is set. */
  readonly color?: boolean;
}

/** A screen under way. */
export interface Ui {
  /** Resolves once the screen has gone and the terminal is as it was; rejects when drawing it failed. */
  readonly waitUntilExit: () => Promise<void>;
  readonly unmount: () => void;
}

/** Frames and notifications come at most this often, in ms: 20 times a second. */
const frameMs = 50;

/** Draws the screen on a terminal until `q`, ctrl-c or unmount. It starts no work: keys call `actions`. */
export function startUi(options: UiOptions): Ui {
  const { store, logs, stdin, stdout, actions, holdOf, version } = options;
  const color = options.color ?? !process.env["NO_COLOR"];
  const onResize = clearOnResize(stdout, () => {
    instance.clear();
  });
  const instance = render(
    <StoreContext.Provider value={paced(store, frameMs)}>
      <ThemeContext.Provider value={createTheme(color)}>
        <App
          dispatch={store.dispatch}
          logs={logs}
          actions={actions}
          holdOf={holdOf}
          version={version}
          now={Date.now}
        />
      </ThemeContext.Provider>
    </StoreContext.Provider>,
    {
      stdin,
      stdout,
      exitOnCtrlC: false,
      patchConsole: false,
      // Not incrementalRendering: in Ink 6.8 it draws a frame that ends in a newline one line too low.
      maxFps: 1000 / frameMs,
    },
  );
  // Asked for at once: Ink settles only promises that were asked for before it exits.
  const exited: Promise<void> = (instance.waitUntilExit() as Promise<void>).finally(() => {
    stdout.off("resize", onResize);
  });
  // Whoever awaits it hears of a failure; an unmount without anyone waiting must not end the process.
  exited.catch(() => undefined);
  return {
    waitUntilExit: () => exited,
    unmount: () => {
      stdout.off("resize", onResize);
      instance.unmount();
    },
  };
}

/**
 * A narrower terminal breaks the lines of the old frame, which then takes more rows than Ink erases: what is on the
 * screen goes first, and Ink forgets it. Listens before Ink does, so that its next frame is drawn whole.
 */
function clearOnResize(stdout: NodeJS.WriteStream, forget: () => void): () => void {
  let size = `${stdout.columns}x${stdout.rows}`;
  const onResize = (): void => {
    const next = `${stdout.columns}x${stdout.rows}`;
    if (next === size) return;
    size = next;
    forget();
    stdout.write("\u001b[2J\u001b[H");
  };
  stdout.on("resize", onResize);
  return onResize;
}
