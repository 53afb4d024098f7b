import { rename, utimes } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { TestCluster } from "../e2e/clusters.js";
import { start, type EventOf } from "../e2e/devloop.js";
import { scratchProject } from "../e2e/scratch.js";
import { leaveNothing, noteImages } from "./leave-nothing.js";
import { formatTable } from "./measure.js";

const saves = 5;
/** A burst rests for two seconds at most before it is looked at. */
const noticedMs = 3_000;

/** Saves of equal bytes: written over, touched, and put in place by a rename as editors do. */
export async function noop(cluster: TestCluster): Promise<readonly string[]> {
  await using project = await scratchProject(cluster, "bench-noop");
  for (const name of ["web", "api"]) {
    await project.write(`${name}/www/index.html`, `noop ${process.pid} ${Date.now()}\n`);
  }
  const since = { builds: 0, applies: 0, changes: 0 };
  {
    await using devloop = start({ cluster, cwd: project.root });
    await devloop.ready();
    const mark = devloop.mark();
    const file = "web/www/index.html";
    const text = await project.read(file);
    for (let save = 0; save < saves; save++) {
      await project.write(file, text);
      await utimes(join(project.root, file), new Date(), new Date());
      await project.write("web/www/.index.html.swp", text);
      await rename(join(project.root, "web/www/.index.html.swp"), join(project.root, file));
    }
    await sleep(noticedMs);
    const started = (kind: string) => (event: EventOf<"task.started">) => event.kind === kind;
    since.changes = devloop.count("sources.changed", undefined, mark);
    since.builds = devloop.count("task.started", started("build"), mark);
    since.applies = devloop.count("task.started", started("deploy"), mark);
    noteImages(project.root, devloop);
  }
  await leaveNothing(cluster, project);
  return [
    formatTable(`no-op save: ${saves} times the same bytes, in three ways`, [
      { what: "changes told", values: [since.changes], unit: "count", target: "0" },
      { what: "builds", values: [since.builds], unit: "count", target: "0" },
      { what: "applies", values: [since.applies], unit: "count", target: "0" },
    ]),
  ];
}
