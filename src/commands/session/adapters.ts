import type Dockerode from "dockerode";
import type { DiskPlaces } from "../../cluster/disk/survey.js";
import type { LayerMemory } from "../../cluster/load/known-layers.js";
import type { LocalRegistry } from "../../cluster/providers/local-registry.js";
import { watchEngineHealth } from "../../cluster/monitor.js";
import { describeObject, type KubeEvent } from "../../cluster/observe/describe-workload.js";
import { NoLocalClusterError } from "../../cluster/providers/choose.js";
import { resolveCluster } from "../../cluster/providers/resolve.js";
import { usedImages } from "../../cluster/render/images.js";
import { kubernetesTarget } from "../../cluster/target.js";
import { connectEngine } from "../../docker/connect.js";
import type { EngineApi } from "../../docker/dial.js";
import { dockerTarget } from "../../docker/target/docker-target.js";
import { deployedImages } from "../../docker/target/image-uses.js";
import { label, labelled } from "../../docker/target/labels.js";
import { dockerCredentials } from "../../docker/credentials.js";
import { findEngine } from "../../docker/endpoint.js";
import type { ContainerEngine, FindCredential } from "../../engine/container-engine.js";
import type { ClusterSpec } from "../../engine/project.js";
import type { Target } from "../../engine/target.js";
import { count } from "../../lib/format.js";
import { homeDirectory } from "../../lib/home.js";

export type Environment = Readonly<Record<string, string | undefined>>;

/** The container engine that the environment names; nothing is sent yet. */
export interface EngineAdapter {
  readonly engine: ContainerEngine;
  readonly docker: Dockerode;
  readonly api: EngineApi;
  readonly credentials: FindCredential;
}
export function openEngine(env: Environment): EngineAdapter {
  const home = homeDirectory(env);
  const credentials = dockerCredentials(env, { home });
  return { ...connectEngine(findEngine(env, { home }), { credentials }), credentials };
}

/** The engine as a place where images are, whoever runs them. */
export function enginePlaces({ engine }: Pick<EngineAdapter, "engine">): DiskPlaces {
  return { engine, deployed: (by) => deployedImages(engine, by) };
}

/** Where the project runs, opened, with the places where its images are. */
export interface TargetAdapter {
  /** The caller disposes it. */
  readonly target: Target;
  readonly disk: DiskPlaces;
  /** The registry that the cluster advertises; images go there instead of into the nodes. */
  readonly registry?: LocalRegistry;
}
/**
 * Opens what the spec means; `auto` is the engine itself where there is no local cluster. Throws what `resolveCluster` throws.
 */
export async function openTarget(
  spec: ClusterSpec,
  options: {
    readonly project: string;
    readonly engine: EngineAdapter;
    readonly env: Environment;
    readonly onNote: (message: string) => void;
    /** What earlier sessions learned of the images' layers. */
    readonly layers?: LayerMemory;
    /** A cluster that is not there is not made, whatever the spec says. */
    readonly onlyExisting?: boolean;
    readonly signal: AbortSignal;
  },
): Promise<TargetAdapter> {
  const { engine, onNote, onlyExisting = false } = options;
  if (spec.provider === "docker") return await openDocker(spec, options);
  try {
    const opened = await openKubernetes({ ...spec, create: spec.create && !onlyExisting }, options);
    if (!onlyExisting) await noteLeftOnEngine(options);
    return opened;
  } catch (error) {
    if (spec.provider !== "auto" || spec.create || !(error instanceof NoLocalClusterError)) throw error;
    onNote(
      `no local cluster is there: the containers run on ${engine.engine.address} itself; for a cluster: devloop down, kind create cluster, then start devloop again (docs/targets.md)`,
    );
    return await openDocker(spec, options);
  }
}

/** A project that has moved on to a cluster still has its containers on the engine: said, since nothing else would show them. */
async function noteLeftOnEngine({ engine, project, onNote, signal }: OpenOptions): Promise<void> {
  const labels = [labelled(label.project, project), label.role];
  const left = await engine.engine.containers(labels, { all: true, signal }).catch(() => []);
  if (left.length === 0) return;
  onNote(
    `${count(left.length, "container")} of ${project} still ${left.length === 1 ? "runs" : "run"} on the container engine itself: devloop down --docker removes them`,
  );
}

type OpenOptions = Parameters<typeof openTarget>[1];

async function openKubernetes(spec: ClusterSpec, options: OpenOptions): Promise<TargetAdapter> {
  const { engine, layers, env, onNote, signal } = options;
  const resolved = await resolveCluster(spec, { engine: engine.engine, env, onNote, signal });
  const { kube, nodes, registry } = resolved;
  return {
    target: kubernetesTarget(resolved, engine.engine, layers),
    disk: { ...enginePlaces(engine), cluster: { kube, nodes } },
    ...(registry ? { registry } : {}),
  };
}

async function openDocker(
  spec: ClusterSpec,
  { engine: { engine, api, credentials }, project, signal }: OpenOptions,
): Promise<TargetAdapter> {
  const target = await dockerTarget(spec, {
    engine,
    api,
    credentials,
    project,
    usedImages: (object, names) => usedImages([object], names),
    describe: (workload, object, events) =>
      describeObject(workload, object, events as unknown as readonly KubeEvent[]),
    watchHealth: (health) => watchEngineHealth(engine, health),
    signal,
  });
  return { target, disk: enginePlaces({ engine }) };
}
