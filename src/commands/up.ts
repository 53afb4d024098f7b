import { realpath } from "node:fs/promises";
import type { Writable } from "node:stream";
import type { LogSource } from "../engine/log-source.js";
import type { LoopControl } from "../engine/loop-control.js";
import { serveLoop } from "../control/serve-loop.js";
import { plainOutput, type Output } from "../output/plain.js";
import { jsonOutput } from "../output/json.js";
import { wantsColor } from "../output/paint.js";
import type { State } from "../engine/state.js";
import { toFailure } from "../lib/errors.js";
import { describeFailure } from "../lib/failure-lines.js";
import { version } from "../lib/version.js";
import { terminalAsk } from "./ask.js";
import { attachTo } from "./attach.js";
import { openDaemonLog } from "./daemon-log.js";
import { alreadyRuns, daemonLogPath } from "./detach.js";
import { whoRuns } from "./find-running.js";
import { offerMigrate } from "./offer-migrate.js";
import { openScreen, type Notify } from "./open-screen.js";
import { keepLogs } from "./session/keep-logs.js";
import { localControl } from "./session/loop-control.js";
import {
  loadProject,
  openSession,
  type LoadedProject,
  type ProjectOptions,
  type Session,
} from "./session/session.js";
import { removeDeployed } from "./down.js";
import { watchTerminal } from "./terminal-loss.js";

export type OutputMode = "ui" | "plain" | "json";
export interface UpOptions extends ProjectOptions {
  readonly output: OutputMode;
  /** Remove what was deployed when it ends. */
  readonly cleanup: boolean;
  readonly showLogs: boolean;
  /** It has no terminal and writes to its log file: `up --detach` started it. */
  readonly detached: boolean;
  /** Aborts when the terminal hangs up: a loop with a screen goes on without. */
  readonly hungUp: AbortSignal;
  /** Called when the loop is this process's own. */
  readonly onOwnLoop: () => void;
  /** How a failure makes itself heard; left out: as devloop.yaml says. */
  readonly notify?: Notify | undefined;
  /** A screen that scrolls, in the terminal's own buffer. */
  readonly inline: boolean;
  /** Aborts on ctrl-c and SIGTERM. */
  readonly signal: AbortSignal;
}

