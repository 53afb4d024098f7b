import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { PullRule } from "../../engine/project.js";
import type { SyncedContainer } from "../../engine/task.js";
import { whenMatches } from "../../engine/sync-rules.js";
import { DevloopError } from "../../lib/errors.js";
import { type Agent, AgentError, type ChangeResult, type TreeChange } from "./agent-types.js";
import type { ContainerChannel } from "./container-channel.js";
import { restartProcess, runCommand } from "./actions.js";
import { askHeld } from "./held.js";
import type { SyncContext, SyncRequest } from "./sync.js";
import { pullFiles } from "./pull.js";
import { formerPlaces, type Place, type Step, stepsTo, type Wanted } from "./tree.js";
import type { RunningContainer } from "../../engine/container.js";

/** One container: what it is known to hold, and what is still to follow from what changed in it. */
export interface ContainerSync extends AsyncDisposable {
  /** Makes it hold the request's tree. Rejects when the container is not reached, and with SYNC_FAILED for a command that fails. */
  bring(request: SyncRequest, container: RunningContainer, context: SyncContext): Promise<Brought>;
  /** Whether its process is the agent's child, and can start anew in place. Waits for the connection. */
  isSupervised(options: { readonly signal: AbortSignal }): Promise<boolean>;
  /** Starts its process anew, in place. Throws SYNC_FAILED where it is not the agent's child. */
  restart(container: RunningContainer, context: SyncContext): Promise<void>;
  /** What comes back from it from now on. */
  setPull(rules: readonly PullRule[], onNote: (message: string) => void): void;
}
export type Brought =
  | { readonly kind: "done"; readonly container: SyncedContainer }
  /** Some of the files cannot stand there, with the reason in words. */
  | { readonly kind: "refused"; readonly why: string };

/** After which it is looked again whether all was sent as it is wanted, in ms, and doubled each time. */
const againMs = 5;
/** How many files are read and sent together: all of a large tree would take too much memory, and too many open files. */
const atOnce = 500;
/** How often what changed while it was being sent, or arrived otherwise than it was sent, is sent again. */
const mostPasses = 4;
/** A file up to this size is read at once; a larger one is sent as it is read, in bytes. */
const smallBytes = 256 * 1024;

