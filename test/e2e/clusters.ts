import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { promisify } from "node:util";
import { KubeConfig } from "@kubernetes/client-node";
import { openKube, type Kube, type KubeObject } from "../../src/cluster/kube.js";
import { engineApi } from "./engine-api.js";

const run = promisify(execFile);

/** A cluster of the tests' own: its kubeconfig's path, and the container that is its node; or the engine itself, which has neither. */
export interface TestCluster {
  readonly flavour: "kind" | "k3d" | "docker";
  readonly kubeconfig: string;
  readonly node: string;
}

/** The kind-labelled and the k3d-labelled cluster, as the gate names them; undefined where there is none. */
export const kind = find("kind", process.env["DEVLOOP_TEST_KUBECONFIG_KIND"]);
export const k3d = find("k3d", process.env["DEVLOOP_TEST_KUBECONFIG_K3D"]);

/** No cluster: the manifests' pods as containers of the engine. */
export const docker: TestCluster = { flavour: "docker", kubeconfig: "/nonexistent", node: "" };

const engineItself = (): TestCluster => docker;

/** What the tests of both kinds of targets run on: a cluster, and the engine itself. */
export const targets = [
  ["a cluster", anyCluster],
  ["the docker target", engineItself],
] as const;

/** Whether it is a cluster. What only a cluster has is no test of the other, rather than one that is skipped: that would be a failure on CI. */
export const isCluster = (target: () => TestCluster): boolean => target !== engineItself;

/** The same; the engine only where DEVLOOP_TEST_TARGETS is `all`, for what takes the gate minutes and has its like among the docker target's own tests. */
export const someTargets = process.env["DEVLOOP_TEST_TARGETS"] === "all" ? targets : targets.slice(0, 1);

function find(flavour: "kind" | "k3d", kubeconfig: string | undefined): TestCluster | undefined {
  if (kubeconfig === undefined || kubeconfig === "" || !existsSync(kubeconfig)) return undefined;
  const context = load(kubeconfig).getCurrentContext();
  const name = context.replace(/^(kind|k3d)-/, "");
  return { flavour, kubeconfig, node: flavour === "kind" ? `${name}-control-plane` : `k3d-${name}-server-0` };
}

function load(kubeconfig: string): KubeConfig {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  return config;
}

/** What devloop.yaml says below `cluster`, indented by two spaces, so that a project runs there. */
export function providerOf({ flavour }: TestCluster): string {
  return flavour === "docker" ? "  provider: docker\n" : "";
}

/** The cluster that most tests use; they are left out where there is none, except on CI. */
export function anyCluster(): TestCluster {
  const cluster = kind ?? k3d;
  if (!cluster)
    throw new Error("no test cluster: DEVLOOP_TEST_KUBECONFIG_KIND or _K3D must name its kubeconfig");
  return cluster;
}

const signal = new AbortController().signal;

export interface ClusterApi {
  readonly list: (path: string) => Promise<readonly KubeObject[]>;
  /** Undefined for what is not there. */
  readonly get: (path: string) => Promise<KubeObject | undefined>;
  readonly create: (path: string, body: unknown) => Promise<unknown>;
  readonly patch: (path: string, body: unknown) => Promise<unknown>;
  readonly remove: (path: string) => Promise<unknown>;
  /** Pods that are not on their way out, with their uids. */
  readonly pods: (namespace: string) => Promise<readonly KubeObject[]>;
}

/** Asks a target for what the tests compare with; without a cluster only for pods. */
export function api(cluster: TestCluster): ClusterApi {
  if (cluster.flavour === "docker") return engineApi();
  const kube: Kube = openKube(load(cluster.kubeconfig));
  const list = async (path: string): Promise<readonly KubeObject[]> =>
    ((await kube.request(path, { signal })) as { items: KubeObject[] }).items;
  return {
    list,
    get: async (path: string): Promise<KubeObject | undefined> =>
      (await kube.request(path, { signal }).catch(() => undefined)) as KubeObject | undefined,
    create: (path: string, body: unknown) => kube.request(path, { method: "POST", body, signal }),
    patch: (path: string, body: unknown) =>
      kube.request(path, { method: "PATCH", contentType: "application/merge-patch+json", body, signal }),
    remove: (path: string) => kube.request(path, { method: "DELETE", signal }).catch(() => undefined),
    pods: async (namespace: string) =>
      (await list(`/api/v1/namespaces/${namespace}/pods`)).filter(
        (pod) => pod.metadata.deletionTimestamp === undefined,
      ),
  };
}

/** Puts an image of the engine's into the cluster's node under its own name, where a node could pull it from a registry. The engine has it. */
export async function bringImage({ flavour, node }: TestCluster, ref: string): Promise<void> {
  if (flavour === "docker") return;
  const into = 'docker save "$1" | docker exec -i "$0" ctr --namespace k8s.io images import -';
  await shell("sh", "-c", into, node, ref);
}

/** Runs a command on this machine and returns what it prints. */
export async function shell(file: string, ...args: string[]): Promise<string> {
  return (await run(file, args, { maxBuffer: 64 << 20 })).stdout;
}
