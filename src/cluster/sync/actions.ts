import { setTimeout as sleep } from "node:timers/promises";
import type { SyncAction } from "../../engine/project.js";
import { DevloopError } from "../../lib/errors.js";
import { terminalText } from "../../lib/terminal-text.js";
import type { Agent } from "./agent-types.js";
import type { SyncContext } from "./sync-request.js";

/** How long a process may take to end after SIGTERM, in ms. */
const graceMs = 3_000;
/** A command that takes longer, in ms, is told of, and no longer outlives the change that it runs for. */
const longMs = 10_000;
/** How often such a one is held against what changed, in ms. */
const outdatedMs = 500;
/** How long a process that was started anew is watched for an early end, in ms. */
const settleMs = 250;

/** For messages, and to stop. */
interface Where {
  readonly image: string;
  readonly pod: string;
  readonly context: SyncContext;
}

/**
 * Runs a rule's command; false when it was ended, since it ran for long and a newer change is there. Throws SYNC_FAILED with what it
 * printed when it fails, and whatever broke the connection.
 */
export async function runCommand(
  agent: Agent,
  { command, workdir }: Extract<SyncAction, { kind: "exec" }>,
  { image, pod, context, isOutdated }: Where & { readonly isOutdated: () => boolean },
): Promise<boolean> {
  let text = "";
  const outdated = new AbortController();
  const signal = AbortSignal.any([context.signal, outdated.signal]);
  using _ = whileLong(() => {
    context.onNote(
      `${image}: ${command.join(" ")} has been running for 10 s in ${pod}; the next change ends it and runs it again`,
    );
    return () => {
      if (isOutdated()) outdated.abort();
    };
  });
  let code: number;
  try {
    code = await agent.exec(command, {
      ...(workdir === undefined ? {} : { workdir }),
      onOutput: (bytes) => {
        text += Buffer.from(bytes).toString("utf8");
      },
      signal,
    });
  } catch (error) {
    if (outdated.signal.aborted && !context.signal.aborted) return false;
    throw error;
  }
  const lines = text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => terminalText(line));
  if (code === 0) {
    context.onOutput(lines);
    return true;
  }
  throw new DevloopError("SYNC_FAILED", `${image}: ${command.join(" ")} exited with ${code} in ${pod}`, {
    detail: lines.slice(-20).join("\n"),
    hint: "the files are in the container; the next change runs it again",
  });
}

/** Calls `begin` once something takes long, and then, until it is disposed, what that returns. */
function whileLong(begin: () => () => void): Disposable {
  let again: NodeJS.Timeout | undefined;
  const first = setTimeout(() => {
    again = setInterval(begin(), outdatedMs);
  }, longMs);
  return {
    [Symbol.dispose]() {
      clearTimeout(first);
      clearInterval(again);
    },
  };
}

/** Starts the container's process anew, and waits a moment for it to fail. Throws SYNC_FAILED where it is not the agent's child. */
export async function restartProcess(agent: Agent, { image, pod, context }: Where): Promise<void> {
  const { signal } = context;
  if (!agent.hello.supervised)
    throw new DevloopError(
      "SYNC_FAILED",
      `${image}: the process in ${pod} was not started by devloop's agent`,
      {
        hint: "its manifest is applied with the agent by the next deploy: press r",
      },
    );
  const before = agent.process()?.runs;
  await agent.restart({ graceMs, signal });
  // A process that cannot start says so within moments.
  const end = Date.now() + settleMs;
  while (Date.now() < end) {
    const now = agent.process();
    if (now && now.runs !== before && now.state === "waiting") return;
    await sleep(25, undefined, { signal });
  }
}
