import { writeFileSync } from "node:fs";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { api, docker, k3d, type TestCluster } from "./clusters.js";
import { page, start, until } from "./devloop.js";
import { freePort } from "./scratch.js";

const example = new URL("../../examples/hot-reload", import.meta.url).pathname;
const services = ["site", "orders", "catalog", "prices", "shipping"] as const;
type Service = (typeof services)[number];

/** An edit of each service, and what its answer holds after it. */
const edits: Readonly<Record<Service, { file: string; from: string; to: string; answer: string }>> = {
  site: { file: "www/index.html", from: "<h1>Tea", to: "<h1>Good tea", answer: "<h1>Good tea" },
  orders: { file: "src/orders.js", from: "g to pack", to: "g are packed", answer: "850 g are packed" },
  catalog: { file: "src/catalog.js", from: '"Sencha"', to: '"Sencha", "Oolong"', answer: "5 teas" },
  prices: { file: "prices.py", from: '"Rooibos": 3.10', to: '"Rooibos": 2.50', answer: "Rooibos from 2.50" },
  shipping: { file: "src/rates.c", from: "cents = 390", to: "cents = 490", answer: "costs 6.90" },
};

// As it stands in a clone; only the namespace and the local ports are the test's own.
describe.each([
  ["a k3d-labelled cluster", k3d],
  ["the docker target", docker],
] as const)("the hot-reload example on %s", (_name, cluster) => {
  it.skipIf(cluster === undefined)(
    "serves all pages, and each edit goes into the pod that runs",
    async () => {
      const namespace = `e2e-hot-${Math.random().toString(36).slice(2, 7)}`;
      await using copy = await copyExample(cluster!, namespace);
      await using devloop = start({ cluster: cluster!, cwd: copy.root });
      await devloop.ready();
      const answer = (service: Service): Promise<string> => page(copy.ports[service]);
      for (const service of services) {
        expect(await answer(service)).not.toContain(edits[service].answer);
      }
      const pods = await podsOf(cluster!, namespace);
      expect(pods).toHaveLength(services.length);

      const since = devloop.mark();
      for (const service of services) {
        const { file, from, to, answer: expected } = edits[service];
        await copy.edit(join("services", service, file), from, to);
        await until(
          async () => (await answer(service)).includes(expected),
          `the edit of ${service}: ${expected}`,
        );
      }
      const isBuild = ({ id }: { id: string }): boolean => id.startsWith("build:");
      expect(devloop.count("task.started", isBuild, since)).toBe(0);
      expect(await podsOf(cluster!, namespace)).toEqual(pods);

      // A compiler's complaint is the sync's; what ran goes on.
      const broken = devloop.mark();
      await copy.edit("services/shipping/src/rates.c", "return cents;", "return cents");
      const failed = await devloop.waitFor("task.failed", ({ id }) => id === "sync:shipping", {
        since: broken,
      });
      expect(failed.failure.detail).toMatch(/rates\.c:\d+: error/);
      expect(await answer("shipping")).toContain(edits.shipping.answer);

      // What no rule covers, and what the config says needs an image, is built.
      const before = devloop.mark();
      await copy.edit(
        "services/orders/package.json",
        '"private": true',
        '"private": true, "version": "1.0.1"',
      );
      await devloop.waitFor("task.succeeded", ({ id }) => id === "build:orders", { since: before });
      await until(async () => {
        const now = await podsOf(cluster!, namespace);
        return now.length === pods.length && now.filter((pod) => !pods.includes(pod)).length === 1;
      }, "a new pod of orders alone");
      await until(async () => (await answer("orders")).includes(edits.orders.answer), "its answer");
    },
  );
});

/** Name, uid and restarts of every pod: all that changes when one is replaced or its container starts anew. */
async function podsOf(cluster: TestCluster, namespace: string): Promise<readonly string[]> {
  const pods = await api(cluster).pods(namespace);
  return pods
    .map(({ metadata, ...pod }) => {
      const { containerStatuses = [] } = (
        pod as { status?: { containerStatuses?: { restartCount: number }[] } }
      ).status ?? { containerStatuses: [] };
      const restarts = containerStatuses.reduce((sum, { restartCount }) => sum + restartCount, 0);
      return `${metadata.name} ${metadata.uid ?? ""} ${restarts}`;
    })
    .sort();
}

async function copyExample(cluster: TestCluster, namespace: string) {
  const root = await mkdtemp(join(tmpdir(), `devloop-${namespace}-`));
  await cp(example, root, { recursive: true });
  const ports = {} as Record<Service, number>;
  const config = join(root, "devloop.yaml");
  let text = (await readFile(config, "utf8"))
    .replace("name: hot-reload\n", `name: ${namespace}\n`)
    .replace("hot-reload-dev", namespace)
    .replace("cluster:\n", `cluster:\n  provider: ${cluster.flavour === "docker" ? "docker" : "auto"}\n`);
  for (const service of services) {
    ports[service] = await freePort();
    text = text.replace(
      new RegExp(`service: ${service}, local: \\d+`),
      `service: ${service}, local: ${ports[service]}`,
    );
  }
  await writeFile(config, text);
  const overlay = join(root, "k8s/overlays/dev");
  for (const name of await readdir(overlay)) {
    const path = join(overlay, name);
    await writeFile(path, (await readFile(path, "utf8")).replaceAll("hot-reload-dev", namespace));
  }
  return {
    root,
    ports,
    async edit(file: string, from: string, to: string) {
      const path = join(root, file);
      const before = await readFile(path, "utf8");
      expect(before).toContain(from);
      // In one turn: a file that is emptied and not yet written would be synced, and compiled.
      writeFileSync(path, before.replace(from, to));
    },
    async [Symbol.asyncDispose]() {
      await api(cluster).remove(`/api/v1/namespaces/${namespace}`);
      await rm(root, { recursive: true, force: true });
    },
  };
}
