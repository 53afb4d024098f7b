import { randomUUID } from "node:crypto";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { KubeObject } from "../../src/cluster/kube.js";
import { api, providerOf, shell, someTargets, type TestCluster } from "./clusters.js";
import { page, runToEnd, start, until, type Running } from "./devloop.js";
import { freePort } from "./scratch.js";

const examples = new URL("../../examples/", import.meta.url).pathname;

interface Migrated extends AsyncDisposable {
  readonly cwd: string;
  /** What migrate names the dev overlay's namespace. */
  readonly namespace: string;
  /** What `devloop migrate` said. */
  readonly said: string;
}

/** A copy of an example's compose files and sources, migrated, to run on `cluster`; disposing removes it and what it deployed. */
async function migrated(
  cluster: TestCluster,
  example: string,
  prepare: (cwd: string, name: string) => Promise<Readonly<Record<string, string>>>,
): Promise<Migrated> {
  const name = `e2e-${example}-${Math.random().toString(36).slice(2, 7)}`;
  const cwd = await mkdtemp(join(tmpdir(), `devloop-${name}-`));
  await cp(join(examples, example), cwd, { recursive: true });
  await rm(join(cwd, "k8s"), { recursive: true, force: true });
  const env = await prepare(cwd, name);
  const { code, stdout, stderr } = await runToEnd({ cluster, cwd, args: ["migrate", "--strict"], env });
  expect(stderr).toBe("");
  expect(code, stdout).toBe(0);
  const config = join(cwd, "devloop.yaml");
  const text = await readFile(config, "utf8");
  expect(text).toContain("cluster:\n");
  await writeFile(config, text.replace("cluster:\n", `cluster:\n${providerOf(cluster)}`));
  const home = cluster.flavour === "docker" ? name : `${name}-dev`;
  return {
    cwd,
    namespace: `${name}-dev`,
    said: stdout,
    async [Symbol.asyncDispose]() {
      await api(cluster).remove(`/api/v1/namespaces/${home}`);
      await rm(cwd, { recursive: true, force: true });
    },
  };
}

it.each(someTargets)(
  "takes examples/monitor from its compose file alone to ready on %s",
  async (_name, target) => {
    const cluster = target();
    const ports = { agent: await freePort(), test: await freePort() };
    await using project = await migrated(cluster, "monitor", async (cwd, name) => {
      const file = join(cwd, "compose.yaml");
      const text = await readFile(file, "utf8");
      const own = text
        .replace("name: monitor\n", `name: ${name}\n`)
        .replace("3000:3000", `${ports.test}:3000`)
        .replace("8888:8888", `${ports.agent}:8888`);
      await writeFile(file, own);
      return {};
    });
    const [, counted] =
      /(\d+) keys converted.* 0 to decide, 0 dropped\nnext: devloop up\n$/.exec(project.said) ?? [];
    expect(await readFile(join(project.cwd, "MIGRATION.md"), "utf8")).toContain(` ${counted} converted, `);
    await using devloop = start({ cluster, cwd: project.cwd });
    await devloop.ready();
    await until(async () => {
      const { upstream } = JSON.parse(await page(ports.agent, "/metrics")) as {
        upstream: { reached: boolean };
      };
      return upstream.reached;
    }, "the agent to reach monitor-test");
    expect(JSON.parse(await page(ports.test, "/health"))).toMatchObject({ status: "ok" });
    expectOrder(devloop, [["monitor-test", "monitor-agent"]]);
    if (cluster.flavour !== "docker") {
      const pods = await api(cluster).list(`/api/v1/namespaces/${project.namespace}/pods`);
      const [agent, test] = ["monitor-agent", "monitor-test"].map((name) =>
        pods.find((pod) => appOf(pod) === name),
      );
      expect(createdAt(agent!)).toBeGreaterThanOrEqual(readyAt(test!));
    }
    // The token looks secret: git takes no file that holds it.
    expect(await shell("grep", "-rl", "demo-token", join(project.cwd, "k8s"))).not.toMatch(/base|\.example/);
  },
);