/** `connect` opens the connection, and is told what to do when it was lost: what the container holds is unknown then. */
export function openContainerSync(connect: (onLost: () => void) => ContainerChannel): ContainerSync {
  /** Fingerprints by place; undefined until the container was asked. */
  let held: Map<string, string> | undefined;
  /** Rules whose files changed, or may have, and whose action has not been carried out, with the names of the files. */
  const pending = new Map<number, Set<string>>();
  /** Names of what was sent: the tree may have had them only while it was sent, and then nobody else remembers them. */
  const sentNames = new Set<string>();
  const channel = connect(() => {
    held = undefined;
  });
  let pulling:
    { readonly rules: string; readonly stop: AbortController; readonly ended: Promise<void> } | undefined;

  function setPull(rules: readonly PullRule[], onNote: (message: string) => void): void {
    const text = JSON.stringify(rules);
    if ((pulling?.rules ?? "[]") === text) return;
    pulling?.stop.abort();
    const stop = new AbortController();
    const { signal } = stop;
    const ended = pullFiles(rules, (options) => channel.agent(options), { onNote, signal });
    pulling = { rules: text, stop, ended };
  }

  async function bring(
    request: SyncRequest,
    container: RunningContainer,
    context: SyncContext,
  ): Promise<Brought> {
    for (let tries = 1; ; tries += 1) {
      const agent = await channel.agent(context);
      try {
        const brought = await bringOver(agent, request, container, context);
        if (brought) return brought;
        tries = 0;
      } catch (error) {
        context.signal.throwIfAborted();
        if (error instanceof AgentError)
          throw new DevloopError("SYNC_FAILED", `${request.image}: ${error.message} (pod ${container.pod})`, {
            cause: error,
          });
        // A connection that broke under it stands again a moment later, or the container is gone.
        if (error instanceof DevloopError || tries === mostPasses) throw error;
        held = undefined;
      }
    }
  }

  /** Undefined where a command was ended for a newer change: that is still to be brought. */
  async function bringOver(
    agent: Agent,
    request: SyncRequest,
    container: RunningContainer,
    context: SyncContext,
  ): Promise<Brought | undefined> {
    const tally = { written: 0, removed: 0, bytes: 0 };
    let refused: string | undefined;
    for (let pass = 1; pass <= mostPasses && refused === undefined; pass += 1) {
      const tree = request.tree();
      const { wanted } = tree;
      const former = formerPlaces(tree, [...request.former, ...sentNames]);
      held ??= await askHeld(agent, new Map<string, Place>([...former, ...wanted]), context.signal);
      const steps = stepsTo(wanted, held, former);
      if (steps.length === 0) break;
      let whole = true;
      for (let at = 0; at < steps.length && refused === undefined; at += atOnce) {
        const part = steps.slice(at, at + atOnce);
        const made = await Promise.all(part.map(async (step) => ({ step, change: await toChange(step) })));
        const sent = made.flatMap(({ step, change }) => (change ? [{ step, change }] : []));
        // Before the answer, which may be lost where the change is not.
        for (const { step } of sent) {
          addPending(step);
          sentNames.add(step.name);
        }
        const results = await agent.apply(
          sent.map(({ change }) => change),
          context,
        );
        refused = note(sent, results, { held, tally, agent });
        whole &&= part.every((step) => held?.get(step.dest) === wantedAt(step));
      }
      if (whole) break;
      // What changed here while it was sent may be as it was again, and then nobody tells: it is looked at once more.
      await sleep(againMs * 2 ** pass, undefined, context);
    }
    if (refused !== undefined) return { kind: "refused", why: `${container.pod}: ${refused}` };
    const followed = await follow(agent, request, container, context);
    if (!followed) return undefined;
    const { id, pod, container: name } = container;
    return { kind: "done", container: { id, pod, container: name, ...tally, ...followed } };
  }

  /** Takes the results in; returns why a change was refused for good. */
  function note(
    sent: readonly { readonly step: Step; readonly change: TreeChange }[],
    results: readonly ChangeResult[],
    {
      held,
      tally,
      agent,
    }: {
      readonly held: Map<string, string>;
      readonly tally: { written: number; removed: number; bytes: number };
      readonly agent: Agent;
    },
  ): string | undefined {
    let refused: string | undefined;
    for (const [at, { step, change }] of sent.entries()) {
      const result = results[at];
      // What is below a link is not ours to remove: what was there is gone.
      const gone = step.do === "remove" && result?.kind === "failed" && result.code === "ELOOP";
      if (result?.kind === "failed" && !gone) {
        // What changed here while it was read, or came otherwise than it was sent, is sent again.
        if (result.code !== "EBADMSG" && result.call !== "read") refused ??= refusal(step, result, agent);
        continue;
      }
      if (step.do === "remove") {
        held.delete(step.dest);
        if (result?.kind === "done") tally.removed += 1;
        // A directory with files of the container's own: nothing has changed.
        else dropPending(step);
      } else {
        held.set(step.dest, written(step, result));
        if (step.kind !== "directory") tally.written += 1;
        tally.bytes += sizeOf(change);
      }
    }
    return refused;
  }

  function dropPending({ rule, name }: Pick<Step, "rule" | "name">): void {
    const names = pending.get(rule);
    names?.delete(name);
    if (names?.size === 0) pending.delete(rule);
  }

  function addPending({ rule, name }: Pick<Step, "rule" | "name">): void {
    pending.set(rule, (pending.get(rule) ?? new Set()).add(name));
  }

  /** Carries out what follows from the files that changed: commands first, each once, then the process. Undefined as `bringOver`. */
  async function follow(
    agent: Agent,
    { image, tree }: SyncRequest,
    { pod }: RunningContainer,
    context: SyncContext,
  ): Promise<{ readonly restarted: boolean; readonly commands: number } | undefined> {
    const { revision } = tree();
    const isOutdated = (): boolean => tree().revision !== revision;
    let commands = 0;
    let restart = false;
    for (const [rule, names] of [...pending]) {
      const action = tree().rules[rule]?.then;
      if (action?.kind === "restart") restart = true;
      if (action?.kind !== "exec" || !whenMatches(action, [...names])) continue;
      // One that fails stays due: whatever changes next, what it was to make is still to be made.
      if (!(await runCommand(agent, action, { image, pod, context, isOutdated }))) return undefined;
      pending.delete(rule);
      commands += 1;
    }
    if (agent.process()?.state === "held") {
      // It has not begun: it begins with what was made of the files, too.
      restart = false;
      await agent.release(context);
    } else if (restart) await restartProcess(agent, { image, pod, context });
    pending.clear();
    return { restarted: restart, commands };
  }

  return {
    bring,
    isSupervised: async (options) => (await channel.agent(options)).hello.supervised,
    async restart({ pod, container }, context) {
      await restartProcess(await channel.agent(context), { image: container, pod, context });
    },
    setPull,
    async [Symbol.asyncDispose]() {
      pulling?.stop.abort();
      await channel[Symbol.asyncDispose]();
      await pulling?.ended;
    },
  };
}

