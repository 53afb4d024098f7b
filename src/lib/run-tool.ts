import { addAbortListener } from "node:events";
import { execa, ExecaError } from "execa";
import { DevloopError } from "./errors.js";

export interface RunToolOptions {
  readonly signal: AbortSignal;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string | Uint8Array;
}

/**
 * Runs a program with an argument list (never through a shell) and returns its standard output, unchanged.
 * Throws TOOL_MISSING when it is not on PATH, TOOL_FAILED with its standard error as the detail when it exits non-zero,
 * and the signal's reason when aborted.
 */
export async function runTool(
  file: string,
  args: readonly string[],
  options: RunToolOptions,
): Promise<string> {
  const { signal, cwd, env, input } = options;
  signal.throwIfAborted();
  const child = execa(file, args, {
    detached: true,
    cancelSignal: signal,
    forceKillAfterDelay: 2000,
    stripFinalNewline: false,
    stdin: input === undefined ? "ignore" : "pipe",
    ...(input === undefined ? {} : { input }),
    ...(cwd === undefined ? {} : { cwd }),
    ...(env === undefined ? {} : { env }),
  });
  // The tool may have children of its own; the group dies with it, or the promise would wait for them.
  using _group = addAbortListener(signal, () => {
    killGroup(child.pid, "SIGTERM");
  });
  try {
    return (await child).stdout;
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof ExecaError)) throw error;
    const stderr = typeof error.stderr === "string" ? error.stderr.trim() : "";
    if (error.code === "ENOENT") {
      throw new DevloopError("TOOL_MISSING", `${file} is not installed or not on PATH`, { cause: error });
    }
    throw new DevloopError(
      "TOOL_FAILED",
      `${file} ${args.join(" ")} failed (${describeExit({ exitCode: error.exitCode, signal: error.signal })})`,
      {
        cause: error,
        detail: stderr === "" ? undefined : stderr,
      },
    );
  }
}

function describeExit({
  exitCode,
  signal,
}: {
  exitCode?: number | undefined;
  signal?: string | undefined;
}): string {
  return exitCode === undefined ? (signal ?? "did not start") : `exit code ${exitCode}`;
}

function killGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // The group is gone already.
  }
}
