import { realpath } from "node:fs/promises";
import { findConfig } from "../config/find-config.js";
import { findLoop, type RunningLoop } from "../control/find-loop.js";
import { loadProject, type ProjectOptions } from "./session/session.js";

/** The running loop of the project that the command line means. Throws LOOP_NOT_RUNNING; its devloop.yaml may be broken by now. */
export async function findRunning(options: ProjectOptions): Promise<RunningLoop> {
  const file = await realpath(await findConfig(options));
  return findLoop(file, options.env, async () => (await loadProject(options, { check: false })).project.name);
}

/** "monitor runs in process 1234 since 14:03". */
export function whoRuns({ identity }: RunningLoop): string {
  const since = new Date(identity.startedAt);
  const sameDay = since.toDateString() === new Date().toDateString();
  const time = since.toTimeString().slice(0, 5);
  const day = sameDay ? "" : `${since.toISOString().slice(0, 10)} `;
  return `the loop of ${identity.project} runs in process ${identity.pid} since ${day}${time}`;
}
