import { readFile, statfs } from "node:fs/promises";
import { DevloopError, errorText } from "../lib/errors.js";
import { bytes } from "../lib/format.js";
import { atLeast } from "../lib/node-version.js";
import { runTool } from "../lib/run-tool.js";
import { installCommand, packageManager } from "./install-commands.js";

/** One thing looked at. `fail`: devloop cannot work without it; `warn`: some of it cannot, or not for long. */
export interface Check {
  readonly name: string;
  readonly status: "ok" | "warn" | "fail";
  readonly message: string;
  /** What to do about it, one line that can be pasted where there is a command. */
  readonly fix?: string;
}

export interface ToolOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
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

/** Whether the project has use for a tool; `unknown` where there is no project. */
export type Need = "needed" | "not needed" | "unknown";

/** kustomize, or kubectl, which has it built in. */
export async function checkRenderer(options: ToolOptions, need: Need): Promise<Check> {
  const name = "kustomize";
  const [kustomize, kubectl] = await Promise.all([
    toolVersion("kustomize", ["version"], options),
    toolVersion("kubectl", ["version", "--client"], options),
  ]);
  if (kustomize.version !== undefined) return { name, status: "ok", message: kustomize.version };
  if (need === "not needed")
    return { name, status: "ok", message: `${kustomize.problem}: this project has no use for it` };
  const fix = installCommand("kustomize", await packageManager());
  if (kubectl.version === undefined)
    return { name, status: "fail", message: `${kustomize.problem}; ${kubectl.problem}`, fix };
  if (!atLeast(kubectl.version.replace(/^v/, ""), [1, 21])) {
    const message = `only in kubectl ${kubectl.version}, whose kustomize is of 2019 (2.0.3): newer fields fail`;
    return { name, status: "warn", message, fix };
  }
  return { name, status: "ok", message: `in kubectl ${kubectl.version}` };
}

export async function checkHelm(options: ToolOptions, need: Need): Promise<Check> {
  const name = "helm";
  const found = await toolVersion("helm", ["version", "--short"], options);
  if (found.version !== undefined) return { name, status: "ok", message: found.version };
  if (need === "not needed")
    return { name, status: "ok", message: `${found.problem}: this project has no use for it` };
  return {
    name,
    status: need === "needed" ? "fail" : "warn",
    message: need === "needed" ? found.problem : `${found.problem}: only needed for helm deploys`,
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

/** File systems that tell nothing of edits made on their other side, by statfs(2)'s number. */
const deafFileSystems: Readonly<Record<number, string>> = {
  0x01021997: "9p",
  0x6969: "NFS",
  0xff534d42: "CIFS",
  0xfe534d42: "SMB",
  0x786f4256: "vboxsf",
};

/** Whether edits below the project's directory are told to who watches it; undefined where they are. */
export async function checkWatching(
  folder: string,
  typeOf = async (path: string): Promise<number> => (await statfs(path)).type,
): Promise<Check | undefined> {
  if (process.platform !== "linux") return undefined;
  const found = deafFileSystems[await typeOf(folder).catch(() => 0)];
  if (found === undefined) return undefined;
  return {
    name: "watching",
    status: "warn",
    message: `${folder} is on ${found}, which tells nothing of edits that are made on its other side`,
    fix: "clone the project into this system's own files, for WSL: below ~, and edit it there",
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
export async function toolVersion(
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
