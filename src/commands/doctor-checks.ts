import { readFile, statfs } from "node:fs/promises";
import { DevloopError, errorText } from "../lib/errors.js";
import { bytes } from "../lib/format.js";
import { runTool } from "../lib/run-tool.js";
import { installCommand, packageManager, startEngineCommand } from "./install-commands.js";

/** One thing looked at. `fail`: devloop cannot work without it; `warn`: some of it cannot, or not for long. */
export interface Check {
  readonly name: string;
  readonly status: "ok" | "warn" | "fail";
  readonly message: string;
  /** What to do about it, one line that can be pasted where there is a command. */
  readonly fix?: string;
}

interface ToolOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
}

export function checkNode(version: string): Check {
  if (atLeast(version, [20, 19])) return { name: "node", status: "ok", message: version };
  return {
    name: "node",
    status: "fail",
    message: `${version} is too old: 20.19 or newer is needed`,
    fix: "nvm install 22   (or https://nodejs.org)",
  };
}

/** BuildKit is part of Docker's engine since 18.09; devloop is kept working with 20.10 (API 1.41) and newer. */
export function checkBuildKit(engine: {
  readonly version: string;
  readonly apiVersion: string;
  readonly product: string;
}): Check {
  const name = "buildkit";
  if (/podman/i.test(engine.product)) {
    const fix = "point DOCKER_HOST at a Docker engine";
    return { name, status: "fail", message: `${engine.product} has no BuildKit`, fix };
  }
  const fix = "install Docker 20.10 or newer: https://docs.docker.com/engine/install";
  if (!atLeast(engine.apiVersion, [1, 39])) {
    return { name, status: "fail", message: `Docker ${engine.version} has no BuildKit`, fix };
  }
  if (!atLeast(engine.apiVersion, [1, 41])) {
    return {
      name,
      status: "warn",
      message: `part of Docker ${engine.version}, which is older than 20.10`,
      fix,
    };
  }
  return { name, status: "ok", message: `part of the engine (API ${engine.apiVersion})` };
}

/**
 * Why an engine does not answer, with the command that ends it: one that is not installed is installed, one that is there is
 * started. What is wrong with its address or its rights, the error itself tells.
 */
export async function judgeEngineFailure(error: unknown, options: ToolOptions): Promise<Check> {
  const message = errorText(error);
  const { code, syscall } = ((error as Error).cause ?? {}) as NodeJS.ErrnoException;
  const nobodyThere = syscall === "connect" && (code === "ENOENT" || code === "ECONNREFUSED");
  const hint = error instanceof DevloopError ? error.hint : undefined;
  if (!nobodyThere) return { name: "engine", status: "fail", message, ...(hint ? { fix: hint } : {}) };
  const manager = await packageManager();
  const daemon = process.platform === "linux" ? "dockerd" : "docker";
  const { problem } = await toolVersion(daemon, ["--version"], options);
  const fix = problem === undefined ? startEngineCommand(manager) : installCommand("engine", manager);
  return { name: "engine", status: "fail", message, fix };
}

export async function checkBuildx(options: ToolOptions): Promise<Check> {
  const found = await toolVersion("docker", ["buildx", "version"], options);
  if (found.version !== undefined) return { name: "buildx", status: "ok", message: found.version };
  return {
    name: "buildx",
    status: "ok",
    message: `${found.problem}: not needed, the engine builds by itself`,
  };
}

/** kustomize, or kubectl, which has it built in. */
export async function checkRenderer(options: ToolOptions): Promise<Check> {
  const name = "kustomize";
  const [kustomize, kubectl] = await Promise.all([
    toolVersion("kustomize", ["version"], options),
    toolVersion("kubectl", ["version", "--client"], options),
  ]);
  if (kustomize.version !== undefined) return { name, status: "ok", message: kustomize.version };
  if (kubectl.version !== undefined) return { name, status: "ok", message: `in kubectl ${kubectl.version}` };
  return {
    name,
    status: "fail",
    message: `${kustomize.problem}; ${kubectl.problem}`,
    fix: installCommand("kustomize", await packageManager()),
  };
}

export async function checkHelm(options: ToolOptions): Promise<Check> {
  const found = await toolVersion("helm", ["version", "--short"], options);
  if (found.version !== undefined) return { name: "helm", status: "ok", message: found.version };
  return {
    name: "helm",
    status: "warn",
    message: `${found.problem}: only needed for helm deploys`,
    fix: installCommand("helm", await packageManager()),
  };
}

/** The kernel's limits on watched files; undefined where there is no inotify. */
export async function checkInotify(folder = "/proc/sys/fs/inotify"): Promise<Check | undefined> {
  const [watches, instances] = await Promise.all(
    ["max_user_watches", "max_user_instances"].map(async (file) => {
      const text = await readFile(`${folder}/${file}`, "utf8").catch(() => undefined);
      return text === undefined ? undefined : Number(text);
    }),
  );
  if (watches === undefined || instances === undefined) return undefined;
  // Several nodes in one kernel use up 128 instances by themselves.
  const raise = [
    ...(watches < 65_536 ? ["fs.inotify.max_user_watches=524288"] : []),
    ...(instances < 256 ? ["fs.inotify.max_user_instances=512"] : []),
  ];
  const message = `${watches} watches, ${instances} instances`;
  if (raise.length === 0) return { name: "inotify", status: "ok", message };
  return {
    name: "inotify",
    status: "warn",
    message: `${message}: too few for a large project or several nodes`,
    fix: `sudo sysctl ${raise.join(" ")}`,
  };
}

const gigabyte = 1e9;

/** Room for images. `folder` is the engine's where it is on this machine. */
export async function checkDisk(folder: string): Promise<Check> {
  try {
    const { bavail, bsize } = await statfs(folder);
    return judgeDisk(folder, bavail * bsize);
  } catch (error) {
    return {
      name: "disk",
      status: "warn",
      message: `cannot tell how much room ${folder} has: ${errorText(error)}`,
    };
  }
}

/** Judges `free`, in bytes. */
export function judgeDisk(folder: string, free: number): Check {
  const message = `${bytes(free)} free in ${folder}`;
  const fix = "docker system df, then docker system prune";
  if (free < gigabyte) return { name: "disk", status: "fail", message, fix };
  if (free < 10 * gigabyte) return { name: "disk", status: "warn", message, fix };
  return { name: "disk", status: "ok", message };
}

type ToolAnswer =
  | { readonly version: string; readonly problem?: undefined }
  | { readonly version?: undefined; readonly problem: string };

/** The version in what a tool prints, or what is wrong with it. */
async function toolVersion(
  file: string,
  args: readonly string[],
  { env, signal }: ToolOptions,
): Promise<ToolAnswer> {
  try {
    const text = await runTool(file, args, { signal, env: defined(env) });
    return { version: /v?\d+\.\d+[\w.+-]*/.exec(text)?.[0] ?? text.trim() };
  } catch (error) {
    if (!(error instanceof DevloopError)) throw error;
    return { problem: error.message };
  }
}

function defined(env: ToolOptions["env"]): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])),
  );
}

/** Whether `20.19.2` or `1.45` is not older than the given parts. */
function atLeast(version: string, [major, minor]: readonly [number, number]): boolean {
  const [first = 0, second = 0] = version.split(".").map(Number);
  return first > major || (first === major && second >= minor);
}
