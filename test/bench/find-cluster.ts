import { homedir } from "node:os";
import { KubeConfig } from "@kubernetes/client-node";
import { kubeconfigFiles } from "../../src/cluster/providers/kubeconfig.js";
import { findLocalClusters, contextName } from "../../src/cluster/providers/nodes.js";
import { connectEngine } from "../../src/docker/connect.js";
import { findEngine } from "../../src/docker/endpoint.js";
import type { TestCluster } from "../e2e/clusters.js";

/** The current context of the user's kubeconfig, where it is a kind or k3d cluster of this machine's engine. */
export async function findCluster(): Promise<TestCluster | undefined> {
  const [kubeconfig] = kubeconfigFiles(process.env);
  if (kubeconfig === undefined) return undefined;
  const config = new KubeConfig();
  try {
    config.loadFromFile(kubeconfig);
    const { engine } = connectEngine(findEngine(process.env, { home: homedir() }));
    const clusters = await findLocalClusters(engine, { signal: AbortSignal.timeout(10_000) });
    const found = clusters.find(
      ({ provider, name }) => contextName(provider, name) === config.getCurrentContext(),
    );
    const node = found?.nodes[0];
    return found && node && { flavour: found.provider, kubeconfig, node: node.name };
  } catch {
    // No kubeconfig, or no engine: whoever asks says what to do.
    return undefined;
  }
}
