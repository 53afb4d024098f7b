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
    // No input means an end of file at once: a tool that would ask must not wait for the terminal.
    input: input ?? "",
    ...(cwd === undefined ? {} : { cwd }),
    ...(env === undefined ? {} : { env }),
  });
  // The tool may have children of its own; the group dies with it, or the promise would wait for them.
  using _group = addAbortListener(signal, () => {
    killGroup(child.pid);
  });
  try {
    const result = await child;
    return result.stdout;
  } catch (error) {
    signal.throwIfAborted();
    throw error instanceof ExecaError ? toolError(file, args, error as ToolError) : error;
  }
}

/** The fields of execa's error that matter here; its own type depends on every option given. */
interface ToolError extends Error {
  readonly code?: string;
  readonly exitCode?: number;
  readonly signal?: string;
  readonly stderr?: unknown;
}

function toolError(file: string, args: readonly string[], error: ToolError): DevloopError {
  if (error.code === "ENOENT") {
    return new DevloopError("TOOL_MISSING", `${file} is not installed or not on PATH`, { cause: error });
  }
  const exit =
    error.exitCode === undefined ? (error.signal ?? "did not start") : `exit code ${error.exitCode}`;
  const stderr = typeof error.stderr === "string" ? error.stderr.trim() : "";
  return new DevloopError("TOOL_FAILED", `${file} ${args.join(" ")} failed (${exit})`, {
    cause: error,
    detail: stderr === "" ? undefined : stderr,
  });
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGTERM");
  } catch {
    // The group is gone already.
  }
}
