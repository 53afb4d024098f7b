import { z } from "zod";
import type { ControlClient } from "../../control/client.js";
import type { LogAnswer, Problem, PublicState } from "../../control/protocol.js";
import { waitReady } from "../../control/wait-ready.js";
import { logLevels } from "../../engine/log-source.js";
import { DevloopError, toFailure } from "../../lib/errors.js";
import { describeFailure } from "../../lib/failure-lines.js";
import { terminalText } from "../../lib/terminal-text.js";
import { explainPaths, printExplanation } from "../explain.js";
import { findRunning } from "../find-running.js";
import type { ProjectOptions } from "../session/session.js";

/** What a tool answers: a few lines to read, and the same as data. */
export interface Answer {
  readonly text: string;
  readonly data: Record<string, unknown>;
}

/** One tool as an editor sees it. */
export interface Tool<I extends z.ZodObject = z.ZodObject> {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly input: I;
  /** It changes nothing. */
  readonly readOnly: boolean;
  readonly run: (input: z.infer<I>, options: ToolOptions) => Promise<Answer>;
}
export interface ToolOptions extends ProjectOptions {
  readonly signal: AbortSignal;
}

/** A failing step's last lines are what is read; more of them only costs the reader. */
const mostLines = 40;
/** A workload that fails may heal for so long before an agent hears of it, in ms. */
const healMs = 5_000;

const tool = <I extends z.ZodObject>(definition: Tool<I>): Tool => definition;

const status = tool({
  name: "status",
  title: "What the loop does",
  description:
    "What devloop does now: whether everything is ready, what is being built or deployed, what is broken, and the local URLs.",
  input: z.object({}),
  readOnly: true,
  async run(_input, options) {
    const state = await stateOf(await connect(options), options);
    const resources = state.resources.map(({ id, status: word, text, ready, desired, urls }) => ({
      id,
      status: word,
      ...(text === "" ? {} : { text: plain(text) }),
      ...(ready === undefined ? {} : { pods: `${ready}/${desired ?? 0}` }),
      ...(urls && urls.length > 0 ? { urls } : {}),
    }));
    return {
      text: [
        `${state.loop.project}: ${state.text}`,
        ...resources.map(({ id, status: word, text = "", urls = [] }) =>
          [`${id}: ${word}`, text, ...urls].filter((part) => part !== "").join("  "),
        ),
        ...(state.problems.length > 0 ? ["", "call failures for the reasons"] : []),
      ].join("\n"),
      data: {
        phase: state.phase,
        text: state.text,
        paused: state.paused,
        problems: state.problems.length,
        resources,
      },
    };
  },
});

const failures = tool({
  name: "failures",
  title: "What is broken, and why",
  description:
    "Every failure with its root cause and last lines: compiler and build output, rejected manifests, crashes with the container's last log lines. The first is where to look.",
  input: z.object({}),
  readOnly: true,
  async run(_input, options) {
    const state = await stateOf(await connect(options), options);
    return withProblems(state, state.problems.length === 0 ? `nothing is broken: ${state.text}` : state.text);
  },
});

const logs = tool({
  name: "logs",
  title: "Log lines",
  description: "The newest lines that containers and builds printed.",
  input: z.object({
    resource: z.string().optional().describe("a workload, or an image for its build; all when left out"),
    tail: z.int().min(1).max(500).default(100).describe("how many lines"),
    level: z.enum(logLevels).optional().describe("lines at least as grave"),
    search: z.string().optional().describe("lines that hold this text"),
    since_seconds: z.int().min(1).optional(),
  }),
  readOnly: true,
  async run({ resource, tail, level, search, since_seconds }, options) {
    const client = await connect(options);
    const since = since_seconds === undefined ? undefined : Date.now() - since_seconds * 1000;
    const lines: { resource: string; time: string; text: string; level?: string }[] = [];
    const query = { resource, tail, level, text: search, since };
    for await (const answer of client.lines("/v1/logs", query, { signal: options.signal })) {
      const line = answer as LogAnswer;
      if (line.type !== "log.line") continue;
      const text = plain(line.text).slice(0, 2_000);
      lines.push({
        resource: line.resource,
        time: line.time,
        text,
        ...(line.level ? { level: line.level } : {}),
      });
    }
    return {
      text:
        lines.length === 0
          ? "no lines"
          : lines.map((line) => `${line.time} ${line.resource} ${line.text}`).join("\n"),
      data: { lines },
    };
  },
});