describe.each(someTargets)("examples/compose, migrated, on %s", (_name, target) => {
  const cluster = target();
  const { list, pods, remove } = api(cluster);
  let project: Migrated;
  let devloop: Running;
  const ports = { web: 0, store: 0 };

  beforeAll(async () => {
    ports.web = await freePort();
    ports.store = await freePort();
    project = await migrated(cluster, "compose", async (cwd, name) => {
      // Its checks start a Node.js each: a busy machine takes longer for that than a user would wait.
      const file = join(cwd, "compose.yaml");
      await writeFile(file, (await readFile(file, "utf8")).replaceAll("timeout: 3s", "timeout: 30s"));
      return {
        COMPOSE_PROJECT_NAME: name,
        WEB_PORT: String(ports.web),
        STORE_PORT: String(ports.store),
      };
    });
    devloop = start({ cluster, cwd: project.cwd });
    await devloop.ready();
  });
  afterAll(async () => {
    await devloop.stop();
    await project[Symbol.asyncDispose]();
  });

  const podOf = async (name: string): Promise<KubeObject> => {
    const found = (await pods(project.namespace)).find((pod) => appOf(pod) === name);
    if (!found) throw new Error(`no pod of ${name}`);
    return found;
  };
  const inContainer = async (name: string, ...command: string[]): Promise<string> => {
    const id = runOf(await podOf(name)) ?? "";
    if (cluster.flavour === "docker") return shell("docker", "exec", id, ...command);
    const ctr = [
      "exec",
      cluster.node,
      "ctr",
      "--namespace",
      "k8s.io",
      "tasks",
      "exec",
      "--exec-id",
      randomUUID(),
    ];
    return shell("docker", ...ctr, id, ...command);
  };
  const asked = async <T>(path: string): Promise<T> => JSON.parse(await page(ports.web, path)) as T;
  const order = async (pages: number): Promise<string> => {
    const url = `http://127.0.0.1:${ports.web}/orders`;
    const response = await fetch(url, { method: "POST", body: JSON.stringify({ pages }) });
    const { id } = (await response.json()) as { id?: string };
    return id ?? expect.fail(`no order: ${response.status}`);
  };
  const stored = (id: string): Promise<Order> =>
    until(
      async () => (await asked<readonly Order[]>("/orders")).find((each) => each.id === id),
      `order ${id} in the store`,
    );

  it("starts every service, and each after what it depends on", async () => {
    const apps = (await pods(project.namespace)).map(appOf);
    expect(apps).toEqual(expect.arrayContaining(["redis", "store", "web", "worker"]));
    expectOrder(devloop, [
      ["store", "migration"],
      ["migration", "web"],
      ["redis", "web"],
      ["migration", "worker"],
      ["redis", "worker"],
    ]);
    if (cluster.flavour !== "docker") await expectOrderInCluster();
  });

  /** What the events say, by the API server's own times, which are whole seconds. */
  async function expectOrderInCluster(): Promise<void> {
    const { namespace } = project;
    const [job] = (await list(`/apis/batch/v1/namespaces/${namespace}/jobs`)) as readonly Job[];
    expect(job).toMatchObject({ metadata: { name: "migration" }, status: { succeeded: 1 } });
    const deployments = await list(`/apis/apps/v1/namespaces/${namespace}/deployments`);
    expect(deployments.map(({ metadata }) => metadata.name).sort()).toEqual([
      "redis",
      "store",
      "web",
      "worker",
    ]);
    expect(createdAt(job!)).toBeGreaterThanOrEqual(readyAt(await podOf("store")));
    for (const name of ["web", "worker"]) {
      const deployment = deployments.find(({ metadata }) => metadata.name === name)!;
      expect(createdAt(deployment)).toBeGreaterThanOrEqual(Date.parse(job!.status.completionTime));
      expect(createdAt(deployment)).toBeGreaterThanOrEqual(readyAt(await podOf("redis")));
    }
  }

  it("finds peers by name, by network alias too, and passes an order through all of them", async () => {
    const peers = await asked<Readonly<Record<string, string>>>("/peers");
    expect(Object.keys(peers)).toEqual(["redis", "database", "store", "worker"]);
    for (const address of Object.values(peers)) expect(address).toMatch(/^\d+(\.\d+){3}$/);
    // From web to redis, from redis to the worker, from there to the store, under its alias.
    const found = await stored(await order(10));
    const worker = await podOf("worker");
    expect(found).toMatchObject({ pages: 10, price: 1.2, currency: "EUR", by: worker.metadata.name });
  });

  it("has secrets and configs where Compose puts them", async () => {
    const password = await readFile(join(project.cwd, "secrets/store-password.txt"), "utf8");
    expect(await inContainer("web", "cat", "/run/secrets/store-password")).toBe(password);
    expect(await inContainer("worker", "ls", "/run/secrets")).toBe("store\n");
    expect(await inContainer("worker", "stat", "-Lc", "%a", "/run/secrets/store")).toBe("440\n");
    expect(await asked("/greeting")).toEqual({ greeting: "Printed while you wait\n" });
    expect(await inContainer("redis", "redis-cli", "config", "get", "appendonly")).toBe("appendonly\nyes\n");
  });

  it("fills a new volume from the image, and keeps what was written when a pod goes", async () => {
    expect(await asked("/catalogue")).toMatchObject({ formats: ["A4", "A3"] });
    expect(await inContainer("store", "stat", "-c", "%u", "/var/lib/store")).toBe("10001\n");
    const id = await order(7);
    await stored(id);
    const old = await podOf("store");
    await remove(`/api/v1/namespaces/${project.namespace}/pods/${old.metadata.name}`);
    // Without a cluster it is the pod itself that is put back.
    await until(async () => {
      const run = runOf(await podOf("store"));
      return run !== undefined && run !== runOf(old);
    }, "a new container of store");
    expect(await stored(id)).toMatchObject({ pages: 7, price: 0.84 });
    expect(await asked("/catalogue")).toMatchObject({ formats: ["A4", "A3"] });
  });

  it("makes an edit of bind-mounted sources live in the same pod", async () => {
    const since = devloop.mark();
    const before = await podOf("web");
    const file = join(project.cwd, "web/src/page/index.html");
    await writeFile(file, (await readFile(file, "utf8")).replaceAll("Print shop", "Copy shop"));
    await until(async () => (await page(ports.web)).includes("Copy shop"), "the edited page");
    await devloop.ready({ since });
    expect((await podOf("web")).metadata.uid).toBe(before.metadata.uid);
    expect(devloop.count("task.started", (event: { kind: string }) => event.kind !== "sync", since)).toBe(0);
  });
});

