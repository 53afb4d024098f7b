import { readFile, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { anyCluster, api, k3d, shell, type TestCluster } from "./clusters.js";
import {
  containersOf,
  differences,
  inContainer,
  treeHere,
  treeIn,
  type LiveContainer,
} from "./containers.js";
import { page, start, until, type Running } from "./devloop.js";
import { relayToPort, type Relay } from "./relay.js";
import { syncProject, webDockerfile, webStart, type SyncProject } from "./sync-project.js";

// After each fault the container holds what is here, by hash, and nobody does anything. How soon is the bench's to measure.

const spec = {
  images: { web: `    sync: [{ src: www, dest: /www }]` },
  apps: [{ name: "web", image: "web", serves: true }],
  files: {
    "web/Dockerfile": webDockerfile,
    "web/start.sh": webStart,
    "web/www/index.html": "web 1\n",
    "web/www/size.txt": "aaaa\n",
  },
};

interface Scene {
  readonly cluster: TestCluster;
  readonly project: SyncProject;
  readonly devloop: Running;
}

const write = ({ project }: Scene, path: string, text: string): Promise<void> =>
  project.write(`web/www/${path}`, text);

async function running({ cluster, project }: Scene): Promise<LiveContainer> {
  const found = await containersOf(cluster, project.namespace, "web");
  if (found.length !== 1) throw new Error(`${found.length} containers`);
  return found[0]!;
}

/** Waits until the container holds what is here. */
async function settled(scene: Scene, container?: LiveContainer): Promise<void> {
  const { cluster, project } = scene;
  const there = container ?? (await until(() => running(scene), "one container"));
  await until(async () => {
    const { "own.txt": own, ...found } = await treeIn(cluster, there, "/www");
    expect(own).toMatch(/^file /);
    expect(differences(await treeHere(join(project.root, "web/www")), found)).toEqual({});
    return true;
  }, `the files in ${there.pod}`);
}

/** Waits for another container than this one, and then for its files. */
async function settledAfter(scene: Scene, before: LiveContainer): Promise<void> {
  const next = await until(async () => {
    const found = await running(scene);
    return found.id !== before.id && found;
  }, "another container");
  await settled(scene, next);
}

/** 2,000 files in two states that have half of their names and a tenth of their bytes in common, as branches of a repository. */
async function twoBranches({ project }: Scene): Promise<(branch: "one" | "two") => Promise<string>> {
  // Git's own files lie beside the context.
  const places = [`--git-dir=${project.root}/.repository`, `--work-tree=${project.root}/web/www`];
  const who = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "gc.auto=0"];
  const git = (...args: string[]): Promise<string> => shell("git", ...places, ...who, ...args);
  await git("init", "-q", "-b", "empty");
  await git("add", "-A");
  await git("commit", "-q", "-m", "empty");
  for (const [branch, from] of [
    ["one", 0],
    ["two", 1_000],
  ] as const) {
    await git("checkout", "-q", "-b", branch, "empty");
    const numbers = Array.from({ length: 2_000 }, (_, at) => at + from);
    await Promise.all(
      numbers.map((n) =>
        project.write(`web/www/many/${n % 20}/${n}.txt`, `${n % 10 === 0 ? "same" : branch} ${n}\n`),
      ),
    );
    await git("add", "-A");
    await git("commit", "-q", "-m", branch);
  }
  return (branch) => git("checkout", "-q", branch);
}

