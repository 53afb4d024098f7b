import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { ExecTarget } from "../../src/engine/target.js";
import type { TestCluster } from "../e2e/clusters.js";
import { containerOf, differences, treeHere, treeIn } from "../e2e/containers.js";
import { start, type EventOf, type Running } from "../e2e/devloop.js";
import { syncProject, type SyncProject } from "../e2e/sync-project.js";
import { leaveNothing, noteImages } from "./leave-nothing.js";
import { formatTable, type Row } from "./measure.js";
import { servedAt } from "./served.js";
import { type Language, ownStart, syncApps, textFile } from "./sync-apps.js";
import { openExecs, type Execs } from "./tar-exec.js";

const saves = 100;
const restarts = 10;
const rounds = 5;
const files = 2_000;
/** A person's saves are apart: the connection has rested, and so has the watcher. */
const betweenMs = 200;

/** Save → served through devloop's forward, beside an exec of tar for each save; restarts; many files at once. */
export async function sync(cluster: TestCluster): Promise<readonly string[]> {
  await using project = await syncProject(cluster, "bench-sync", syncApps(newText()));
  const tables: string[] = [];
  {
    await using devloop = start({ cluster, cwd: project.root });
    await devloop.ready({ timeoutMs: 180_000 });
    using execs = openExecs(cluster);
    const bench: Bench = {
      cluster,
      project,
      devloop,
      execs,
      scratch: await mkdtemp(join(tmpdir(), "devloop-bench-tar-")),
    };
    await using _ = { [Symbol.asyncDispose]: () => rm(bench.scratch, { recursive: true, force: true }) };
    tables.push(await oneFile(bench), await restarted(bench), await manyFiles(bench));
    noteImages(project.root, devloop);
  }
  await leaveNothing(cluster, project);
  return tables;
}

interface Bench {
  readonly cluster: TestCluster;
  readonly project: SyncProject;
  readonly devloop: Running;
  readonly execs: Execs;
  /** What is not watched, for the other way. */
  readonly scratch: string;
}

async function oneFile({ cluster, project, devloop, execs, scratch }: Bench): Promise<string> {
  const target = await execTarget(cluster, project, "pages");
  const port = project.port("pages");
  const source = join(scratch, "tar.txt");
  const ours: number[] = [];
  const theirs: number[] = [];
  const noticed: number[] = [];
  const synced: number[] = [];
  for (let save = 0; save < saves; save += 1) {
    // In turn, so that what disturbs the machine disturbs both.
    const text = newText();
    const since = devloop.mark();
    const epoch = Date.now();
    ours.push(
      await fromSave(
        () => project.write("pages/www/page.txt", text),
        () => servedAt(port, "/", { wanted: text, keepAlive: true }),
      ),
    );
    const changed = await devloop.waitFor("sources.changed", undefined, { since });
    noticed.push(Date.parse(changed.time) - epoch);
    const ended = await devloop.waitFor("task.succeeded", isSync("pages"), { since });
    synced.push(Date.parse(ended.time) - epoch);
    await sleep(betweenMs);

    const other = newText();
    let exec: Disposable | undefined;
    theirs.push(
      await fromSave(
        async () => {
          await writeFile(source, other);
          exec = await execs.untar(target, [{ source, dest: "www/tar.txt" }]);
        },
        () => servedAt(port, "/tar.txt", { wanted: other, keepAlive: true }),
      ),
    );
    exec?.[Symbol.dispose]();
    await sleep(betweenMs);
  }
  return formatTable(
    "save → new content served, one file (node:20-bookworm-slim, its server reads the file for each request)",
    [
      {
        what: "save → served",
        values: ours,
        unit: "ms",
        target: "p50 below 40 ms, p95 below 100 ms",
        beside: { tool: "an exec of tar for each save", values: theirs },
      },
      { what: "of it, save → change known", values: noticed, unit: "ms" },
      { what: "of it, save → written, and acknowledged by hash", values: synced, unit: "ms" },
    ],
  );
}

/** Milliseconds from just before the save until the content was answered; the asking goes on beside the save. */
async function fromSave(save: () => Promise<void>, served: () => Promise<number>): Promise<number> {
  const began = performance.now();
  const [at] = await Promise.all([served(), save()]);
  return at - began;
}

