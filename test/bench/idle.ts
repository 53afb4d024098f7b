import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { shell, type TestCluster } from "../e2e/clusters.js";
import { start } from "../e2e/devloop.js";
import { scratchProject } from "../e2e/scratch.js";
import { leaveNothing, noteImages } from "./leave-nothing.js";
import { formatTable } from "./measure.js";

const files = 20_000;
const filesInDirectory = 100;
/** Some 30 s after its last work, V8 tidies up once, for a tenth of a second: that is the start's, not the rest's. */
const settleMs = 45_000;
const idleMs = 20_000;

/** CPU and memory of an `up` that has 20,000 files to watch and nothing to do. All of them were sent to one build. */
export async function idle(cluster: TestCluster): Promise<readonly string[]> {
  if (process.platform !== "linux") return ["idle: measured on Linux only (/proc)"];
  const ticks = Number(await shell("getconf", "CLK_TCK"));
  await using project = await scratchProject(cluster, "bench-idle");
  for (let file = 0; file < files; file++) {
    await project.write(`web/many/${Math.floor(file / filesInDirectory)}/${file}.txt`, `file ${file}\n`);
  }
  await project.write("web/www/index.html", `idle ${process.pid} ${Date.now()}\n`);
  await project.write("api/www/index.html", `idle ${process.pid} ${Date.now()}\n`);
  {
    await using devloop = start({ cluster, cwd: project.root });
    const { durationMs } = await devloop.ready({ timeoutMs: 180_000 });
    noteImages(project.root, devloop);
    const pid = devloop.child.pid!;
    const atReady = await memory(pid);
    await sleep(settleMs);
    const before = await cpu(pid, ticks);
    await sleep(idleMs);
    const seconds = (await cpu(pid, ticks)) - before;
    const resident = await memory(pid);
    await using _ = { [Symbol.asyncDispose]: () => leaveNothing(cluster, project) };
    return [
      formatTable(`idle, ${files} files watched`, [
        { what: "CPU a minute", values: [(seconds * 60_000) / idleMs], unit: "s", target: "below 0.1 s" },
        { what: "resident memory", values: [resident.now], unit: "MB", target: "below 100 MB" },
        { what: "resident memory just when ready", values: [atReady.now], unit: "MB" },
        { what: "resident memory at its peak", values: [resident.peak], unit: "MB" },
        { what: "first ready (scan, and a build with all of them)", values: [durationMs], unit: "ms" },
      ]),
    ];
  }
}

/** Seconds of CPU that a process has used, in user and kernel mode. */
async function cpu(pid: number, ticks: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  // The name in parentheses may hold anything; the fields are counted after it.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / ticks;
}

/** Resident memory in MB (10⁶ bytes). */
async function memory(pid: number): Promise<{ readonly now: number; readonly peak: number }> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  const field = (name: string): number =>
    (Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1]) * 1024) / 1e6;
  return { now: field("VmRSS"), peak: field("VmHWM") };
}
