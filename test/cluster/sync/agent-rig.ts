import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { agentBinary } from "../../../src/cluster/sync/agent-binaries.js";
import { type Agent, openAgent, type ProcessState } from "../../../src/cluster/sync/agent-client.js";

export type AgentProcess = ChildProcessByStdio<Writable, Readable, Readable>;
/** Of nobody in particular: what root may do, it may not. */
export const plainUser = 12_345;
export const isRoot = process.getuid?.() === 0;

/** Programs that say what they have inherited. Each of itself: a shell blocks signals while it waits for what it runs. */
export const inheritance: readonly (readonly string[])[] = [
  ["ls", "/proc/self/fd"],
  ["grep", "-E", "Sig(Blk|Ign)", "/proc/self/status"],
  ["sh", "-c", "umask"],
];

/** A directory that other users may enter, with the agent for this machine in it, and room for files. */
export interface Place extends AsyncDisposable {
  readonly agent: string;
  readonly root: string;
}

export async function makePlace(): Promise<Place> {
  const directory = await mkdtemp(join(tmpdir(), "devloop-agent-"));
  const root = await mkdtemp(join(tmpdir(), "devloop-root-"));
  const agent = join(directory, "agent");
  await writeFile(agent, agentBinary(`linux/${process.arch === "arm64" ? "arm64" : "amd64"}`)!, {
    mode: 0o755,
  });
  await chmod(directory, 0o755);
  await chmod(root, 0o777);
  return {
    agent,
    root,
    async [Symbol.asyncDispose]() {
      await rm(directory, { recursive: true, force: true });
      await rm(root, { recursive: true, force: true });
    },
  };
}

/** Starts a program in a process group of its own, with pipes. */
export function start(
  command: readonly string[],
  settings: { uid?: number; cwd?: string } = {},
): AgentProcess {
  const [file = "", ...args] = command;
  const { uid, cwd } = settings;
  const child = spawn(file, args, {
    stdio: ["pipe", "pipe", "pipe"],
    ...(uid === undefined ? {} : { uid, gid: uid }),
    ...(cwd === undefined ? {} : { cwd }),
  });
  // Tests end what they started; what it had not read by then is nobody's.
  child.stdin.on("error", () => undefined);
  return child;
}

/** How a process ended: its exit code, or the name of the signal. */
export async function ending(child: AgentProcess): Promise<number | string | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  return child.signalCode ?? child.exitCode;
}

export interface Connected extends AsyncDisposable {
  readonly agent: Agent;
  readonly child: AgentProcess;
  readonly states: readonly ProcessState[];
}

/** An agent that serves, started as a child of this process; `before` comes before its name. */
export async function connect(
  place: Place,
  settings: { uid?: number; before?: readonly string[]; cwd?: string } = {},
): Promise<Connected> {
  const child = start([...(settings.before ?? []), place.agent, "serve"], settings);
  const states: ProcessState[] = [];
  const agent = await openAgent(
    { input: child.stdin, output: child.stdout },
    { signal: new AbortController().signal, onProcess: (state) => states.push(state) },
  );
  return {
    agent,
    child,
    states,
    async [Symbol.asyncDispose]() {
      agent[Symbol.dispose]();
      await ending(child);
    },
  };
}

/** All that a stream gives, as text. */
export async function textOf(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

/** Waits until it holds; the test's own time limit ends it otherwise. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 5));
}