function sizeOf(change: TreeChange): number {
  if (change.kind !== "file") return 0;
  return change.content instanceof Uint8Array ? change.content.length : change.content.size;
}

// Not through a link that was put in a file's place, and without waiting for a pipe that was.
const readFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

async function* readPieces(path: string, size: number): AsyncGenerator<Uint8Array> {
  const file = await open(path, readFlags);
  yield* file.createReadStream({ end: size - 1 }) as AsyncIterable<Uint8Array>;
}

/** Undefined for what vanished here meanwhile. */
async function toChange(step: Step): Promise<TreeChange | undefined> {
  const { root, path } = step;
  if (step.do === "remove") return { kind: "remove", root, path };
  if (step.kind === "link")
    return { kind: "link", root, path, target: step.fingerprint.slice("link ".length) };
  if (step.kind === "directory") return { kind: "directory", root, path, mode: 0o755 };
  try {
    const file = await open(step.source, readFlags);
    await using _ = { [Symbol.asyncDispose]: () => file.close() };
    const stats = await file.stat();
    if (!stats.isFile()) return undefined;
    const mode = stats.mode & 0o7777;
    if (stats.size <= smallBytes) return { kind: "file", root, path, mode, content: await file.readFile() };
    const [, sha256 = ""] = step.fingerprint.split(" ");
    const chunks = readPieces(step.source, stats.size);
    return { kind: "file", root, path, mode, content: { size: stats.size, sha256, chunks } };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR" || code === "ELOOP") return undefined;
    throw new DevloopError("SYNC_FAILED", `cannot read ${step.source}: ${code ?? String(error)}`, {
      cause: error,
    });
  }
}

/** What a place is to hold after a step. */
function wantedAt(step: Step): string | undefined {
  return step.do === "put" ? step.fingerprint : undefined;
}

/** What a place holds after it was written: of a file, what was sent, which may be newer than what was wanted. */
function written(step: Wanted, result: ChangeResult | undefined): string {
  if (step.kind !== "file" || result?.kind !== "done" || result.sha256 === undefined) return step.fingerprint;
  return `${step.fingerprint.split(" ")[0] ?? ""} ${result.sha256}`;
}

function refusal(
  { dest }: Step,
  { code, call }: Extract<ChangeResult, { kind: "failed" }>,
  agent: Agent,
): string {
  const reasons: Readonly<Record<string, string>> = {
    EROFS: `${dest} lies on a read-only file system`,
    EACCES: `its user (uid ${agent.hello.uid}) may not write ${dest}`,
    EPERM: `its user (uid ${agent.hello.uid}) may not write ${dest}`,
    ENOSPC: `the disk under ${dest} is full`,
    EDQUOT: `the disk under ${dest} is full`,
    ELOOP: `a link stands in the way of ${dest}`,
    ENOTDIR: `a link or a file stands in the way of ${dest}`,
    ENOTEMPTY: `a directory with other files stands at ${dest}`,
    ENAMETOOLONG: `the name of ${dest} is too long there`,
  };
  return reasons[code] ?? `${dest} cannot be written (${call}: ${code})`;
}
