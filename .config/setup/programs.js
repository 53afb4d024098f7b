// Runs programs for `npm start` and `npm test`. Plain Node.js: nothing is installed yet when these begin.
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

/** The project's directory. Said in a way that an old Node.js knows too: it is to hear that it is too old. */
export const root = fileURLToPath(new URL("../..", import.meta.url));

/**
 * An error that says what to do about it.
 * @param {string} message
 * @param {string} fix
 */
export function failure(message, fix) {
  return Object.assign(new Error(message), { fix });
}

/**
 * Runs a program without showing what it prints; when it fails, its last lines are in the error.
 * @param {string} file
 * @param {readonly string[]} argv
 * @param {{ env?: Record<string, string>, cwd?: string }} options
 */
export async function run(file, argv, options = {}) {
  const { exitCode, stdout, stderr } = await capture(file, argv, options);
  if (exitCode === 0) return;
  const words = `${stdout}\n${stderr}`.trim().split("\n").slice(-12).join("\n");
  throw new Error(`${[file, ...argv].join(" ")} failed with exit code ${exitCode}\n${words}`);
}

/**
 * Runs a program and keeps what it prints; exit code 127 when it is not there.
 * @param {string} file
 * @param {readonly string[]} argv
 * @param {{ timeoutMs?: number, env?: Record<string, string>, cwd?: string }} options
 * @returns {Promise<{ exitCode: number, stdout: string, stderr: string }>}
 */
export function capture(file, argv, { timeoutMs, env = {}, cwd = root } = {}) {
  return new Promise((resolve) => {
    const child = spawn(file, argv, {
      cwd,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...env },
      // spawn's own timeout would keep this process up when the program is not there.
      ...(timeoutMs === undefined ? {} : { signal: AbortSignal.timeout(timeoutMs) }),
    });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (/** @type {string} */ text) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (/** @type {string} */ text) => (stderr += text));
    child.on("error", (/** @type {NodeJS.ErrnoException} */ error) => {
      resolve({ exitCode: error.code === "ENOENT" ? 127 : 1, stdout, stderr: error.message });
    });
    child.on("close", (code) => {
      resolve({ exitCode: code ?? 1, stdout, stderr });
    });
  });
}
