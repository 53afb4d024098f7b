import { remoteControl, remoteDetails } from "../control/remote-control.js";
import { remoteLogs } from "../control/remote-logs.js";
import { openRemoteStore } from "../control/remote-store.js";
import type { RunningLoop } from "../control/find-loop.js";
import { DevloopError, toFailure } from "../lib/errors.js";
import { describeFailure } from "../lib/failure-lines.js";
import { openScreen, type Notify } from "./open-screen.js";
import { findRunning, whoRuns } from "./find-running.js";
import { loadProject, type ProjectOptions } from "./session/session.js";

export interface AttachOptions extends ProjectOptions {
  /** Whether there is a terminal for the screen. */
  readonly terminal: boolean;
  /** How a failure makes itself heard; left out: as devloop.yaml says. */
  readonly notify?: Notify | undefined;
  /** A screen that scrolls, in the terminal's own buffer. */
  readonly inline: boolean;
  readonly signal: AbortSignal;
}

/** `devloop attach`: the screen of a loop that runs in another process; q leaves it running. Throws LOOP_NOT_RUNNING. */
export async function attachCommand(options: AttachOptions): Promise<number> {
  const loop = await findRunning(options);
  if (!options.terminal)
    throw new DevloopError("USAGE", "attach needs a terminal", {
      hint: "devloop status, devloop logs -f or devloop events show the loop without one",
    });
  return attachTo(loop, { ...options, notify: options.notify ?? (await configuredNotify(options)) });
}

/** What devloop.yaml says, which may be broken by now. */
async function configuredNotify(options: ProjectOptions): Promise<Notify> {
  try {
    return (await loadProject(options, { check: false })).loaded.config.ui.notify;
  } catch {
    return "none";
  }
}

/** Shows a loop's screen until q, the signal, or the loop's end. Resolves with the exit code. */
export async function attachTo(
  loop: RunningLoop,
  options: ProjectOptions & {
    readonly notify: Notify;
    readonly inline: boolean;
    readonly signal: AbortSignal;
  },
): Promise<number> {
  const { signal: outer } = options;
  const quit = new AbortController();
  const signal = AbortSignal.any([outer, quit.signal]);
  const { client } = loop;
  const store = await openRemoteStore(client, { signal });
  const problems: string[] = [];
  const control = remoteControl(client, {
    signal,
    onProblem: (error) => void problems.push(describeFailure(toFailure(error)).join("\n")),
  });
  const ui = await openScreen({
    store,
    logs: remoteLogs(client, { signal }),
    control,
    details: remoteDetails(client),
    configFile: loop.identity.file,
    env: options.env,
    notify: options.notify,
    inline: options.inline,
    signal,
    quit: () => {
      quit.abort();
    },
    interrupt: () => {
      quit.abort();
    },
  });
  ui.waitUntilExit().catch(() => {
    quit.abort();
  });
  let ended = false;
  try {
    await store.ended;
    ended = true;
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    ui.unmount();
    await ui.waitUntilExit();
  }
  for (const problem of problems) process.stderr.write(`${problem}\n`);
  if (ended) {
    const stopped = store.getSnapshot().stopping;
    process.stdout.write(
      stopped ? "the loop has ended\n" : "the loop is gone: its process ended without a word\n",
    );
    return stopped ? 0 : 1;
  }
  process.stdout.write(
    `${whoRuns(loop)}, and goes on; devloop attach shows it again, devloop stop ends it\n`,
  );
  return outer.aborted ? 130 : 0;
}
