import type { TestCluster } from "../e2e/clusters.js";
import { page, start, until, type Running } from "../e2e/devloop.js";
import { scratchProject } from "../e2e/scratch.js";
import { copyExample } from "./example.js";
import { loadWithTool } from "./other-tools.js";
import { leaveNothing, noteImages } from "./leave-nothing.js";
import { formatTable, type Row } from "./measure.js";

const edits = 5;

/** Save → serving for a rebuild, phase by phase. */
export async function rebuild(cluster: TestCluster): Promise<readonly string[]> {
  return [await rebuildExample(cluster), await rebuildBusybox(cluster)];
}

async function rebuildExample(cluster: TestCluster): Promise<string> {
  await using example = await copyExample(cluster, "bench-rebuild");
  const rounds: Round[] = [];
  {
    await using devloop = start({ cluster, cwd: example.root });
    await devloop.ready({ timeoutMs: 180_000 });
    for (let round = 0; round < edits; round++) {
      rounds.push(await measureEdit(devloop, "monitor-agent", example.edit, () => page(example.port)));
    }
    noteImages(example.root, devloop);
  }
  const tools = await loadWithTool(cluster, example, 3);
  return formatTable(
    "save → serving, rebuild of the monitor example's agent (node:20-bookworm-slim, one small layer new)",
    rows(rounds, "below 2500 ms", tools),
  );
}

async function rebuildBusybox(cluster: TestCluster): Promise<string> {
  await using project = await scratchProject(cluster, "bench-small");
  const rounds: Round[] = [];
  let count = 0;
  const edit = async (): Promise<string> => {
    const text = `edit ${process.pid} ${Date.now()} ${count++}`;
    await project.write("web/www/index.html", `${text}\n`);
    return text;
  };
  await edit();
  await project.write("api/www/index.html", `api ${process.pid} ${Date.now()}\n`);
  {
    await using devloop = start({ cluster, cwd: project.root });
    await devloop.ready();
    for (let round = 0; round < edits; round++) {
      rounds.push(await measureEdit(devloop, "web", edit, () => page(project.ports.web)));
    }
    noteImages(project.root, devloop);
  }
  await leaveNothing(cluster, project);
  return formatTable("save → serving, rebuild of a small image (busybox)", rows(rounds));
}

/** Milliseconds of each phase of one edit. */
interface Round {
  readonly detect: number;
  readonly build: number;
  readonly load: number;
  readonly apply: number;
  /** From the end of the apply until the workload counted as ready. */
  readonly ready: number;
  /** From the save until the loop had come to rest. */
  readonly rest: number;
  /** From the save until the new content was answered. */
  readonly serving: number;
}

async function measureEdit(
  devloop: Running,
  image: string,
  edit: () => Promise<string>,
  read: () => Promise<string>,
): Promise<Round> {
  const since = devloop.mark();
  const saved = Date.now();
  const text = await edit();
  const served = until(async () => (await read()).includes(text), "the new page", 120_000).then(() =>
    Date.now(),
  );
  const changed = await devloop.waitFor("sources.changed", undefined, { since });
  const times: Record<string, { readonly from: number; readonly to: number }> = {};
  for (const kind of ["build", "load", "deploy"] as const) {
    const of = (event: { readonly id: string }): boolean =>
      kind === "deploy" ? event.id.startsWith("deploy:") : event.id === `${kind}:${image}`;
    const started = await devloop.waitFor("task.started", of, { since });
    const ended = await devloop.waitFor("task.succeeded", of, { since });
    times[kind] = { from: Date.parse(started.time), to: Date.parse(ended.time) };
  }
  const ended = await devloop.ready({ since, timeoutMs: 120_000 });
  const took = (kind: string): number => times[kind]!.to - times[kind]!.from;
  return {
    detect: Date.parse(changed.time) - saved,
    build: took("build"),
    load: took("load"),
    apply: took("deploy"),
    ready: Date.parse(ended.time) - times["deploy"]!.to,
    rest: Date.parse(ended.time) - saved,
    serving: (await served) - saved,
  };
}

function rows(
  rounds: readonly Round[],
  target?: string,
  tools?: { readonly build?: readonly number[]; readonly load?: readonly number[]; readonly loader?: string },
): readonly Row[] {
  const all = (phase: keyof Round): readonly number[] => rounds.map((round) => round[phase]);
  return [
    { what: "detect: save → change known", values: all("detect"), unit: "ms", target: "below 30 ms" },
    {
      what: "build",
      values: all("build"),
      unit: "ms",
      ...(tools?.build ? { beside: { tool: "docker build", values: tools.build } } : {}),
    },
    {
      what: "load",
      values: all("load"),
      unit: "ms",
      ...(tools?.load ? { beside: { tool: tools.loader ?? "", values: tools.load } } : {}),
    },
    { what: "apply", values: all("apply"), unit: "ms" },
    { what: "ready: applied → loop at rest", values: all("ready"), unit: "ms" },
    { what: "save → loop at rest", values: all("rest"), unit: "ms" },
    {
      what: "save → new content answered",
      values: all("serving"),
      unit: "ms",
      ...(target ? { target } : {}),
    },
  ];
}
