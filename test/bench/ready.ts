import { api, type TestCluster } from "../e2e/clusters.js";
import { page, start, until } from "../e2e/devloop.js";
import { copyExample, type Example } from "./example.js";
import { emptyCluster, noteImages } from "./leave-nothing.js";
import { formatTable } from "./measure.js";

const fromNothing = 3;
const fromAll = 5;

/** Time to ready from nothing, and from a project that is deployed and unchanged. */
export async function ready(cluster: TestCluster): Promise<readonly string[]> {
  await using example = await copyExample(cluster, "bench-ready");
  const nothing: Start[] = [];
  for (let round = 0; round < fromNothing; round++) {
    // The namespace goes, and both images are new: neither the engine nor the node has them.
    if (round > 0) await emptyCluster(cluster, example);
    await example.edit();
    nothing.push(await measureStart(cluster, example));
  }
  const before = await podUids(cluster, example);
  const all: Start[] = [];
  for (let round = 0; round < fromAll; round++) all.push(await measureStart(cluster, example));
  const after = await podUids(cluster, example);
  const restarted = after.filter((uid) => !before.includes(uid)).length;
  const values = (starts: readonly Start[], key: keyof Start): readonly number[] =>
    starts.map((each) => each[key]);
  return [
    formatTable(
      "from nothing: images nowhere, their base image in the engine (the monitor example, 2 images)",
      [
        {
          what: "up → first page answered",
          values: values(nothing, "answered"),
          unit: "ms",
          target: "below 7000 ms",
        },
        { what: "up → all ready", values: values(nothing, "rested"), unit: "ms" },
      ],
    ),
    formatTable("from all there: up on an unchanged, deployed project", [
      { what: "up → session started", values: values(all, "started"), unit: "ms" },
      { what: "up → cluster connected", values: values(all, "connected"), unit: "ms" },
      { what: "up → all ready", values: values(all, "rested"), unit: "ms", target: "below 1200 ms" },
      { what: "images built", values: [Math.max(...values(all, "builds"))], unit: "count", target: "0" },
      { what: "pods restarted", values: [restarted], unit: "count", target: "0" },
    ]),
  ];
}

/** Milliseconds since the process was started. */
interface Start {
  readonly started: number;
  readonly connected: number;
  readonly answered: number;
  readonly rested: number;
  readonly builds: number;
}

async function measureStart(cluster: TestCluster, example: Example): Promise<Start> {
  const began = Date.now();
  await using devloop = start({ cluster, cwd: example.root });
  const answered = until(() => page(example.port), "the first page", 180_000).then(() => Date.now());
  const rested = await devloop.ready({ timeoutMs: 180_000 });
  const [first, connected] = [
    await devloop.waitFor("session.started"),
    await devloop.waitFor("cluster.connected"),
  ];
  const result = {
    started: Date.parse(first.time) - began,
    connected: Date.parse(connected.time) - began,
    answered: (await answered) - began,
    rested: Date.parse(rested.time) - began,
    builds: devloop.count(
      "task.succeeded",
      ({ output }: { output: { kind: string; remembered?: boolean } }) =>
        output.kind === "build" && output.remembered === false,
    ),
  };
  noteImages(example.root, devloop);
  return result;
}

async function podUids(
  cluster: TestCluster,
  { namespace }: Example,
): Promise<readonly (string | undefined)[]> {
  return (await api(cluster).pods(namespace)).map(({ metadata }) => metadata.uid);
}
