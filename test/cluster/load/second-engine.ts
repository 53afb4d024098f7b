import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectEngine } from "../../../src/docker/connect.js";
import type { ContainerEngine } from "../../../src/engine/container-engine.js";
import { runTool } from "../../../src/lib/run-tool.js";
import { answers, signal } from "./rig.js";

/** A container engine of the tests' own. Disposing ends it and removes all that it had. */
export interface SecondEngine extends AsyncDisposable {
  readonly engine: ContainerEngine;
  /** `unix:///…`, for the docker command. */
  readonly host: string;
}

/** A command as root would give it. */
function asRoot(file: string, args: readonly string[]): [string, readonly string[]] {
  return process.getuid?.() === 0 ? [file, args] : ["sudo", ["-n", file, ...args]];
}

/** Why none can be started here; undefined where one can. */
export async function noSecondEngine(): Promise<string | undefined> {
  return await runTool(...asRoot("dockerd", ["--version"]), { signal }).then(
    () => undefined,
    (error: unknown) => `dockerd cannot be started as root: ${(error as Error).message}`,
  );
}

/** Starts one with the containerd image store (the default of Docker 29), which takes about half a second. */
export async function startSecondEngine(): Promise<SecondEngine> {
  const directory = await mkdtemp(join(tmpdir(), "devloop-engine-"));
  const at = (name: string): string => join(directory, name);
  const host = `unix://${at("sock")}`;
  await writeFile(at("daemon.json"), JSON.stringify({ features: { "containerd-snapshotter": true } }));
  const places = { "config-file": "daemon.json", "data-root": "data", "exec-root": "exec", pidfile: "pid" };
  const [file, args] = asRoot("dockerd", [
    ...Object.entries(places).map(([option, name]) => `--${option}=${at(name)}`),
    `--host=${host}`,
    `--group=${process.getgid?.() ?? 0}`,
    // No rules of its own beside the first engine's. Not `--bridge=none`, which removes the machine's docker0 at the start.
    ...["--iptables=false", "--ip6tables=false"],
  ]);
  const daemon = spawn(file, args, { stdio: ["ignore", "ignore", "pipe"], detached: true });
  let log = "";
  daemon.stderr.setEncoding("utf8").on("data", (text: string) => (log = (log + text).slice(-4000)));
  const { engine } = connectEngine({
    address: host,
    source: "the tests",
    connection: { kind: "socket", path: at("sock") },
  });
  const dispose = async (): Promise<void> => {
    await stop(daemon, at("pid"));
    await runTool(...asRoot("rm", ["-rf", directory]), { signal });
  };
  try {
    await answers(() => engine.ping({ signal }));
  } catch (error) {
    await dispose();
    throw new Error(`dockerd did not start: ${log}`, { cause: error });
  }
  return { engine, host, [Symbol.asyncDispose]: dispose };
}

async function stop(daemon: ChildProcess, pidfile: string): Promise<void> {
  if (daemon.exitCode !== null) return;
  const exited = once(daemon, "exit");
  const pid = (await readFile(pidfile, "utf8")).trim();
  await runTool(...asRoot("kill", [pid]), { signal });
  await exited;
}
