import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { KubeConfig } from "@kubernetes/client-node";
import { DevloopError, errorText } from "../../lib/errors.js";
import { homeDirectory } from "../../lib/home.js";

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The kubeconfig as kubectl would see it: the files of KUBECONFIG in order, of two entries with one name the first, or
 * ~/.kube/config. Files that do not exist count as empty. It is a copy: edits of the files change nothing in it.
 * Throws CLUSTER_NOT_FOUND for a file that cannot be parsed.
 */
export function readKubeconfig(env: Environment): KubeConfig {
  const configs = kubeconfigFiles(env)
    .filter((file) => existsSync(file))
    .map((file) => readFile(file));
  const merged = new KubeConfig();
  merged.loadFromOptions({
    clusters: firstOfEachName(configs.flatMap((config) => config.clusters)),
    users: firstOfEachName(configs.flatMap((config) => config.users)),
    contexts: firstOfEachName(configs.flatMap((config) => config.contexts)),
    currentContext: configs.map((config) => config.currentContext).find(Boolean) ?? "",
  });
  return merged;
}

/** The files that `readKubeconfig` reads, whether or not they exist. */
export function kubeconfigFiles(env: Environment): readonly string[] {
  const listed = (env["KUBECONFIG"] ?? "").split(delimiter).filter((file) => file !== "");
  if (listed.length > 0) return listed;
  return [join(homeDirectory(env), ".kube", "config")];
}

/** A context with the address it leads to; undefined when the kubeconfig has no such context, or half of one. */
export function findContext(
  config: KubeConfig,
  name: string,
): { readonly context: string; readonly server: string; readonly namespace?: string } | undefined {
  const context = config.contexts.find((one) => one.name === name);
  const cluster = config.clusters.find((one) => one.name === context?.cluster);
  if (!context || !cluster) return undefined;
  return {
    context: name,
    server: cluster.server,
    ...(context.namespace === undefined ? {} : { namespace: context.namespace }),
  };
}

/** A kubeconfig of one context only, for a session to keep. */
export function pinContext(config: KubeConfig, name: string): KubeConfig {
  const context = config.contexts.find((one) => one.name === name);
  const pinned = new KubeConfig();
  pinned.loadFromOptions({
    clusters: config.clusters.filter((one) => one.name === context?.cluster),
    users: config.users.filter((one) => one.name === context?.user),
    contexts: config.contexts.filter((one) => one.name === name),
    currentContext: name,
  });
  return pinned;
}

/** How a node's own admin kubeconfig has to be changed to be of use on the host. */
export interface NodeAccess {
  /** The name to give to its context. */
  readonly context: string;
  /** Where the API server is published, as a URL. */
  readonly server: string;
  /** A name in the server's certificate, where the address in `server` is not in it. */
  readonly tlsServerName?: string;
}

/** The admin kubeconfig of a control-plane node, made to lead to it from outside. Throws CLUSTER_NOT_FOUND when it is not one. */
export function nodeKubeconfig(text: string, access: NodeAccess): KubeConfig {
  const inside = new KubeConfig();
  try {
    inside.loadFromString(text);
  } catch (error) {
    throw unusable(access.context, error);
  }
  const cluster = inside.getCurrentCluster();
  const user = inside.getCurrentUser();
  if (!cluster || !user) throw unusable(access.context, new Error("it has no current context"));
  const { context, server, tlsServerName } = access;
  const config = new KubeConfig();
  config.loadFromOptions({
    clusters: [
      { ...cluster, name: context, server, ...(tlsServerName === undefined ? {} : { tlsServerName }) },
    ],
    users: [{ ...user, name: context }],
    contexts: [{ name: context, cluster: context, user: context }],
    currentContext: context,
  });
  return config;
}

function unusable(context: string, cause: unknown): DevloopError {
  return new DevloopError(
    "CLUSTER_NOT_FOUND",
    `the kubeconfig inside the control-plane node of ${context} cannot be used: ${errorText(cause)}`,
    { cause },
  );
}

function readFile(file: string): KubeConfig {
  const config = new KubeConfig();
  try {
    // One broken entry must not take the others with it.
    config.loadFromFile(file, { onInvalidEntry: "filter" });
  } catch (error) {
    throw new DevloopError(
      "CLUSTER_NOT_FOUND",
      `the kubeconfig ${file} cannot be read: ${errorText(error)}`,
      {
        cause: error,
        hint: "mend the file, or point KUBECONFIG at another",
      },
    );
  }
  return config;
}

function firstOfEachName<T extends { readonly name: string }>(entries: readonly T[]): T[] {
  return entries.filter((entry, index) => entries.findIndex(({ name }) => name === entry.name) === index);
}