interface Order {
  readonly id: string;
  readonly pages: number;
}
type Pod = KubeObject & {
  readonly status: {
    readonly containerStatuses?: readonly { readonly containerID?: string }[];
    readonly conditions?: readonly { readonly type: string; readonly lastTransitionTime: string }[];
  };
};
type Job = KubeObject & { readonly status: { readonly completionTime: string } };

/** The runtime's id of a pod's container. */
const runOf = (pod: KubeObject): string | undefined =>
  (pod as Pod).status.containerStatuses?.[0]?.containerID?.replace(/^.*:\/\//, "");
const appOf = ({ metadata }: KubeObject): string | undefined => metadata.labels?.["app.kubernetes.io/name"];
const createdAt = ({ metadata }: KubeObject): number =>
  Date.parse((metadata as { creationTimestamp?: string }).creationTimestamp ?? "");
const readyAt = (pod: KubeObject): number =>
  Date.parse((pod as Pod).status.conditions?.find(({ type }) => type === "Ready")?.lastTransitionTime ?? "");

/** Of each pair the first was ready before anything was seen of the second. */
function expectOrder({ events }: Running, pairs: readonly (readonly [string, string])[]): void {
  const firstOf = (name: string, matches: (status: string) => boolean): number =>
    events.findIndex(
      (event) =>
        event.type === "workload.changed" && event.id.endsWith(`/${name}`) && matches(event.health.status),
    );
  for (const [before, after] of pairs) {
    const ready = firstOf(before, (status) => status === "ready");
    expect(ready, `${before} before ${after}`).toBeGreaterThan(-1);
    expect(ready, `${before} before ${after}`).toBeLessThan(firstOf(after, () => true));
  }
}
