import { readLogs } from "../cluster/observe/read-logs.js";
import { glanceAtWorkloads } from "../cluster/observe/glance.js";
import { streamLogs } from "../cluster/observe/logs.js";
import { observeWorkloads } from "../cluster/observe/workloads.js";
import { publicLine } from "../control/log-stream.js";
import type { LogAnswer } from "../control/protocol.js";
import { renderDeploy } from "../cluster/render/render.js";
import { secretValues } from "../cluster/render/secret-values.js";
import { compilePattern } from "../engine/log-pattern.js";
import { isLogLevel, logLevels, type KeptLine } from "../engine/log-source.js";
import type { Project } from "../engine/project.js";
import type { LogLine } from "../engine/state.js";
import type { AppliedWorkload } from "../engine/task.js";
import type { Target } from "../engine/target.js";
import { DevloopError, errorText } from "../lib/errors.js";
import { nearest } from "../lib/nearest.js";
import { levelOf } from "../output/logs/level.js";
import { createRedactor } from "../output/redact.js";
import type { LogsOptions } from "./logs.js";
import { openEngine, openTarget } from "./session/adapters.js";
import { loadProject, secretArgs } from "./session/session.js";

/**
 * The containers' lines as the cluster has them: of the pods that are there, as far back as the runtime keeps them. Throws NOT_FOUND for a
 * resource that is none, and what keeps the cluster from being read.
 */
export async function* clusterLogs(options: LogsOptions): AsyncGenerator<LogAnswer> {
  const { env, signal, previous, follow, tail } = options;
  const { project } = await loadProject(options, { check: false });
  const note = (text: string): void => void process.stderr.write(`${text}\n`);
  const where = await openTarget(project.cluster, {
    ...{ project: project.name, engine: openEngine(env), env, signal, onNote: note },
    onlyExisting: true,
  });
  await using target = where.target;
  const { workloads } = await target.deployed(project.name, { signal });
  const wanted = chosen(options.resources, workloads, project);
  if (!previous) note(`no loop of ${project.name} runs: the lines are those that the cluster has`);
  const redactor = createRedactor();
  redactor.add(secretArgs(project));
  redactor.add(await renderedSecrets(project, target.cluster.namespace, { note, signal }));
  const passes = filterOf(options);
  let order = 0;
  const answers = (lines: readonly LogLine[]): readonly LogAnswer[] =>
    passes(lines.map((line) => ({ ...line, text: redactor.redact(line.text) }))).map((line) =>
      publicLine({ ...line, order: (order += 1) }),
    );

  if (follow) {
    for await (const lines of followed(target, wanted, options)) yield* answers(lines);
    return;
  }
  const { pods } = await glanceAtWorkloads(target, wanted, { signal });
  const sinceSeconds = options.sinceMs === undefined ? undefined : Math.ceil(options.sinceMs / 1000);
  const found = answers(await readLogs(target, pods, { previous, sinceSeconds, signal }));
  yield* tail === undefined ? found : found.slice(Math.max(0, found.length - tail));
  if (previous && found.length === 0)
    note("no container was started anew, or nothing is left of the run before");
}

/** The values of the project's Secrets, as a loop would know them. What cannot be rendered is told by `note`, and keeps no line from being read. */
async function renderedSecrets(
  { deploys }: Project,
  namespace: string,
  { note, signal }: { readonly note: (text: string) => void; readonly signal: AbortSignal },
): Promise<readonly string[]> {
  const values = deploys.map(async (spec) => {
    try {
      return secretValues((await renderDeploy(spec, { signal, namespace })).objects);
    } catch (error) {
      signal.throwIfAborted();
      note(
        `values of Secrets may show: ${spec.id.replace(/^deploy:/, "")} does not render: ${errorText(error)}`,
      );
      return [];
    }
  });
  return (await Promise.all(values)).flat();
}

/** The workloads that are meant; all without a name. */
function chosen(
  names: readonly string[],
  workloads: readonly AppliedWorkload[],
  { images }: Project,
): readonly AppliedWorkload[] {
  if (names.length === 0) return workloads;
  return names.flatMap((name) => {
    const found = workloads.filter((each) => each.id === name || each.name === name);
    if (found.length > 0) return found;
    if (images.some((image) => name === image.name || name === `image:${image.name}`))
      throw new DevloopError(
        "LOOP_NOT_RUNNING",
        `what builds of ${name.replace(/^image:/, "")} print is kept by a running loop alone`,
        {
          hint: "devloop up starts one",
        },
      );
    const close = nearest(
      name,
      workloads.map((each) => each.name),
    );
    throw new DevloopError(
      "NOT_FOUND",
      `no workload ${name} is deployed${close === undefined ? "" : ` — did you mean ${close}?`}`,
      workloads.length === 0 ? { hint: "devloop up deploys the project" } : {},
    );
  });
}

function filterOf({ level, search }: LogsOptions): (lines: readonly LogLine[]) => readonly KeptLine[] {
  const matcher = search === undefined ? undefined : compilePattern({ kind: "text", text: search });
  const least = level !== undefined && isLogLevel(level) ? logLevels.indexOf(level) : -1;
  return (lines) => {
    const leveled = lines.map((line): KeptLine => {
      const own = levelOf(line.text);
      return { ...line, order: 0, ...(own === undefined ? {} : { level: own }) };
    });
    const some = leveled.filter((line) => logLevels.indexOf(line.level ?? "info") >= least);
    const fits = matcher?.matches(some.map(({ text }) => text));
    return fits ? some.filter((_, index) => fits[index]) : some;
  };
}

/** Batches of lines as they come, of pods that come and go; the reading waits for whoever takes them. */
async function* followed(
  target: Target,
  workloads: readonly AppliedWorkload[],
  { sinceMs, tail, signal }: LogsOptions,
): AsyncGenerator<readonly LogLine[]> {
  let isOver = false;
  const waiting: { readonly lines: readonly LogLine[]; readonly taken: () => void }[] = [];
  let wake: () => void = () => undefined;
  await using streams = streamLogs(target, {
    // With neither, all that there is.
    older: {
      ...(tail === undefined ? {} : { tailLines: tail }),
      ...(sinceMs === undefined ? {} : { sinceSeconds: Math.ceil(sinceMs / 1000) }),
    },
    onLines: (lines) =>
      isOver
        ? undefined
        : new Promise((taken) => {
            waiting.push({ lines, taken });
            wake();
          }),
    signal,
  });
  await using observer = observeWorkloads(target, {
    signal,
    lastLines: () => [],
    onHealth: () => undefined,
    onPods: (pods) => {
      streams.setPods(pods);
    },
  });
  observer.setWorkloads(workloads);
  const end = (): void => {
    wake();
  };
  signal.addEventListener("abort", end);
  try {
    while (!signal.aborted) {
      const next = waiting.shift();
      if (next) {
        yield next.lines;
        next.taken();
      } else
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
    }
    signal.throwIfAborted();
  } finally {
    signal.removeEventListener("abort", end);
    isOver = true;
    // Nobody takes them any more: the streams end only once they were handed on.
    for (const { taken } of waiting) taken();
  }
}
