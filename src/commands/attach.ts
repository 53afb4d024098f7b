import { remoteControl } from "../control/remote-control.js";
import { openRemoteStore } from "../control/remote-store.js";
import type { RunningLoop } from "../control/find-loop.js";
import { taskHold } from "../engine/plan.js";
import { DevloopError, toFailure } from "../lib/errors.js";
import { describeFailure } from "../lib/failure-lines.js";
import { version } from "../lib/version.js";
import { LogBuffer } from "../output/log-buffer.js";
import { startUi } from "../ui/start-ui.js";
import { findRunning, whoRuns } from "./find-running.js";
import type { ProjectOptions } from "./session/session.js";

export interface AttachOptions extends ProjectOptions {
  /** Whether there is a terminal for the screen. */
  readonly terminal: boolean;
  readonly signal: AbortSignal;
}

/** `devloop attach`: the screen of a loop that runs in another process; q leaves it running. Throws LOOP_NOT_RUNNING. */
export async function attachCommand(options: AttachOptions): Promise<number> {
  const loop = await findRunning(options);
  if (!options.terminal)
    throw new DevloopError("USAGE", "attach needs a terminal", {
      hint: "devloop status, devloop logs -f or devloop events show the loop without one",
    });
  return attachTo(loop, options);
}

/** Shows a loop's screen until q, the signal, or the loop's end. Resolves with the exit code. */
export async function attachTo(
  loop: RunningLoop,
  { signal: outer }: { readonly signal: AbortSignal },
): Promise<number> {
  const quit = new AbortController();
  const signal = AbortSignal.any([outer, quit.signal]);
  const { client } = loop;
  const store = await openRemoteStore(client, { signal });
  const problems: string[] = [];
  const control = remoteControl(client, {
    signal,
    onProblem: (error) => void problems.push(describeFailure(toFailure(error)).join("\n")),
  });
  const logs = new LogBuffer();
  void followLogs(logs).catch(() => undefined);
  const ui = startUi({
    store: { ...store, dispatch: () => undefined },
    logs,
    stdin: process.stdin,
    stdout: process.stdout,
    version,
    holdOf: taskHold,
    actions: {
      rebuild: (image) => {
        control.trigger(image);
      },
      pause: () => {
        control.pause();
      },
      resume: () => {
        control.resume();
      },
      quit: () => {
        quit.abort();
      },
      interrupt: () => {
        quit.abort();
      },
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

  async function followLogs(buffer: LogBuffer): Promise<void> {
    for await (const line of client.lines("/v1/logs", { follow: 1, tail: 5_000 }, { signal })) {
      const { type, resource, ...rest } = line as {
        type: string;
        resource: string;
        pod: string;
        container: string;
        time: string;
        text: string;
        previous?: true;
      };
      if (type !== "log.line") continue;
      const { pod, container, text, previous } = rest;
      buffer.append([
        {
          workload: resource,
          pod,
          container,
          text,
          time: Date.parse(rest.time),
          ...(previous ? { previous } : {}),
        },
      ]);
    }
  }
}