describe("faults while files are synced", () => {
  let scene: Scene;
  let relay: Relay;
  let checkout: Awaited<ReturnType<typeof twoBranches>>;

  beforeAll(async () => {
    const cluster = anyCluster();
    const project = await syncProject(cluster, "sync-faults", spec);
    const kubeconfig = parse(await readFile(cluster.kubeconfig, "utf8")) as {
      clusters: { cluster: { server: string } }[];
    };
    const access = kubeconfig.clusters[0]!.cluster;
    relay = await relayToPort(Number(new URL(access.server).port));
    // The API server's certificate is not for the relay's address.
    Object.assign(access, { server: `https://${relay.address}`, "tls-server-name": "localhost" });
    const KUBECONFIG = `${project.root}/.kubeconfig`;
    await writeFile(KUBECONFIG, stringify(kubeconfig), { mode: 0o600 });
    const devloop = start({ cluster, cwd: project.root, env: { KUBECONFIG } });
    scene = { cluster, project, devloop };
    await devloop.ready();
  });
  afterAll(async () => {
    await scene.devloop.stop();
    await relay[Symbol.asyncDispose]();
    await scene.project[Symbol.asyncDispose]();
  });

  it("three saves within 10 ms: the last one stands", async () => {
    for (let round = 0; round < 10; round += 1) {
      for (const save of [1, 2, 3]) {
        await writeFile(join(scene.project.root, "web/www/index.html"), `round ${round} save ${save}\n`);
        await new Promise((resolve) => setTimeout(resolve, 3));
      }
      await settled(scene);
    }
  });

  it("an edit of equal size with the times set back", async () => {
    const path = join(scene.project.root, "web/www/size.txt");
    const { atime, mtime } = await stat(path);
    for (const text of ["bbbb\n", "cccc\n", "dddd\n"]) {
      await writeFile(path, text);
      await utimes(path, atime, mtime);
      await settled(scene);
    }
  });

  it("2,000 files at once, by a checkout of another branch, and back", async () => {
    checkout = await twoBranches(scene);
    await settled(scene);
    for (const branch of ["one", "two"] as const) {
      await checkout(branch);
      await settled(scene);
    }
  });

  it("a save while the pod is replaced", async () => {
    const before = await running(scene);
    await api(scene.cluster).remove(`/api/v1/namespaces/${scene.project.namespace}/pods/${before.pod}`);
    await write(scene, "index.html", "while the pod is replaced\n");
    await settledAfter(scene, before);
    await until(
      async () => (await page(scene.project.port("web"))) === "while the pod is replaced\n",
      "the page",
    );
  });

  it("the container killed in the middle of a batch", async () => {
    const before = await running(scene);
    const since = scene.devloop.mark();
    await checkout("one");
    await scene.devloop.waitFor("task.started", ({ id }) => id === "sync:web", { since });
    await inContainer(scene.cluster, before, "kill -9 $pid");
    await settledAfter(scene, before);
  });

  it("the connection cut in the middle of a batch, and there again at once", async () => {
    const { id } = await running(scene);
    const since = scene.devloop.mark();
    await checkout("two");
    await scene.devloop.waitFor("task.started", ({ id }) => id === "sync:web", { since });
    await relay.cut();
    await relay.restore();
    await settled(scene);
    expect((await running(scene)).id).toBe(id);
  });

  it("the connection cut for a while, with saves and deletions meanwhile", async () => {
    const { cluster, project, devloop } = scene;
    const { id } = await running(scene);
    const since = devloop.mark();
    await relay.cut();
    await write(scene, "index.html", "while it was cut\n");
    await project.remove("web/www/many/3");
    await write(scene, "new/file.txt", "new\n");
    await devloop.waitFor("service.down", ({ service }) => service === "cluster", { since });
    await relay.restore();
    await settled(scene);
    expect(await containersOf(cluster, project.namespace, "web")).toMatchObject([{ id }]);
    await devloop.ready({ since });
  });

  it("a container that ends while its next image cannot be built: it gets what it had", async () => {
    const { cluster, project, devloop } = scene;
    await write(scene, "index.html", "before the failure\n");
    await settled(scene);
    const since = devloop.mark();
    await project.write("web/Dockerfile", `${webDockerfile}RUN exit 1\n`);
    await devloop.waitFor("task.failed", ({ id }) => id === "build:web", { since });
    const before = await running(scene);
    // By the API, since the kubelet lets a second restart wait.
    await api(cluster).remove(`/api/v1/namespaces/${project.namespace}/pods/${before.pod}`);
    const answers = new Set<string>();
    await until(async () => {
      answers.add(await page(project.port("web")));
      const now = await running(scene);
      return now.id !== before.id && now.ready && answers.add(await page(project.port("web")));
    }, "another container that is served");
    expect([...answers]).toEqual(["before the failure\n"]);
    await project.write("web/Dockerfile", webDockerfile);
    await devloop.ready({ since });
    await settled(scene);
  });

  it("never made an image, but for the first", () => {
    const outputs = scene.devloop.events.flatMap((event) =>
      event.type === "task.succeeded" ? [event.output] : [],
    );
    const reasons = outputs.flatMap((output) => (output.kind === "sync" ? (output.rebuild ?? []) : []));
    expect(reasons).toEqual([]);
    const builds = outputs.filter((output) => output.kind === "build" && !output.remembered);
    expect(builds, JSON.stringify(builds)).toHaveLength(1);
  });
});

describe.skipIf(k3d === undefined)("an API server that restarts while files are synced", () => {
  it("gets what was edited meanwhile", async () => {
    const cluster = k3d!;
    await using project = await syncProject(cluster, "sync-outage", spec);
    await using devloop = start({ cluster, cwd: project.root });
    await devloop.ready();
    const scene = { cluster, project, devloop };
    const before = await running(scene);
    await shell("docker", "exec", cluster.node, "pkill", "-KILL", "kube-apiserver");
    await write(scene, "index.html", "while the API server was away\n");
    await write(scene, "more/page.html", "more\n");
    const there = await until(() => running(scene), "the API server to answer");
    await settled(scene, there);
    expect(there).toMatchObject({ id: before.id, restarts: 0 });
    await until(
      async () => (await page(project.port("web"))) === "while the API server was away\n",
      "the page",
    );
  });
});