/** `devloop up`: the loop, until it is told to end; where it runs already, its screen. Resolves with the exit code. */
export async function upCommand(options: UpOptions): Promise<number> {
  const loaded = await loadOrMigrate(options);
  const notify = options.notify ?? loaded.loaded.config.ui.notify;
  const quit = new AbortController();
  const signal = AbortSignal.any([options.signal, quit.signal]);
  const onQuit = (): void => {
    quit.abort();
  };
  const session = openSession(loaded, { ...options, watch: true }, signal);
  const { store, details, redactor } = session;
  await using kept = keepLogs(session, { root: loaded.project.root, env: options.env });
  const control = localControl(store, { onStop: onQuit });
  const served = await serveLoop(
    { store, logs: kept, control, details, redact: redactor.redact },
    { file: await realpath(loaded.loaded.file), env: options.env, cleanup: options.cleanup, signal },
  ).catch((error: unknown) => {
    goOnWithoutSocket(error, options);
    return undefined;
  });
  if (served?.kind === "running") {
    // What was asked for besides would silently not be so.
    if (options.output !== "ui" || options.cleanup || options.profiles.length > 0)
      throw alreadyRuns(served.loop);
    process.stdout.write(`${whoRuns(served.loop)}: attached to it\n`);
    return await attachTo(served.loop, { ...options, notify });
  }
  options.onOwnLoop();
  await using _socket = served?.socket;
  const screen = await openOutput(session, options, {
    control,
    logs: kept,
    notify,
    configFile: loaded.loaded.file,
    root: loaded.project.root,
    signal,
  });
  try {
    await session.begin({ onNote: screen.note });
    await aborted(signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    // The output comes last: how the running work ended belongs on it.
    await session.end(
      options.signal.aborted ? "interrupted" : quit.signal.aborted ? "quit" : "it did not start",
    );
    await screen.close();
  }
  const cleaned = !options.cleanup || (await cleanUp(options, loaded));
  if (!options.cleanup && options.output !== "json") screen.say(stillRunning(session.store.getSnapshot()));
  if (!cleaned) return 1;
  return options.signal.aborted ? 130 : 0;
}

/** A socket that cannot be opened is no reason not to run, but for a loop that nothing else leads to. */
function goOnWithoutSocket(error: unknown, { detached, signal }: UpOptions): void {
  const { code, message } = toFailure(error);
  if (detached || signal.aborted || code === "LOOP_SILENT") throw error;
  process.stderr.write(`${message}; attach, logs and stop will not find this loop\n`);
}

/** The project; in a terminal, where there is a compose file alone, one that migrate makes if the user wants it. */
async function loadOrMigrate(options: UpOptions): Promise<LoadedProject> {
  try {
    return await loadProject(options);
  } catch (error) {
    const ask = options.output === "ui" ? terminalAsk(options) : undefined;
    if (ask === undefined || !(await offerMigrate(error, { ...options, ask }))) throw error;
    return await loadProject(options);
  }
}

/**
 * Removes what was deployed and tells whether that went well. The ctrl-c that ended the loop does not break this off, a
 * second one does.
 */
async function cleanUp(options: UpOptions, loaded: LoadedProject): Promise<boolean> {
  const { signal } = new AbortController();
  // Where events go, nothing else does.
  const out = options.output === "json" ? process.stderr : process.stdout;
  out.write("removing what was deployed; ctrl-c leaves the rest of it\n");
  try {
    await removeDeployed({
      ...options,
      ...loaded,
      dryRun: false,
      namespaces: false,
      volumes: false,
      isPlaceTold: true,
      signal,
      out,
    });
    return true;
  } catch (error) {
    const lines = describeFailure(toFailure(error));
    process.stderr.write(`what was deployed could not be removed: ${lines.join("\n")}\n`);
    return false;
  }
}

interface Screen {
  readonly note: (message: string) => void;
  /** For after the end. */
  readonly say: (text: string) => void;
  readonly close: () => Promise<void>;
}
interface ScreenOptions {
  readonly control: LoopControl;
  readonly logs: LogSource;
  readonly notify: Notify;
  readonly configFile: string;
  readonly root: string;
  readonly signal: AbortSignal;
}

async function openOutput(session: Session, options: UpOptions, screen: ScreenOptions): Promise<Screen> {
  if (options.detached) return openLogFile(session, options, screen);
  if (options.output === "ui") return openUi(session, options, screen);
  const output = attachLines(session, options.output, { showLogs: options.showLogs, signal: screen.signal });
  return {
    note: (message) => {
      process.stderr.write(`${message}\n`);
    },
    say: (text) => {
      process.stdout.write(text);
    },
    close: () => closeLines(output),
  };
}

/** The screen, for as long as its terminal is there; the loop's log file after that. */
async function openUi(session: Session, options: UpOptions, screen: ScreenOptions): Promise<Screen> {
  const { control, logs } = screen;
  const ui = await openScreen({
    store: session.store,
    logs,
    control,
    details: session.details,
    configFile: screen.configFile,
    env: options.env,
    signal: screen.signal,
    notify: screen.notify,
    inline: options.inline,
    quit: () => {
      control.stop();
    },
    // As if the terminal had sent it: the exit code is the same, and a second one ends at once.
    interrupt: () => {
      process.kill(process.pid, "SIGINT");
    },
  });
  const close = async (): Promise<void> => {
    ui.unmount();
    await ui.waitUntilExit();
  };
  const { lost, release } = watchTerminal(process, options.hungUp);
  let file: Promise<Screen> | undefined;
  const onLost = (): void => {
    // What the screen says while it goes is for nobody.
    void close()
      .catch(() => undefined)
      .then(release);
    file = openLogFile(session, options, screen).catch(() => silentScreen);
    void file.then(({ note }) => {
      note("the terminal is gone: the loop goes on without a screen; devloop attach shows it");
    });
  };
  if (lost.aborted) onLost();
  else lost.addEventListener("abort", onLost, { once: true });
  // A screen that breaks ends the session; closing it tells why.
  ui.waitUntilExit().catch(() => {
    if (!lost.aborted) control.stop();
  });
  return {
    note: (message) =>
      void file?.then((other) => {
        other.note(message);
      }),
    say: (text) => {
      if (!file) process.stdout.write(text);
      else
        void file.then((other) => {
          other.say(text);
        });
    },
    close: async () => (file ? (await file).close() : close()),
  };
}

/** Where there is neither a terminal nor a file. */
const silentScreen: Screen = {
  note: () => undefined,
  say: () => undefined,
  close: () => Promise.resolve(),
};

/** What a loop without a terminal does stands in a file; what containers print is kept elsewhere, for `devloop logs`. */
async function openLogFile(
  session: Session,
  options: UpOptions,
  { root, signal }: ScreenOptions,
): Promise<Screen> {
  const file = await openDaemonLog(daemonLogPath(root, options.env));
  const output = attachLines(session, "plain", { showLogs: false, signal, stdout: file });
  const say = (text: string): void => {
    file.write(text);
  };
  return {
    note: (message) => {
      say(`${message}\n`);
    },
    say,
    close: () => closeLines(output),
  };
}

/**
 * Attaches plain lines or JSON lines, on standard output unless another is given; log deliveries wait for whoever reads it, until the signal
 * aborts: somebody who does not read any more must not hold up the end.
 */
export function attachLines(
  session: Session,
  mode: "plain" | "json",
  {
    showLogs,
    signal,
    stdout = process.stdout,
  }: { readonly showLogs: boolean; readonly signal: AbortSignal; readonly stdout?: Writable },
): Output {
  const { store, logs, redactor } = session;
  const shared = { store, logs, stdout, redact: redactor.redact };
  const color = stdout === process.stdout && wantsColor(process.stdout, process.env);
  const output =
    mode === "json" ? jsonOutput({ ...shared, version }) : plainOutput({ ...shared, color, showLogs });
  logs.addDrain(() => output.drain({ signal }).catch(() => undefined));
  return output;
}

/** How long the end waits for a reader to take the last lines, in ms. */
const lastLinesMs = 1_000;

/** Ends an output once its lines are through. */
export async function closeLines(output: Output): Promise<void> {
  await output.drain({ signal: AbortSignal.timeout(lastLinesMs) }).catch(() => undefined);
  output[Symbol.dispose]();
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else
      signal.addEventListener(
        "abort",
        () => {
          resolve();
        },
        { once: true },
      );
  });
}

/** What the end leaves where it runs, and how to be rid of it. */
export function stillRunning({ workloads, tasks, cluster }: State): string {
  const where = cluster?.provider === "docker" ? "on the container engine" : "in the cluster";
  const names = Object.values(workloads).map(({ name }) => name);
  const cutShort = Object.values(tasks).some(
    ({ id, attempts, success }) => id.startsWith("deploy:") && attempts > 0 && !success,
  );
  if (cutShort)
    return `part of the project may be ${where}; the next devloop up goes on from there, devloop down removes it\n`;
  if (names.length === 0) return "nothing of this project was deployed by this session\n";
  return `${names.join(", ")} ${names.length === 1 ? "keeps" : "keep"} running ${where}; devloop down removes what was deployed\n`;
}
