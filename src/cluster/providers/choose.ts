import type { KubeConfig } from "@kubernetes/client-node";
import type { ContainerEngine } from "../../engine/container-engine.js";
import type { ClusterSpec } from "../../engine/project.js";
import { DevloopError } from "../../lib/errors.js";
import { findContext, kubeconfigFiles, type Environment } from "./kubeconfig.js";
import { locateContext, type ContextAddress } from "./locality.js";
import { contextName, findLocalClusters, type LocalCluster } from "./nodes.js";
import { createCluster, createCommand } from "./create.js";

/** Which cluster it is to be; nothing has been sent to it yet. */
export interface ChosenCluster {
  readonly context: string;
  /** A kind or k3d cluster's nodes; left out for any other context. */
  readonly local?: LocalCluster;
  /** Made just now, so that the kubeconfig has to be read again. */
  readonly created?: true;
}

export interface ChooseOptions {
  readonly engine: ContainerEngine | undefined;
  readonly env: Environment;
  readonly onNote?: (message: string) => void;
  readonly signal: AbortSignal;
}

/** There is neither a kind nor a k3d cluster, nor a context that says which one is meant. */
export class NoLocalClusterError extends DevloopError {}

/** Picks the cluster that `spec` means. Throws CLUSTER_NOT_FOUND or CLUSTER_NOT_ALLOWED with what to do. */
export async function chooseCluster(
  spec: ClusterSpec,
  config: KubeConfig,
  options: ChooseOptions,
): Promise<ChosenCluster> {
  const { engine, signal } = options;
  const clusters = engine ? await findLocalClusters(engine, { signal }) : [];
  const scene: Scene = { spec, config, clusters, options };
  switch (spec.provider) {
    case "kind":
    case "k3d":
      return await chooseLocal(spec.provider, scene);
    case "context":
      return chooseContext(spec.context ?? config.currentContext, scene);
    case "docker":
      throw new Error("without a cluster there is none to choose");
    case "auto":
      if (spec.context !== undefined) return chooseContext(spec.context, scene);
      return await chooseAny(scene);
  }
}

/** All that a choice is made from. */
interface Scene {
  readonly spec: ClusterSpec;
  readonly config: KubeConfig;
  readonly clusters: readonly LocalCluster[];
  readonly options: ChooseOptions;
}

async function chooseLocal(provider: "kind" | "k3d", scene: Scene): Promise<ChosenCluster> {
  const { spec, clusters, config, options } = scene;
  if (!options.engine) {
    throw new DevloopError(
      "ENGINE_UNREACHABLE",
      `${provider} clusters are found through the container engine, and none answers`,
      { hint: "start the container engine: devloop doctor says how" },
    );
  }
  const ours = clusters.filter((cluster) => cluster.provider === provider);
  if (spec.name !== undefined) {
    const found = ours.find(({ name }) => name === spec.name);
    if (found) return taken(found);
    if (spec.create) return await made(provider, spec.name, scene);
    throw new DevloopError(
      "CLUSTER_NOT_FOUND",
      `no ${provider} cluster is named ${spec.name}${others(ours)}`,
      {
        hint: `${createCommand(provider, spec.name)}   (or set cluster: {create: true})`,
      },
    );
  }
  const current = ours.find((cluster) => contextName(provider, cluster.name) === config.currentContext);
  const one = current ?? only(ours);
  if (one) return taken(one);
  if (ours.length === 0 && spec.create) return await made(provider, "devloop", scene);
  if (ours.length === 0) {
    throw new DevloopError(
      "CLUSTER_NOT_FOUND",
      `there is no ${provider} cluster on ${options.engine.address}`,
      {
        hint: `${createCommand(provider, "devloop")}   (or set cluster: {create: true})`,
      },
    );
  }
  throw ambiguous(ours, `${ours.length} ${provider} clusters could be meant`);
}

function chooseContext(context: string, { spec, config, clusters, options }: Scene): ChosenCluster {
  const address = findContext(config, context);
  if (!address) {
    const cluster = clusters.find((one) => contextName(one.provider, one.name) === context);
    // Its containers are here: the kubeconfig can be read out of them.
    if (cluster) return taken(cluster);
    throw missingContext(context, config, options.env);
  }
  const locality = locateContext(address, clusters, options.engine?.address);
  if (locality.kind === "nodes") return taken(locality.cluster);
  if (locality.kind === "product" || spec.allow.includes(context)) return { context };
  throw refused(address, locality.reason);
}

