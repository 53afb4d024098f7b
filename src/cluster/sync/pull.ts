import { chmod, lstat, mkdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { PullRule } from "../../engine/project.js";
import { errorText } from "../../lib/errors.js";
import { pause } from "../../lib/pause.js";
import type { Agent, WalkEntry } from "./agent-types.js";

/** How often a container is looked at for new files, in ms. */
const everyMs = 1_000;
/** Larger files stay where they are, in bytes. */
const mostBytes = 64 * 1024 * 1024;

export interface PullOptions {
  /** A file that cannot be had or written, each said once. */
  readonly onNote: (message: string) => void;
  readonly signal: AbortSignal;
}

/** Brings files back that appear or change below a rule's `src`, until the signal aborts. Never throws; deletes nothing here. */
export async function pullFiles(
  rules: readonly PullRule[],
  agent: (options: { readonly signal: AbortSignal }) => Promise<Agent>,
  { onNote, signal }: PullOptions,
): Promise<void> {
  const taken = new Map<string, string>();
  const said = new Set<string>();
  const tell = (message: string): void => {
    if (!said.has(message)) onNote(message);
    said.add(message);
  };
  while (!signal.aborted) {
    try {
      const connection = await agent({ signal });
      for (const rule of rules) await pullOnce(rule, connection, { taken, onNote: tell, signal });
    } catch {
      // The container is away: it is looked at again when it is back.
    }
    await pause(everyMs, { signal }).catch(() => undefined);
  }
}

/**
 * One look: takes what is new since the last. `taken` has what is known of each file. A name that a container gives is not trusted:
 * none leads out of `dest`, by `..` or by a link that stands there.
 */
export async function pullOnce(
  { src, dest }: PullRule,
  agent: Agent,
  { taken, onNote, signal }: PullOptions & { readonly taken: Map<string, string> },
): Promise<void> {
  for (const entry of await agent.walk(src, { signal })) {
    if (entry.kind !== "file") continue;
    const state = `${entry.size} ${entry.modifiedAt} ${entry.mode}`;
    const key = join(src, entry.path);
    if (taken.get(key) === state) continue;
    try {
      await take(entry, { src, dest }, agent, signal);
      taken.set(key, state);
    } catch (error) {
      signal.throwIfAborted();
      onNote(`${key} is not brought back: ${errorText(error)}`);
    }
  }
}

async function take(
  { path, size, mode }: Extract<WalkEntry, { kind: "file" | "directory" | "link" | "other" }>,
  { src, dest }: PullRule,
  agent: Agent,
  signal: AbortSignal,
): Promise<void> {
  if (size > mostBytes) throw new Error(`it is larger than ${mostBytes / 1024 / 1024} MB`);
  if (!isInside(path)) throw new Error("its name leads elsewhere");
  const content = await agent.fetch(src, path, { signal });
  // It may have grown since it was looked at.
  if (content.length > mostBytes) throw new Error("it has grown too large");
  const target = join(dest, path);
  await makeDirectories(dest, dirname(path));
  const temporary = `${target}.${process.pid}`;
  try {
    await writeFile(temporary, content, { flag: "wx", mode: 0o600 });
    await chmod(temporary, 0o644 | (mode & 0o111));
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

function isInside(path: string): boolean {
  const parts = path.split("/");
  return parts.every((part) => part !== "" && part !== "." && part !== ".." && !/[\\\0]/.test(part));
}

/** Makes the directories of a file, and takes no link for one. */
async function makeDirectories(root: string, directory: string): Promise<void> {
  await mkdir(root, { recursive: true });
  let at = root;
  for (const part of directory === "." ? [] : directory.split("/")) {
    at = join(at, part);
    await mkdir(at).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    });
    if (!(await lstat(at)).isDirectory()) throw new Error(`${at} is not a directory`);
  }
}
