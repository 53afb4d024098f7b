import { dirname, join } from "node:path";
import { shell, type TestCluster } from "../e2e/clusters.js";
import type { Example } from "./example.js";
import { removeFromEngine, removeFromNode } from "./leave-nothing.js";

/**
 * The same edit by hand: `docker build`, then `kind load docker-image` or `k3d image import`. Milliseconds of each;
 * left out is the command that is not on PATH.
 */
export async function loadWithTool(
  cluster: TestCluster,
  example: Example,
  times: number,
): Promise<{
  readonly build?: readonly number[];
  readonly load?: readonly number[];
  readonly loader?: string;
}> {
  const context = join(dirname(example.page), "../..");
  const name = cluster.node.replace(/^k3d-|-(control-plane|server-0)$/g, "");
  const [loader, ...before] =
    cluster.flavour === "kind" ? ["kind", "load", "docker-image"] : ["k3d", "image", "import"];
  const cli = (ref: string): readonly string[] =>
    cluster.flavour === "kind" ? [...before, ref, "--name", name] : [...before, ref, "-c", name];
  const build: number[] = [];
  const load: number[] = [];
  for (let time = 0; time < times; time++) {
    await example.edit();
    const ref = `devloop-bench-by-hand:${process.pid}-${time}`;
    try {
      build.push(await timed("docker", "build", "-q", "-t", ref, context));
      load.push(await timed(loader, ...cli(ref)));
    } catch {
      // Not installed, or not for this cluster: nothing to compare with.
    } finally {
      await removeFromNode(cluster, ref);
      await removeFromEngine(ref);
    }
  }
  return {
    ...(build.length > 0 ? { build } : {}),
    ...(load.length > 0 ? { load, loader: [loader, ...before].join(" ") } : {}),
  };
}

async function timed(file: string, ...args: readonly string[]): Promise<number> {
  const began = performance.now();
  await shell(file, ...args);
  return performance.now() - began;
}
