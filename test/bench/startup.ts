import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { shell, type TestCluster } from "../e2e/clusters.js";
import { start } from "../e2e/devloop.js";
import { formatTable } from "./measure.js";
import { leaveNothing } from "./leave-nothing.js";

const cli = new URL("../../dist/cli.js", import.meta.url).pathname;

/** Start-up: `--version`, and `up` until it is connected. */
export async function startup(cluster: TestCluster): Promise<readonly string[]> {
  const version: number[] = [];
  const node: number[] = [];
  // In turn: whatever else the machine does meets both.
  for (let round = 0; round < 15; round++) {
    version.push(await timed(cli, "--version"));
    node.push(await timed("-e", "0"));
  }
  const { started, connected } = await connect(cluster);
  return [
    formatTable("start-up", [
      {
        what: "devloop --version",
        values: version,
        unit: "ms",
        target: "below 100 ms",
        beside: { tool: "node -e 0", values: node },
      },
      { what: "up → session started", values: started, unit: "ms" },
      { what: "up → cluster connected", values: connected, unit: "ms" },
    ]),
  ];
}

async function timed(...args: readonly string[]): Promise<number> {
  const began = performance.now();
  await shell(process.execPath, ...args);
  return performance.now() - began;
}

/** The smallest project there is: what `up` does by itself. */
async function connect(
  cluster: TestCluster,
): Promise<{ readonly started: readonly number[]; readonly connected: readonly number[] }> {
  const root = await mkdtemp(join(tmpdir(), "devloop-bench-startup-"));
  const namespace = "bench-startup";
  await writeFile(join(root, "devloop.yaml"), config(namespace));
  await writeFile(join(root, "manifests.yaml"), manifests(namespace));
  const started: number[] = [];
  const connected: number[] = [];
  for (let round = 0; round < 7; round++) {
    const began = Date.now();
    await using devloop = start({ cluster, cwd: root });
    started.push(Date.parse((await devloop.waitFor("session.started")).time) - began);
    connected.push(Date.parse((await devloop.waitFor("cluster.connected")).time) - began);
    await devloop.ready();
  }
  await leaveNothing(cluster, { root, namespace });
  await rm(root, { recursive: true });
  return { started, connected };
}

const config = (namespace: string): string => `version: 1
name: ${namespace}
cluster: { namespace: ${namespace} }
deploy:
  - manifests: [manifests.yaml]
`;

const manifests = (namespace: string): string => `apiVersion: v1
kind: Namespace
metadata: { name: ${namespace} }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: nothing, namespace: ${namespace} }
`;
