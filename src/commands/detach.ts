import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { mkdir, readFile, realpath, stat } from "node:fs/promises";
import { dirname } from "node:path";
import type { PublicState } from "../control/protocol.js";
import { type RunningLoop, runningLoops } from "../control/find-loop.js";
import { DevloopError } from "../lib/errors.js";
import { pause } from "../lib/pause.js";
import { whoRuns } from "./find-running.js";
import type { LoadedProject, ProjectOptions } from "./session/session.js";
import { statePath } from "./session/state-file.js";

/** Tells the process that `up --detach` starts that it is that one. */
const detachedVariable = "DEVLOOP_DETACHED";

/** The file that a loop without a terminal writes to. */
export function daemonLogPath(root: string, env: ProjectOptions["env"]): string {
  return statePath(root, env, "loop.log");
}

/**
 * Starts the loop as a process of its own session, and waits until it has found the cluster. Resolves with the exit code: the
 * loop's own when it ended before. Throws LOOP_RUNNING.
 */
export async function startDetached(
  { project, loaded }: LoadedProject,
  {
    env,
    argv,
    cleanup,
    signal,
  }: {
    readonly env: ProjectOptions["env"];
    readonly argv: readonly string[];
    /** At its end it removes what it deployed. */
    readonly cleanup: boolean;
    readonly signal: AbortSignal;
  },
): Promise<number> {
  const file = await realpath(loaded.file);
  const find = async (): Promise<RunningLoop | undefined> =>
    (await runningLoops(file, env)).find(({ identity }) => identity.project === project.name);
  const before = await find();
  if (before) throw alreadyRuns(before);

  const path = daemonLogPath(project.root, env);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const from = (await stat(path).catch(() => undefined))?.size ?? 0;
  const log = openSync(path, "a", 0o600);
  const child = spawn(process.execPath, [...process.execArgv, ...argv], {
    detached: true,
    env: { ...env, [detachedVariable]: "1" },
    stdio: ["ignore", log, log],
  });
  closeSync(log);
  const exited = once(child, "exit") as Promise<[number | null]>;
  try {
    for (;;) {
      if (child.exitCode !== null || child.signalCode !== null) {
        const [code] = await exited;
        process.stderr.write(await saidSince(path, from));
        return code ?? 1;
      }
      const loop = await find();
      if (loop && loop.identity.pid === child.pid && (await hasCluster(loop, signal))) break;
      await pause(50, { signal });
    }
  } catch (error) {
    // Whoever breaks the start off wants no loop.
    child.kill("SIGTERM");
    throw error;
  }
  child.unref();
  process.stdout.write(
    `${project.name} runs in the background: process ${child.pid ?? ""}, its log is ${path}\n` +
      `devloop attach shows it, devloop wait tells when it is ready, devloop stop ends it${cleanup ? " and removes what it deployed" : ""}\n`,
  );
  return 0;
}

/** The loop that is there already, as an error that says what to do. */
export function alreadyRuns(loop: RunningLoop): DevloopError {
  return new DevloopError("LOOP_RUNNING", whoRuns(loop), {
    hint: "devloop attach shows it, devloop stop ends it",
  });
}

/** Where it asked the engine and the cluster, and both answered. One that is ending may answer no more. */
async function hasCluster({ client }: RunningLoop, signal: AbortSignal): Promise<boolean> {
  try {
    const state = (await client.get("/v1/state", {}, { signal })) as PublicState;
    return state.cluster !== undefined;
  } catch (error) {
    if (error instanceof DevloopError && error.code === "LOOP_NOT_RUNNING") return false;
    throw error;
  }
}

async function saidSince(path: string, from: number): Promise<string> {
  const content = await readFile(path);
  const text = content.subarray(from).toString("utf8");
  const error = text.lastIndexOf("\ndevloop: ");
  return error === -1 ? text : text.slice(error + 1);
}
