import { createHash } from "node:crypto";
import { addAbortListener } from "node:events";
import type { Readable, Writable } from "node:stream";
import { unlessAborted } from "../../lib/unless-aborted.js";
import { sendBatch } from "./agent-batch.js";
import { type Channel, openChannel } from "./agent-channel.js";
import { errorName } from "./agent-errno.js";
import { readDigest, readFound, readResult, readWalkEntry } from "./agent-messages.js";
import {
  type Agent,
  AgentError,
  type ChangeResult,
  type Found,
  type ProcessState,
  type Restarted,
  type TreeChange,
  type WalkEntry,
} from "./agent-types.js";
import { type Frame, frame } from "./agent-wire.js";

/** The agent takes no longer frames than some megabytes: so many of the longest paths are half of that. */
const pathsAtOnce = 1000;
/** Stands for the number of entries where the agent has given up. */
const tooMany = 0xffffffff;

/**
 * Speaks to an agent (`agent serve`) at the other end of a stream; resolves when it has said hello. The stream is the agent's from here
 * on. An abort of `signal` closes the channel, also later. `onProcess` is told each state of the container's process.
 * Throws the signal's reason, RangeError for an agent of another version, or an Error when the stream ends first.
 */
export async function openAgent(
  stream: { readonly input: Writable; readonly output: Readable },
  options: { readonly signal: AbortSignal; readonly onProcess?: (state: ProcessState) => void },
): Promise<Agent> {
  options.signal.throwIfAborted();
  const channel = await openChannel(stream, options);
  let batches: Promise<unknown> = Promise.resolve();
  return {
    hello: channel.hello,
    closed: channel.closed,
    process: () => channel.process(),
    query: (root, paths, { signal }) => query(channel, root, paths, signal),
    async apply(changes, { signal }) {
      signal.throwIfAborted();
      const batch = batches.then(() => applyBatch(channel, changes, signal));
      // Whoever comes next waits for the end of this one, not for how it ended.
      batches = batch.catch(() => undefined);
      return await unlessAborted(batch, signal);
    },
    restart: ({ graceMs, signal }) => channel.ask((id) => frame("X", id, graceMs), "x", takeRestart, signal),
    exec: (command, settings) => exec(channel, command, settings),
    release: ({ signal }) => channel.ask((id) => frame("G", id), "g", takeNothing, signal),
    walk: (root, { signal }) => walk(channel, root, signal),
    fetch: (root, path, { signal }) => fetchFile(channel, root, path, signal),
    ping: ({ signal }) => channel.ask((id) => frame("N", id), "n", takeNothing, signal),
    [Symbol.dispose]() {
      channel[Symbol.dispose]();
    },
  };
}

const takeNothing = (): { readonly value: undefined } => ({ value: undefined });

async function query(
  channel: Channel,
  root: string,
  paths: readonly string[],
  signal: AbortSignal,
): Promise<readonly Found[]> {
  const parts = Array.from({ length: Math.ceil(paths.length / pathsAtOnce) }, (_, index) =>
    paths.slice(index * pathsAtOnce, (index + 1) * pathsAtOnce),
  );
  signal.throwIfAborted();
  const answers = parts.map((part) => {
    const { id, answer } = channel.begin("q", ({ fields }) => {
      checkCount(fields.u32(), part.length);
      return { value: part.map(() => readFound(fields)) };
    });
    // A channel that is closed fails the answer, too.
    void channel.send(frame("Q", id, root, part.length, ...part)).catch(() => undefined);
    return answer;
  });
  return (await unlessAborted(Promise.all(answers), signal)).flat();
}

async function applyBatch(
  channel: Channel,
  changes: readonly TreeChange[],
  signal: AbortSignal,
): Promise<readonly ChangeResult[]> {
  signal.throwIfAborted();
  if (changes.length === 0) return [];
  const { id, answer } = channel.begin("c", ({ fields }) => {
    const count = fields.u32();
    if (count > changes.length) throw new RangeError("the agent answers more than was asked");
    return { value: changes.slice(0, count).map(({ kind }) => readResult(fields, kind)) };
  });
  const sending = sendBatch(id, changes, (bytes) => channel.send(bytes), { signal });
  // A closed channel need not take what it was sent: then it is the answer that fails.
  const sent = await Promise.race([sending, answer.then(() => sending)]);
  const results = await answer;
  if (results.length !== sent.count) throw new RangeError("the agent answers less than was asked");
  return results.map((result, place) => sent.unread.get(place) ?? result);
}

function takeRestart({ fields }: Frame): { readonly value: Restarted } {
  if (fields.u8() === 0) throw new AgentError(fields.text());
  const pid = fields.u32();
  const exitCode = fields.i32();
  const value = { pid, startedAt: fields.u64() };
  return { value: exitCode < 0 ? value : { ...value, previousExitCode: exitCode } };
}

async function exec(
  channel: Channel,
  command: readonly string[],
  { workdir = "", onOutput, signal }: Parameters<Agent["exec"]>[1],
): Promise<number> {
  signal.throwIfAborted();
  const { id, answer } = channel.begin("oe", ({ type, fields }) => {
    if (type === "e") return { value: fields.i32() };
    const bytes = fields.rest();
    if (!signal.aborted) onOutput(bytes);
    return undefined;
  });
  using _kill = addAbortListener(signal, () => {
    void channel.send(frame("K", id)).catch(() => undefined);
  });
  // A channel that is closed fails the answer, too.
  void channel.send(frame("E", id, workdir, command.length, ...command)).catch(() => undefined);
  return await unlessAborted(answer, signal);
}

async function walk(channel: Channel, root: string, signal: AbortSignal): Promise<readonly WalkEntry[]> {
  const entries: WalkEntry[] = [];
  const take = ({ fields }: Frame): { readonly value: readonly WalkEntry[] } | undefined => {
    const count = fields.u32();
    if (count === tooMany) throw new AgentError(`there are more than 100,000 entries below ${root}`);
    for (let taken = 0; taken < count; taken++) entries.push(readWalkEntry(fields));
    return count === 0 ? { value: entries } : undefined;
  };
  return await channel.ask((id) => frame("W", id, root), "w", take, signal);
}

async function fetchFile(
  channel: Channel,
  root: string,
  path: string,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  const hash = createHash("sha256");
  const take = ({ type, fields }: Frame): { readonly value: Uint8Array } | undefined => {
    if (type === "d") {
      const bytes = fields.rest();
      hash.update(bytes);
      chunks.push(bytes);
      return undefined;
    }
    if (fields.u8() === 0) {
      const code = errorName(fields.u32());
      throw new AgentError(`${path} below ${root} could not be read: ${code}`, code);
    }
    if (readDigest(fields) !== hash.digest("base64"))
      throw new RangeError("the agent sent other bytes than it read");
    return { value: Buffer.concat(chunks) };
  };
  return await channel.ask((id) => frame("F", id, root, path), "df", take, signal);
}

function checkCount(count: number, asked: number): void {
  if (count !== asked) throw new RangeError(`the agent answers ${count} of ${asked}`);
}

export type {
  Agent,
  AgentHello,
  ChangeResult,
  FileContent,
  Found,
  ProcessState,
  Restarted,
  TreeChange,
  WalkEntry,
} from "./agent-types.js";