async function chooseAny(scene: Scene): Promise<ChosenCluster> {
  const { spec, config, clusters, options } = scene;
  const address = findContext(config, config.currentContext);
  const locality = address && locateContext(address, clusters, options.engine?.address);
  const named = clusters.filter(({ name }) => spec.name === undefined || name === spec.name);
  if (spec.name === undefined && address && locality) {
    if (locality.kind === "nodes") return taken(locality.cluster);
    if (locality.kind === "product" || spec.allow.includes(address.context))
      return { context: address.context };
  }
  const running = named.filter(({ stopped, nodes }) => stopped.length < nodes.length);
  const one = only(running);
  if (one) {
    if (address && contextName(one.provider, one.name) !== address.context) {
      options.onNote?.(
        `using ${contextName(one.provider, one.name)}, the only local cluster that runs (the current context is ${address.context})`,
      );
    }
    return taken(one);
  }
  if (running.length > 1) throw ambiguous(running, `${running.length} local clusters run`);
  const stopped = only(named);
  if (stopped) return taken(stopped);
  if (spec.create && options.engine) return await made("kind", spec.name ?? "devloop", scene);

  if (spec.name === undefined && address && locality?.kind === "foreign")
    throw refused(address, locality.reason);
  const current =
    config.currentContext === ""
      ? "no context is current"
      : `the context ${config.currentContext} is not usable`;
  if (!options.engine) {
    throw new DevloopError(
      "CLUSTER_NOT_FOUND",
      `no local cluster is to be found: no container engine answers, and ${current}`,
      { hint: "start the container engine: kind and k3d clusters live in it" },
    );
  }
  const wanted =
    spec.name === undefined ? "no kind or k3d cluster" : `no kind or k3d cluster named ${spec.name}`;
  // Whoever names a cluster, a context or a kubeconfig means a cluster: the engine is no stand-in for it.
  const meant =
    spec.name !== undefined ||
    spec.create ||
    spec.allow.length > 0 ||
    Boolean(config.currentContext) ||
    Boolean(options.env["KUBECONFIG"]);
  const NotFound = meant ? DevloopError : NoLocalClusterError;
  throw new NotFound(
    "CLUSTER_NOT_FOUND",
    `no local cluster is to be found: ${wanted} is on ${options.engine.address}, and ${current}`,
    {
      hint: `${createCommand("kind", spec.name ?? "devloop")}   (or set cluster: {create: true}, or {provider: docker} to do without)`,
    },
  );
}

/** A cluster that was found; one whose API server's containers are stopped is no use yet. */
function taken(cluster: LocalCluster): ChosenCluster {
  const context = contextName(cluster.provider, cluster.name);
  const serves = cluster.nodes.some(({ role, running }) => role === "control-plane" && running);
  if (serves) return { context, local: cluster };
  throw new DevloopError("CLUSTER_NOT_FOUND", `${cluster.provider} cluster ${cluster.name} is stopped`, {
    hint: `docker start ${cluster.stopped.join(" ")}`,
  });
}

async function made(provider: "kind" | "k3d", name: string, { options }: Scene): Promise<ChosenCluster> {
  const { engine, env, signal, onNote } = options;
  onNote?.(`making ${provider} cluster ${name}: this takes a minute or two`);
  await createCluster(provider, name, { env, signal });
  const clusters = engine ? await findLocalClusters(engine, { signal }) : [];
  const local = clusters.find((one) => one.provider === provider && one.name === name);
  if (local) return { ...taken(local), created: true };
  throw new DevloopError(
    "CLUSTER_NOT_FOUND",
    `${provider} made cluster ${name}, but its nodes are not on ${engine?.address ?? "any engine that answers"}`,
    { hint: "do DOCKER_HOST and the docker context mean the same engine for both?" },
  );
}

function refused({ context, server }: ContextAddress, reason: string): DevloopError {
  return new DevloopError("CLUSTER_NOT_ALLOWED", `context ${context} (${server}) is refused: ${reason}`, {
    hint: `to let devloop change that cluster, put this into devloop.yaml: ${allowLine(context)}`,
  });
}

function missingContext(context: string, config: KubeConfig, env: Environment): DevloopError {
  const files = kubeconfigFiles(env).join(", ");
  const names = config.contexts.map(({ name }) => name);
  return new DevloopError(
    "CLUSTER_NOT_FOUND",
    context === "" ? `no current context is set in ${files}` : `there is no context ${context} in ${files}`,
    {
      hint:
        names.length === 0
          ? `${createCommand("kind", "devloop")}   (or point KUBECONFIG at the right file)`
          : `cluster: {context: …} may be one of: ${names.join(", ")}`,
    },
  );
}

function ambiguous(clusters: readonly LocalCluster[], what: string): DevloopError {
  const [first] = clusters;
  const names = clusters.map(({ provider, name }) => contextName(provider, name)).join(", ");
  return new DevloopError("CLUSTER_NOT_FOUND", `${what}: ${names}`, {
    hint: `name one in devloop.yaml, as in cluster: {provider: ${first?.provider ?? "kind"}, name: ${first?.name ?? ""}}`,
  });
}

function others(clusters: readonly LocalCluster[]): string {
  return clusters.length === 0 ? "" : ` (there are: ${clusters.map(({ name }) => name).join(", ")})`;
}

function only<T>(items: readonly T[]): T | undefined {
  return items.length === 1 ? items[0] : undefined;
}

/** The line for devloop.yaml; a name with YAML's own characters in it is quoted. */
function allowLine(context: string): string {
  return `cluster: {allow: [${/^[A-Za-z][\w./@-]*$/.test(context) ? context : JSON.stringify(context)}]}`;
}