const waitUntilReady = tool({
  name: "wait_until_ready",
  title: "Wait until everything is ready",
  description:
    "Call it after an edit: waits until the edit is built, deployed and ready, or until something failed, and says why it did. Files are watched: no build has to be asked for.",
  input: z.object({
    timeout_seconds: z.int().min(1).max(1800).default(120),
  }),
  readOnly: true,
  async run({ timeout_seconds }, options) {
    const client = await connect(options);
    const limit = AbortSignal.timeout(timeout_seconds * 1000);
    try {
      const signal = AbortSignal.any([options.signal, limit]);
      const { outcome, state } = await waitReady(client, { healMs, signal });
      return withProblems(state, state.text, { outcome });
    } catch (error) {
      if (!limit.aborted || options.signal.aborted) throw error;
      const state = await stateOf(client, options);
      return withProblems(state, `not ready after ${timeout_seconds} s: ${state.text}`, {
        outcome: "timeout",
      });
    }
  },
});

const trigger = tool({
  name: "trigger",
  title: "Build or apply again",
  description:
    "Builds an image again, or applies a deploy again, without an edit; everything when no resource is named. Seldom needed: edits are noticed by themselves.",
  input: z.object({
    resource: z.string().optional().describe("an image, deploy or workload by name"),
  }),
  readOnly: false,
  async run({ resource }, options) {
    const client = await connect(options);
    await client.ask("trigger", resource === undefined ? {} : { resource }, options);
    return {
      text: `asked for: ${resource ?? "everything"}; call wait_until_ready`,
      data: { asked: resource ?? "all" },
    };
  },
});

const explain = tool({
  name: "explain",
  title: "What an edit of a file would do",
  description:
    "Which images and deploys a change of these files touches, whether it needs a new image or goes into the running containers, and why.",
  input: z.object({
    paths: z.array(z.string()).min(1).max(50).describe("relative to the project, or absolute"),
  }),
  readOnly: true,
  async run({ paths }, options) {
    const { explained } = await explainPaths({ ...options, paths });
    return {
      text: explained.flatMap(({ path, effects }) => printExplanation(path, effects)).join("\n"),
      data: {
        paths: explained.map(({ path, effects }) => ({
          path,
          effects: effects.map(({ id, effect, why }) => ({ id, effect, why })),
        })),
      },
    };
  },
});

/** All of them; each call finds the loop anew, so that one that was started meanwhile, or again, is found. */
export const tools: readonly Tool[] = [status, failures, logs, waitUntilReady, trigger, explain];

/** Runs a tool; what went wrong is an answer too, in words that say what to do. */
export async function callTool(
  { run }: Tool,
  input: Record<string, unknown>,
  options: ToolOptions,
): Promise<Answer & { readonly failed: boolean }> {
  try {
    return { ...(await run(input, options)), failed: false };
  } catch (error) {
    options.signal.throwIfAborted();
    const failure = toFailure(error);
    const how =
      error instanceof DevloopError && error.code === "LOOP_NOT_RUNNING"
        ? `start it with: devloop up --detach (in ${options.cwd}), or ask the user to run devloop up in a terminal`
        : undefined;
    const lines = how === undefined ? describeFailure(failure) : [failure.message, how];
    return {
      text: lines.join("\n"),
      data: { error: { code: failure.code, message: lines.join("\n") } },
      failed: true,
    };
  }
}

async function connect(options: ToolOptions): Promise<ControlClient> {
  return (await findRunning(options)).client;
}

async function stateOf(client: ControlClient, { signal }: ToolOptions): Promise<PublicState> {
  return (await client.get("/v1/state", {}, { signal })) as PublicState;
}

function withProblems(state: PublicState, head: string, more: Record<string, unknown> = {}): Answer {
  const problems = state.problems.map((problem) => ({
    ...problem,
    message: plain(problem.message),
    lines: problem.lines.slice(-mostLines).map(plain),
  }));
  return {
    text: [plain(head), ...problems.flatMap(problemText)].join("\n"),
    data: { phase: state.phase, text: plain(head), ...more, problems },
  };
}

function problemText({ resource, message, hint, lines }: Problem): string[] {
  return [
    "",
    `${resource}: ${message}`,
    ...lines.map((line) => `  ${line}`),
    ...(hint === undefined ? [] : [`hint: ${hint}`]),
  ];
}

const plain = (text: string): string => terminalText(text, { color: false });
