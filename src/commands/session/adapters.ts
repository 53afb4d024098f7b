import { homedir } from "node:os";
import type Dockerode from "dockerode";
import type { DiskPlaces } from "../../cluster/disk/survey.js";
import type { LayerMemory } from "../../cluster/load/known-layers.js";
import type { LocalRegistry } from "../../cluster/providers/local-registry.js";
import { resolveCluster } from "../../cluster/providers/resolve.js";
import { kubernetesTarget } from "../../cluster/target.js";
import { connectEngine } from "../../docker/connect.js";
import { dockerCredentials } from "../../docker/credentials.js";
import { findEngine } from "../../docker/endpoint.js";
import type { ContainerEngine, FindCredential } from "../../engine/container-engine.js";
import type { ClusterSpec } from "../../engine/model.js";
import type { Target } from "../../engine/target.js";

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

/** Where the project runs, opened, with the places where its images are. */
export interface TargetAdapter {
  /** The caller disposes it. */
  readonly target: Target;
  readonly disk: DiskPlaces;
  /** The registry that the cluster advertises; images go there instead of into the nodes. */
  readonly registry?: LocalRegistry;
}
/** Throws what `resolveCluster` throws. */
export async function openTarget(
  spec: ClusterSpec,
  options: {
    readonly engine: ContainerEngine;
    readonly env: Environment;
    readonly onNote: (message: string) => void;
    /** What earlier sessions learned of the images' layers. */
    readonly layers?: LayerMemory;
    readonly signal: AbortSignal;
  },
): Promise<TargetAdapter> {
  const { engine, layers } = options;
  const resolved = await resolveCluster(spec, options);
  const { kube, nodes, registry } = resolved;
  return {
    target: kubernetesTarget(resolved, engine, layers),
    disk: { engine, cluster: { kube, nodes } },
    ...(registry ? { registry } : {}),
  };
}
