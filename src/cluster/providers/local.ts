import type { KubeConfig } from "@kubernetes/client-node";
import type { ContainerEngine } from "../../engine/container-engine.js";
import { DevloopError } from "../../lib/errors.js";
import { findContext, nodeKubeconfig, pinContext, type NodeAccess } from "./kubeconfig.js";
import { engineHost } from "./locality.js";
import { contextName, type LocalCluster } from "./nodes.js";

/** Where a control-plane node keeps a kubeconfig with all rights. */
const adminFiles = {
  kind: ["/etc/kubernetes/admin.conf"],
  k3d: ["/output/kubeconfig.yaml", "/etc/rancher/k3s/k3s.yaml"],
} as const;

/**
 * A kubeconfig for a kind or k3d cluster: the user's where it has the context and leads to the published port, else the
 * control plane's own, read out of its node. Throws CLUSTER_NOT_FOUND when neither is to be had.
 */
export async function localKubeconfig(
  cluster: LocalCluster,
  config: KubeConfig,
  options: {
    readonly engine: ContainerEngine;
    readonly onNote?: (message: string) => void;
    readonly signal: AbortSignal;
  },
): Promise<KubeConfig> {
  const context = contextName(cluster.provider, cluster.name);
  const known = findContext(config, context);
  if (known && (!cluster.api || portOf(known.server) === cluster.api.port))
    return pinContext(config, context);
  if (!cluster.api) {
    throw new DevloopError(
      "CLUSTER_NOT_FOUND",
      `${context} publishes no API server port (6443/tcp) on this machine`,
      {
        hint: `make it anew, or add its context ${context} to your kubeconfig`,
      },
    );
  }
  if (known) {
    options.onNote?.(
      `context ${context} leads to ${known.server}, but the cluster is published on port ${cluster.api.port}: using its own kubeconfig`,
    );
  }
  return nodeKubeconfig(
    await readAdminFile(cluster, options),
    nodeAccess(context, cluster.api, options.engine.address),
  );
}

/** How to reach a node's API server from here: a remote engine publishes on its own machine. */
export function nodeAccess(
  context: string,
  api: { readonly host: string; readonly port: number },
  engineAddress: string,
): NodeAccess {
  const everywhere = api.host === "" || api.host === "0.0.0.0" || api.host === "::";
  const remote = engineHost(engineAddress);
  if (everywhere && remote !== undefined) {
    // The certificate names the node's own addresses and localhost, never the engine's machine.
    return { context, server: `https://${remote}:${api.port}`, tlsServerName: "localhost" };
  }
  const host = everywhere ? "127.0.0.1" : api.host.includes(":") ? `[${api.host}]` : api.host;
  return { context, server: `https://${host}:${api.port}` };
}

async function readAdminFile(
  cluster: LocalCluster,
  { engine, signal }: { readonly engine: ContainerEngine; readonly signal: AbortSignal },
): Promise<string> {
  const node = cluster.nodes.find(({ role, running }) => role === "control-plane" && running);
  const container = node?.name ?? `${cluster.name}'s control plane`;
  let words = "it does not run";
  for (const file of node ? adminFiles[cluster.provider] : []) {
    const { exitCode, stdout, stderr } = await engine.exec(container, ["cat", file], { signal });
    if (exitCode === 0 && stdout.trim() !== "") return stdout;
    words = stderr.trim() || `${file} is empty`;
  }
  throw new DevloopError(
    "CLUSTER_NOT_FOUND",
    `no kubeconfig can be read out of node ${container}: ${words}`,
    {
      hint: "is it still starting? try again in some seconds",
    },
  );
}

function portOf(server: string): number | undefined {
  if (!URL.canParse(server)) return undefined;
  const { port, protocol } = new URL(server);
  return port === "" ? (protocol === "http:" ? 80 : 443) : Number(port);
}
