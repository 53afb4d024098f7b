import { homedir } from "node:os";
import type Dockerode from "dockerode";
import type { Kube } from "../../cluster/kube.js";
import { imageLoader } from "../../cluster/load/choose.js";
import type { ImageLoader } from "../../cluster/load/loader.js";
import type { LayerMemory } from "../../cluster/load/known-layers.js";
import type { LocalRegistry } from "../../cluster/providers/local-registry.js";
import type { NodeRef } from "../../cluster/providers/nodes.js";
import { resolveCluster, type ResolvedCluster } from "../../cluster/providers/resolve.js";
import { connectEngine } from "../../docker/connect.js";
import { dockerCredentials } from "../../docker/credentials.js";
import { findEngine } from "../../docker/endpoint.js";
import type { ContainerEngine, FindCredential } from "../../engine/container-engine.js";
import type { ClusterSpec, ClusterState } from "../../engine/model.js";

export type Environment = Readonly<Record<string, string | undefined>>;

/** The container engine that the environment names; nothing is sent yet. */
export interface EngineAdapter {
  readonly engine: ContainerEngine;
  readonly docker: Dockerode;
  readonly credentials: FindCredential;
}
export function openEngine(env: Environment): EngineAdapter {
  const home = env["HOME"] ?? homedir();
  const credentials = dockerCredentials(env, { home });
  return { ...connectEngine(findEngine(env, { home }), { credentials }), credentials };
}

/** The project's cluster, opened, with the way images take into it. */
export interface ClusterAdapter {
  readonly kube: Kube;
  readonly cluster: ClusterState;
  readonly loader: ImageLoader;
  /** Its node containers; empty for a cluster that is not kind's or k3d's. */
  readonly nodes: readonly NodeRef[];
  readonly registry?: LocalRegistry;
}
export async function openCluster(
  spec: ClusterSpec,
  options: {
    readonly engine: ContainerEngine;
    readonly env: Environment;
    readonly onNote: (message: string) => void;
    /** What earlier sessions learned of the images' layers. */
    readonly layers?: LayerMemory;
    readonly signal: AbortSignal;
  },
): Promise<ClusterAdapter> {
  const { kube, cluster, ...rest }: ResolvedCluster = await resolveCluster(spec, options);
  const { nodes, registry } = rest;
  const loader = imageLoader(options.engine, rest, options.layers);
  return { kube, cluster, loader, nodes, ...(registry ? { registry } : {}) };
}
