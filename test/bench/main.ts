// npm run bench [-- NAME…]: what devloop costs on this machine, beside the targets of docs/bench.md. It asserts nothing.
import { cpus, loadavg, totalmem } from "node:os";
import { api, k3d, kind, type TestCluster } from "../e2e/clusters.js";
import { build } from "./build.js";
import { engine } from "./engine.js";
import { findCluster } from "./find-cluster.js";
import { idle } from "./idle.js";
import { load } from "./load.js";
import { noop } from "./noop.js";
import { ready } from "./ready.js";
import { rebuild } from "./rebuild.js";
import { startup } from "./startup.js";
import { sync } from "./sync.js";
import { ui } from "./ui.js";

const parts: Readonly<Record<string, (cluster: TestCluster) => Promise<readonly string[]>>> = {
  startup,
  noop,
  build,
  sync,
  rebuild,
  ready,
  load,
  idle,
  ui,
  engine,
};

process.exitCode = await main(process.argv.slice(2));

async function main(names: readonly string[]): Promise<number> {
  const unknown = names.find((name) => !(name in parts));
  if (unknown !== undefined) {
    console.error(`bench: there is no part ${unknown}; there are ${Object.keys(parts).join(", ")}`);
    return 2;
  }
  const cluster = kind ?? k3d ?? (await findCluster());
  const problem = cluster ? await silence(cluster) : "none is named";
  if (!cluster || problem !== undefined) {
    console.error(
      `bench: no cluster answers (${problem ?? ""})\n→ point KUBECONFIG, or DEVLOOP_TEST_KUBECONFIG_KIND, at a kind or k3d cluster that runs`,
    );
    return 1;
  }
  console.log(
    `${cluster.flavour} cluster at node ${cluster.node}; ${cpus().length} cores, ${Math.round(totalmem() / 1e9)} GB, node ${process.version}`,
  );
  for (const name of names.length > 0 ? names : Object.keys(parts)) {
    const load = (loadavg()[0] ?? 0).toFixed(1);
    for (const table of await parts[name]!(cluster)) console.log(`\n${table}`);
    console.log(`  (load average before: ${load})`);
  }
  return 0;
}

/** Why a cluster cannot be used; undefined when it answers. */
async function silence(cluster: TestCluster): Promise<string | undefined> {
  try {
    await api(cluster).list("/api/v1/nodes");
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
