import { createWriteStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { Readable } from "node:stream";
import { homeDirectory } from "../lib/home.js";
import type { LogSource } from "../engine/log-source.js";
import type { LoopControl, ResourceDetails } from "../engine/loop-control.js";
import type { Store } from "../engine/store.js";
import { version } from "../lib/version.js";
import type { Alarm } from "../ui/use-alarm.js";
import type { Ui } from "../ui/start-ui.js";
import { followEvents } from "./event-history.js";
import { openInBrowser } from "./open-in-browser.js";
import type { Environment } from "./session/adapters.js";
import { statePath } from "./session/state-file.js";

/** How a failure makes itself heard. */
export type Notify = "none" | "bell" | "desktop";

export interface ScreenOptions {
  readonly store: Pick<Store, "getSnapshot" | "subscribe">;
  readonly logs: LogSource;
  readonly control: LoopControl;
  readonly details: ResourceDetails;
  /** The path of devloop.yaml. */
  readonly configFile: string;
  readonly env: Environment;
  readonly notify: Notify;
  /** Lines that scroll in the terminal's own buffer, with a few rows below, instead of all of the terminal. */
  readonly inline: boolean;
  /** The q key: what is told afterwards is the caller's. */
  readonly quit: () => void;
  readonly interrupt: () => void;
  /** Ends a shell that is open. */
  readonly signal: AbortSignal;
}

/** The screen on this process's terminal: of its own loop, or of another process's. */
export async function openScreen(options: ScreenOptions): Promise<Ui> {
  const { store, logs, control, details, env, quit, interrupt, notify } = options;
  const [{ taskHold }, { desktopAlarm }] = await Promise.all([
    import("../engine/plan.js"),
    import("../ui/use-alarm.js"),
  ]);
  const alarm: Alarm =
    notify === "desktop" ? desktopAlarm(env) : { kind: notify === "bell" ? "bell" : "off" };
  if (options.inline) {
    const { openInline } = await import("./inline-screen.js");
    const { stdin, stdout } = process;
    return openInline({ store, logs, control, quit, interrupt, stdin, stdout, holdOf: taskHold, alarm });
  }
  const { startUi } = await import("../ui/start-ui.js");
  const events = followEvents(store);
  const ui = startUi({
    ...{ store, logs, control, details, quit, interrupt, version },
    stdin: process.stdin,
    stdout: process.stdout,
    holdOf: taskHold,
    alarm,
    tools: {
      open: openInBrowser,
      save: async (what, lines) => {
        const name = `${what.replace(/[^A-Za-z0-9._-]+/g, "_")}-${stamp(new Date())}.log`;
        const path = join(await savedDirectory(options), name);
        // Logs may hold what not everybody on the machine is to read.
        await pipeline(Readable.from(lines), createWriteStream(path, { flags: "wx", mode: 0o600 }));
        return shortened(path, env);
      },
      shell: async (workload) => {
        const { shellInto } = await import("./shell.js");
        await shellInto(workload, store.getSnapshot(), { env, signal: options.signal });
      },
      bundle: async () => {
        const path = join(await savedDirectory(options), `debug-${stamp(new Date())}`);
        const { writeBundle } = await import("./debug-bundle.js");
        const { configFile, signal } = options;
        await writeBundle(path, { state: store.getSnapshot(), logs, events, configFile, signal });
        return shortened(path, env);
      },
    },
  });
  const forget = (): void => {
    events[Symbol.dispose]();
  };
  ui.waitUntilExit().then(forget, forget);
  return ui;
}

/** Not in the project: a file that comes there may be part of an image, and set a build going. */
async function savedDirectory({ configFile, env }: ScreenOptions): Promise<string> {
  const directory = statePath(dirname(configFile), env, "saved");
  await mkdir(directory, { recursive: true, mode: 0o700 });
  return directory;
}

/** With `~` for the home directory, as a shell takes it. */
function shortened(path: string, env: Environment): string {
  const home = homeDirectory(env);
  return path.startsWith(`${home}/`) ? `~${path.slice(home.length)}` : path;
}

/** `20260102-030405`, in UTC. */
export function stamp(date: Date): string {
  return date
    .toISOString()
    .replace(/[-:]|\..*/g, "")
    .replace("T", "-");
}
