import { randomBytes } from "node:crypto";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { buildImage } from "../../src/build/build.js";
import { connectEngine } from "../../src/docker/connect.js";
import { findEngine } from "../../src/docker/endpoint.js";
import { scratchBuild } from "../build/scratch-build.js";
import { sleeping } from "../e2e/processes.js";
import { shell, type TestCluster } from "../e2e/clusters.js";
import { until } from "../e2e/devloop.js";
import { imageSpec } from "../fakes/project.js";
import { removeFromEngine } from "./leave-nothing.js";
import { formatTable } from "./measure.js";

const files = 20_000;
const megabytes = 500;
const times = 7;
/**
 * What devloop's builds and the command's are called: neither finds the other's copy of the context in the engine. This and
 * the directory are the same in every run, since the engine's build cache keeps one copy for each name and directory: a run
 * writes over the last one's, instead of leaving another 500 MB.
 */
const image = "devloop-bench-context";
const context = join(tmpdir(), image);

/** One changed file in a large context, which the Dockerfile copies whole: devloop's build, and the docker command's. */
export async function build(_cluster: TestCluster): Promise<readonly string[]> {
  const refs = new Set<string>();
  try {
    await rm(context, { recursive: true, force: true });
    await fill();
    const change = async (): Promise<void> => {
      await writeFile(join(context, "changing/page.txt"), randomBytes(2_000));
    };
    const ways = { devloop: () => buildHere(refs), docker: () => buildByHand(refs) };
    const first = { devloop: await timed(ways.devloop), docker: await timed(ways.docker) };
    const again: Record<keyof typeof ways, number[]> = { devloop: [], docker: [] };
    for (let time = 0; time < times; time += 1) {
      // In turn, so that what disturbs the machine disturbs both.
      for (const way of ["devloop", "docker"] as const) {
        await change();
        again[way].push(await timed(ways[way]));
      }
    }
    const tool = "docker buildx build";
    return [
      formatTable(`build: a context of ${files} files, ${megabytes} MB`, [
        {
          what: "the first time",
          values: [first.devloop],
          unit: "ms",
          beside: { tool, values: [first.docker] },
        },
        {
          what: "one file changed",
          values: again.devloop,
          unit: "ms",
          target: "no slower than beside it",
          beside: { tool, values: again.docker },
        },
        {
          what: "an abort → its step's process is gone",
          values: await cancelTimes(),
          unit: "ms",
          target: "below 500 ms",
        },
      ]),
    ];
  } finally {
    for (const ref of refs) await removeFromEngine(ref);
    await rm(context, { recursive: true, force: true });
  }
}

/** Most of it is left alone by the steps: what is measured is the context's way, not a copy of 500 MB. */
async function fill(): Promise<void> {
  const size = Math.floor((megabytes * 1_000_000) / files);
  for (let directory = 0; directory < files / 100; directory += 1) {
    const path = join(context, "files", String(directory));
    await mkdir(path, { recursive: true });
    const bytes = randomBytes(size);
    for (let file = 0; file < 100; file += 1) {
      bytes.writeUInt32LE(file);
      await writeFile(join(path, `${file}.bin`), bytes);
    }
  }
  await mkdir(join(context, "changing"));
  await writeFile(join(context, "changing/page.txt"), "first");
  await writeFile(
    join(context, "Dockerfile"),
    [
      "FROM busybox:1",
      "COPY files/0 /files",
      "RUN --mount=target=/context ls /context/files | wc -l",
      "COPY changing /changing",
      "",
    ].join("\n"),
  );
}

async function buildHere(refs: Set<string>): Promise<void> {
  const { engine, docker } = connectEngine(findEngine(process.env, { home: homedir() }));
  const dockerfile = { kind: "file", path: join(context, "Dockerfile") } as const;
  const spec = imageSpec(image, { context, dockerfile });
  const nothing = (): void => undefined;
  const { signal } = new AbortController();
  const options = { onProgress: nothing, onOutput: nothing, onNote: nothing, signal };
  const { ref } = await buildImage(docker, engine, { image: spec, bases: {} }, options);
  refs.add(ref);
}

async function buildByHand(refs: Set<string>): Promise<void> {
  const ref = `${image}-by-hand:latest`;
  refs.add(ref);
  await shell("docker", "buildx", "build", "--quiet", "--tag", ref, context);
}

/** From the abort of a build whose step sleeps until no such process is left on the engine's machine, which must be this one. */
async function cancelTimes(): Promise<readonly number[]> {
  const found: number[] = [];
  for (let time = 0; time < times; time += 1) {
    const seconds = String(30_000 + process.pid + time);
    await using scratch = await scratchBuild({ Dockerfile: `FROM busybox:1\nRUN sleep ${seconds}\n` });
    const controller = new AbortController();
    const built = scratch.build({}, { signal: controller.signal }).catch(() => undefined);
    await until(async () => (await sleeping(seconds)).length > 0, "the step's process");
    // An edit comes at any moment, as a rule not in the first of a step.
    await sleep(1_000);
    found.push(
      await timed(async () => {
        controller.abort(new Error("a newer edit"));
        await until(async () => (await sleeping(seconds)).length === 0, "its end");
      }),
    );
    await built;
  }
  return found;
}

async function timed(work: () => Promise<void>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}
