import { chmod, mkdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { api, someTargets, type TestCluster } from "./clusters.js";
import { containersOf, differences, inContainer, treeHere, treeIn } from "./containers.js";
import { start, until, type Running } from "./devloop.js";
import { syncProject, webDockerfile, webStart, type SyncProject } from "./sync-project.js";

const histories = Number(process.env["DEVLOOP_TEST_HISTORIES"] ?? 25);
const seed = Number(process.env["DEVLOOP_TEST_SEED"] ?? 629981786);
let cluster: TestCluster;
let project: SyncProject;
let devloop: Running;
let replicas = 1;
/** Where in the events the last edit was that asks for an image. */
let rebuiltAt = 0;

/** Numbers from 0 to 1 that a seed decides (mulberry32, https://gist.github.com/tommyettinger/46a874533244883189143505d203312c). */
function randomFrom(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

let random = randomFrom(seed);
const below = (limit: number): number => Math.floor(random() * limit);
const oneOf = <T>(list: readonly T[]): T => list[below(list.length)]!;

const root = (): string => join(project.root, "web/www");
/** Few names, so that files, links and directories take each other's places. */
const names = ["a", "b", "c.txt", "d"];
const newPath = (): string => Array.from({ length: 1 + below(3) }, () => oneOf(names)).join("/");
const kept = new Set(["index.html", "lock.json"]);
const known = async (): Promise<readonly string[]> =>
  Object.keys(await treeHere(root())).filter((path) => !kept.has(path));
const bytes = (): Buffer =>
  Buffer.from(Array.from({ length: below(20) === 0 ? 70_000 : below(40) }, () => below(256)));

/** Makes room: what stands in the way of a path goes. */
async function clear(path: string): Promise<string> {
  const tree = await treeHere(root());
  const parts = path.split("/");
  for (let count = 1; count <= parts.length; count += 1) {
    const part = parts.slice(0, count).join("/");
    if (part in tree && (count === parts.length || tree[part] !== "directory"))
      await rm(join(root(), part), { recursive: true, force: true });
  }
  const at = join(root(), path);
  await mkdir(dirname(at), { recursive: true });
  return at;
}

/** Changes of files: each says what it did. */
const edits: readonly (() => Promise<string>)[] = [
  async () => {
    const path = newPath();
    await writeFile(await clear(path), bytes());
    return `write ${path}`;
  },
  async () => {
    await writeFile(join(root(), "index.html"), `${random()}\n`);
    return "edit index.html";
  },
  async () => {
    const paths = await known();
    if (paths.length === 0) return "nothing";
    const path = oneOf(paths);
    await rm(join(root(), path), { recursive: true });
    return `delete ${path}`;
  },
  async () => {
    const paths = await known();
    const to = newPath();
    const from = paths.length === 0 ? undefined : oneOf(paths);
    if (from === undefined || `${to}/`.startsWith(`${from}/`) || `${from}/`.startsWith(`${to}/`))
      return "nothing";
    const at = await clear(to);
    await rename(join(root(), from), at).catch(() => undefined);
    return `rename ${from} ${to}`;
  },
  async () => {
    // A build file's mode asks for a build, as its text does.
    const files = Object.entries(await treeHere(root())).filter(
      ([path, what]) => what.startsWith("file ") && path !== "lock.json",
    );
    const [path] = oneOf(files);
    await chmod(join(root(), path), oneOf([0o644, 0o755, 0o744]));
    return `chmod ${path}`;
  },
  async () => {
    const path = newPath();
    const target = oneOf(["index.html", "../a", "d/c.txt", "no/where"]);
    await symlink(target, await clear(path));
    return `link ${path} ${target}`;
  },
  async () => {
    const path = newPath();
    await mkdir(await clear(path));
    return `directory ${path}`;
  },
];

const containers = () => containersOf(cluster, project.namespace, "web");

/** What happens to containers. A pod is killed once only: the kubelet waits ever longer before it starts a container again. */
const disturbances: readonly (() => Promise<string>)[] = [
  async () => {
    const one = oneOf(await containers());
    if (one.restarts === 0) {
      await inContainer(cluster, one, "kill -9 $pid");
      return `kill ${one.pod}`;
    }
    await api(cluster).remove(`/api/v1/namespaces/${project.namespace}/pods/${one.pod}`);
    return `delete ${one.pod}`;
  },
  async () => {
    rebuiltAt = devloop.mark();
    await writeFile(join(root(), "lock.json"), `${random()}\n`);
    return "rebuild";
  },
  async () => {
    replicas = replicas === 1 ? 2 : 1;
    await project.scale("web", replicas);
    return `scale to ${replicas}`;
  },
];

/** What devloop said of its work, and a little of what came before, for a failure's message. */
function told(since: number): string {
  return devloop.events
    .slice(Math.max(0, since - 40))
    .filter(({ type }) =>
      /^(task\.(started|succeeded|failed|note)|sources|containers|container|service|watch)/.test(type),
    )
    .map((event) => JSON.stringify(event).slice(0, 500))
    .join("\n");
}

/** The reference of the image that the last edit which asks for one led to. */
function newestImage(): string {
  const builds = devloop.events
    .slice(rebuiltAt)
    .flatMap((event) =>
      event.type === "task.succeeded" && event.output.kind === "build" ? [event.output.ref] : [],
    );
  return builds.at(-1) ?? expect.fail("the image is not built yet");
}

/** All containers of the app run the newest image, are ready, and hold what is here. One that is yet to be replaced would be gone a moment later. */
async function inStep(): Promise<true> {
  const list = await containers();
  expect([list.length, list.every(({ ready }) => ready)]).toEqual([replicas, true]);
  const newest = newestImage();
  expect(list.filter(({ image }) => !image.endsWith(newest))).toEqual([]);
  const here = await treeHere(root());
  for (const container of list) {
    const { "own.txt": own, ...there } = await treeIn(cluster, container, "/www");
    expect(own).toMatch(/^file 0 /);
    expect(differences(here, there)).toEqual({});
  }
  return true;
}

describe.each(someTargets)("on %s", (where, target) => {
  beforeAll(async () => {
    random = randomFrom(seed);
    replicas = 1;
    rebuiltAt = 0;
    cluster = target();
    project = await syncProject(cluster, "sync-histories", {
      images: { web: `    sync: [{ src: www, dest: /www }]\n    rebuild: [www/lock.json]` },
      apps: [{ name: "web", image: "web", serves: true }],
      files: {
        "web/Dockerfile": webDockerfile,
        "web/start.sh": webStart,
        "web/www/index.html": "web 1\n",
        "web/www/lock.json": "1\n",
      },
    });
    devloop = start({ cluster, cwd: project.root });
    await devloop.ready();
  });
  afterAll(async () => {
    await devloop.stop();
    await project[Symbol.asyncDispose]();
  });

  it(
    `${histories} random histories, each of which ends in step (seed ${seed})`,
    { timeout: 3_600_000 },
    async () => {
      let slowest = 0;
      for (let number = 1; number <= histories; number += 1) {
        const done: string[] = [];
        let disturbed = false;
        for (let count = 1 + below(6); count > 0; count -= 1) {
          const disturbs: boolean = !disturbed && random() < 0.07;
          disturbed ||= disturbs;
          done.push(await oneOf(disturbs ? disturbances : edits)());
        }
        const began = Date.now();
        const what = `history ${number} of seed ${seed} (${done.join("; ")})`;
        const since = devloop.mark();
        await until(inStep, what).catch((error: unknown) => {
          throw new Error(`${what}; since then:\n${told(since)}`, { cause: error });
        });
        if (!disturbed) slowest = Math.max(slowest, Date.now() - began);
      }
      process.stdout.write(
        `${histories} histories of seed ${seed} on ${where}: after edits alone in step within ${slowest} ms\n`,
      );
    },
  );
});
