import { cp, readFile, rm, writeFile, mkdtemp, readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { api, k3d, kind, type TestCluster } from "./clusters.js";
import { page, start, until } from "./devloop.js";
import { freePort } from "./scratch.js";

const root = new URL("../../", import.meta.url).pathname;

// The project's own devloop.yaml and the example that it drives, as they stand in a clone; only the namespace and the
// local ports are the test's own. Without a cluster it runs in docker-target.test.ts.
describe.each([
  ["kind", kind],
  ["k3d", k3d],
] as const)("the monitor example on a %s-labelled cluster", (flavour, cluster) => {
  it.skipIf(cluster === undefined)(
    "reaches ready, serves both pages, and carries an edit through",
    async () => {
      await using example = await copyExample(
        cluster!,
        `e2e-monitor-${Math.random().toString(36).slice(2, 7)}`,
      );
      await using devloop = start({ cluster: cluster!, cwd: example.cwd });
      await devloop.ready();
      const connected = await devloop.waitFor("cluster.connected");
      expect(connected.cluster).toMatchObject({ provider: flavour, nodes: [cluster!.node] });
      expect(await page(example.agent)).toContain("<h1>");
      const metrics = await until(async () => {
        const seen = JSON.parse(await page(example.agent, "/metrics")) as { upstream: { reached: boolean } };
        return seen.upstream.reached && seen;
      }, "the agent to reach monitor-test through its Service's name");
      expect(metrics.upstream.reached).toBe(true);
      expect(JSON.parse(await page(example.test, "/health"))).toMatchObject({ status: "ok" });

      const since = devloop.mark();
      const file = join(example.cwd, "examples/monitor/services/monitor-agent/src/page/index.html");
      await writeFile(file, (await readFile(file, "utf8")).replace("<h1>", "<h1>Edited "));
      await until(async () => (await page(example.agent)).includes("Edited"), "the edited page");
      await devloop.ready({ since });
      expect(
        devloop.count("task.started", (event: { id: string }) => event.id.endsWith("monitor-test"), since),
      ).toBe(0);
    },
  );
});

async function copyExample(cluster: TestCluster, namespace: string) {
  const cwd = await mkdtemp(join(tmpdir(), `devloop-${namespace}-`));
  const [agent, test] = [await freePort(), await freePort()];
  await cp(join(root, "examples"), join(cwd, "examples"), { recursive: true });
  const config = await readFile(join(root, "devloop.yaml"), "utf8");
  const own = config
    .replace("name: monitor\n", `name: ${namespace}\n`)
    .replace("monitor-dev", namespace)
    .replace("local: 8888", `local: ${agent}`)
    .replace("local: 3000", `local: ${test}`);
  await writeFile(join(cwd, "devloop.yaml"), own);
  const overlay = join(cwd, "examples/monitor/k8s/overlays/dev");
  for (const name of await readdir(overlay)) {
    const path = join(overlay, name);
    await writeFile(path, (await readFile(path, "utf8")).replaceAll("monitor-dev", namespace));
  }
  return {
    cwd,
    agent,
    test,
    async [Symbol.asyncDispose]() {
      await api(cluster).remove(`/api/v1/namespaces/${namespace}`);
      await rm(cwd, { recursive: true, force: true });
    },
  };
}