async function restarted(bench: Bench): Promise<string> {
  const rows: Row[] = [];
  for (const [language, title] of [
    ["node", "Node 20"],
    ["python", "Python 3.11"],
  ] as const) {
    const { own, served } = await restartsOf(bench, language);
    rows.push(
      { what: `${title}: save → restarted process serving`, values: served, unit: "ms" },
      { what: `${title}: its own start, in the container`, values: own, unit: "ms" },
    );
  }
  return formatTable(
    "save → restarted process serving (then: restart), and what the process takes from exec to its first answer",
    rows,
  );
}

async function restartsOf(
  { cluster, project, execs }: Bench,
  language: Language,
): Promise<{ readonly served: readonly number[]; readonly own: readonly number[] }> {
  const target = await execTarget(cluster, project, language);
  const served: number[] = [];
  const own: number[] = [];
  for (let round = 0; round < restarts; round += 1) {
    const text = newText();
    const [path, content] = textFile[language](text);
    served.push(
      await fromSave(
        () => project.write(path, content),
        () => servedAt(project.port(language), "/", { wanted: text, keepAlive: false }),
      ),
    );
    await sleep(betweenMs);
    own.push(Number(await execs.print(target, ownStart[language])));
    await sleep(betweenMs);
  }
  return { served, own };
}

async function manyFiles(bench: Bench): Promise<string> {
  const { cluster, project, devloop, execs, scratch } = bench;
  const container = await containerOf(cluster, project.namespace, "pages");
  const target = await execTarget(cluster, project, "pages");
  const port = project.port("pages");
  const equal: number[] = [];
  const written: number[] = [];
  const theirs: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const many = await prepareMany(join(project.root, "pages/www/many"));
    const since = devloop.mark();
    const began = Date.now();
    many.write();
    const end = Date.now();
    written.push(end - began);
    equal.push((await allThere(bench, container, { since, end })) - began);

    const other = await prepareMany(join(scratch, "many"));
    const from = performance.now();
    const paths = other.write();
    // Unpacked in order: with the last all are there.
    const last = `tar/${paths.at(-1) ?? ""}`;
    using _exec = await execs.untar(
      target,
      paths.map((path) => ({ source: join(scratch, "many", path), dest: `www/tar/${path}` })),
    );
    theirs.push((await servedAt(port, `/${last}`, { wanted: other.text, keepAlive: true })) - from);
  }
  return formatTable(`${files} new files at once, 2 kB each`, [
    {
      what: "first write → the container's tree is equal, by hash",
      values: equal,
      unit: "ms",
      target: "below 3000 ms",
      beside: { tool: "one exec of tar with all", values: theirs },
    },
    { what: "of it, the writing here", values: written, unit: "ms" },
  ]);
}

/** When the loop ended after which the container held all, as the node's own tools see it; not before `end`, that of the writing. */
async function allThere(
  { cluster, project, devloop }: Bench,
  container: { readonly id: string },
  { since, end }: { readonly since: number; readonly end: number },
): Promise<number> {
  const here = await treeHere(join(project.root, "pages/www/many"));
  for (let from = since; ;) {
    const ended = await devloop.ready({ since: from });
    from = devloop.events.indexOf(ended) + 1;
    if (Date.parse(ended.time) < end) continue;
    const there = await treeIn(cluster, container, "/www/many").catch(() => ({}));
    if (Object.keys(differences(here, there)).length === 0) return Date.parse(ended.time);
  }
}

/** Makes the directories and the contents, so that the writing is one go, as a checkout's: 2 kB that no compression makes smaller. */
async function prepareMany(
  directory: string,
): Promise<{ readonly text: string; readonly write: () => readonly string[] }> {
  const text = newText();
  const contents = new Map<string, string>();
  for (let file = 0; file < files; file += 1) {
    const path = `${Math.floor(file / 100)}/${file}.txt`;
    await mkdir(dirname(join(directory, path)), { recursive: true });
    contents.set(path, `${text} ${file} ${randomBytes(1_000).toString("hex")}\n`);
  }
  const write = (): readonly string[] => {
    for (const [path, content] of contents) writeFileSync(join(directory, path), content);
    return [...contents.keys()];
  };
  return { text, write };
}

async function execTarget(
  cluster: TestCluster,
  { namespace }: SyncProject,
  app: string,
): Promise<ExecTarget> {
  const { pod, name } = await containerOf(cluster, namespace, app);
  return { namespace, pod, container: name };
}

function isSync(image: string): (event: EventOf<"task.succeeded">) => boolean {
  return ({ id }) => id === `sync:${image}`;
}

/** What was never there before. */
function newText(): string {
  return `sync ${randomBytes(8).toString("hex")}`;
}
