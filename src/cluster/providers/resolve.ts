import type { KubeConfig } from "@kubernetes/client-node";
import type { ContainerEngine } from "../../engine/container-engine.js";
import type { ClusterSpec } from "../../engine/project.js";
import type { ClusterState } from "../../engine/state.js";
import { readIdentity } from "./identity.js";
import { openKube, type Kube } from "../kube.js";
import { pinContext, readKubeconfig, type Environment } from "./kubeconfig.js";
import { readNodeInfo } from "./node-info.js";
import type { NodeRef } from "./nodes.js";
import { chooseCluster, type ChosenCluster } from "./choose.js";
import { localKubeconfig } from "./local.js";
import { readRegistry, type LocalRegistry } from "./local-registry.js";

/** A cluster found and opened: everything that is fixed for the session. */
export interface ResolvedCluster {
  /** The caller disposes it. */
  readonly kube: Kube;
  readonly cluster: ClusterState;
  /** The running node containers; empty for a cluster that is not kind's or k3d's. */
  readonly nodes: readonly NodeRef[];
  /** The registry that the cluster advertises; images go there instead of into the nodes. */
  readonly registry?: LocalRegistry;
  /** The nodes' container runtime, as the first node tells it: `containerd://1.7.13`. */
  readonly runtime?: string;
}

export interface ResolveOptions {
  /** Undefined when no engine answers: only `context` clusters can be found then. */
  readonly engine: ContainerEngine | undefined;
  readonly env: Environment;
  readonly onNote?: (message: string) => void;
  readonly signal: AbortSignal;
}

/**
 * Finds the cluster that `spec` means (or makes it, with `create`), opens it and pins its identity.
 * Throws CLUSTER_NOT_FOUND with what to do, CLUSTER_NOT_ALLOWED for a context that is not local and not allowed by name,
 * CLUSTER_UNREACHABLE when its API server does not answer, TOOL_MISSING or TOOL_FAILED when it cannot be made.
 */
export async function resolveCluster(spec: ClusterSpec, options: ResolveOptions): Promise<ResolvedCluster> {
  const { signal, onNote } = options;
  const before = readKubeconfig(options.env);
  const chosen = await chooseCluster(spec, before, options);
  // Creating a cluster adds it to the file.
  const config = chosen.created ? readKubeconfig(options.env) : before;
  const kube = openKube(await accessTo(chosen, config, options));
  try {
    const [uid, first, registry] = await Promise.all([
      readIdentity(kube, { signal }),
      readNodeInfo(kube, { signal }),
      readRegistry(kube, { signal, ...(onNote ? { onNote } : {}) }),
    ]);
    const nodes = chosen.local ? runningNodes(chosen.local.nodes, onNote) : [];
    return {
      kube,
      nodes,
      cluster: {
        provider: chosen.local?.provider ?? "context",
        context: chosen.context,
        name: chosen.local?.name ?? chosen.context,
        namespace: spec.namespace ?? "default",
        uid,
        nodes: registry ? [] : nodes.map(({ name }) => name),
        platform: first?.platform ?? (await enginePlatform(options)),
        ...(registry ? { registry: registry.host } : {}),
      },
      ...(registry ? { registry } : {}),
      ...(first ? { runtime: first.runtime } : {}),
    };
  } catch (error) {
    kube[Symbol.dispose]();
    throw error;
  }
}

/** A kubeconfig that leads to the chosen cluster: the user's, or one read out of the node where theirs does not. */
async function accessTo(
  chosen: ChosenCluster,
  config: KubeConfig,
  { engine, signal, onNote }: ResolveOptions,
): Promise<KubeConfig> {
  if (!chosen.local || !engine) return pinContext(config, chosen.context);
  return await localKubeconfig(chosen.local, config, { engine, signal, ...(onNote ? { onNote } : {}) });
}

function runningNodes(nodes: readonly NodeRef[], onNote?: (message: string) => void): readonly NodeRef[] {
  const stopped = nodes.filter(({ running }) => !running).map(({ name }) => name);
  if (stopped.length > 0) {
    onNote?.(
      `node ${stopped.join(", ")} is stopped and gets no images: docker start ${stopped.join(" ")}, then start devloop again`,
    );
  }
  return nodes.filter(({ running }) => running);
}

/** Builds are for what runs them: the engine's own platform where the nodes may not be asked. */
async function enginePlatform({ engine, signal }: ResolveOptions): Promise<string> {
  return engine ? (await engine.ping({ signal })).platform : "linux/amd64";
}
