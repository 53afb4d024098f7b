import type { ContainerEngine, EngineContainer } from "../../engine/container-engine.js";

/** A node of a kind or k3d cluster: a container of the engine. */
export interface NodeRef {
  /** The container's name, which is the node's name in Kubernetes too. */
  readonly name: string;
  readonly role: "control-plane" | "worker";
  readonly running: boolean;
}

/** A kind or k3d cluster as its containers show it, running or stopped. */
export interface LocalCluster {
  readonly provider: "kind" | "k3d";
  readonly name: string;
  /** Control planes first, then by name. Load balancers and registries are not nodes. */
  readonly nodes: readonly NodeRef[];
  /** The containers that `docker start` has to name to bring the cluster back: those that do not run. */
  readonly stopped: readonly string[];
  /** Where the API server is published on the host. */
  readonly api?: { readonly host: string; readonly port: number };
}

const kindCluster = "io.x-k8s.kind.cluster";
const kindRole = "io.x-k8s.kind.role";
const k3dApp = "app=k3d";
const k3dCluster = "k3d.cluster";
const k3dRole = "k3d.role";

/** The kind and k3d clusters that `engine` holds, stopped ones too. Neither command is needed. */
export async function findLocalClusters(
  engine: ContainerEngine,
  { signal }: { readonly signal: AbortSignal },
): Promise<readonly LocalCluster[]> {
  const found = await Promise.all(
    [kindCluster, k3dApp].map((label) => engine.containers([label], { all: true, signal })),
  );
  return groupClusters(found.flat());
}

/** The clusters that these containers make up, by their labels. */
export function groupClusters(containers: readonly EngineContainer[]): readonly LocalCluster[] {
  const members = new Map<string, Member[]>();
  for (const container of containers) {
    const member = readLabels(container);
    if (!member) continue;
    const id = contextName(member.provider, member.cluster);
    members.set(id, [...(members.get(id) ?? []), member]);
  }
  return [...members.values()]
    .flatMap((group) => toCluster(group))
    .sort((a, b) => contextName(a.provider, a.name).localeCompare(contextName(b.provider, b.name)));
}

/** The context's name that kind and k3d write into the kubeconfig for a cluster. */
export function contextName(provider: "kind" | "k3d", cluster: string): string {
  return `${provider}-${cluster}`;
}

interface Member {
  readonly provider: "kind" | "k3d";
  readonly cluster: string;
  readonly role: "control-plane" | "worker" | "balancer";
  readonly container: EngineContainer;
}

/** What the labels say; undefined for a container that is part of no cluster, such as a registry shared by several. */
function readLabels(container: EngineContainer): Member | undefined {
  const { labels } = container;
  const kind = labels[kindCluster];
  if (kind !== undefined) {
    const role = labels[kindRole];
    if (role === "external-load-balancer")
      return { provider: "kind", cluster: kind, role: "balancer", container };
    if (role !== "control-plane" && role !== "worker") return undefined;
    return { provider: "kind", cluster: kind, role, container };
  }
  const k3d = labels[k3dCluster];
  if (k3d === undefined || k3d === "") return undefined;
  switch (labels[k3dRole]) {
    case "server":
      return { provider: "k3d", cluster: k3d, role: "control-plane", container };
    case "agent":
      return { provider: "k3d", cluster: k3d, role: "worker", container };
    case "loadbalancer":
      return { provider: "k3d", cluster: k3d, role: "balancer", container };
    default:
      return undefined;
  }
}

/** One cluster, or none where only a balancer is left of it. */
function toCluster(members: readonly Member[]): readonly LocalCluster[] {
  const sorted = [...members].sort(
    (a, b) => a.role.localeCompare(b.role) || a.container.name.localeCompare(b.container.name),
  );
  const nodes = sorted.flatMap(({ role, container }) =>
    role === "balancer" ? [] : [{ name: container.name, role, running: container.running }],
  );
  const first = sorted[0];
  if (!first || !nodes.some(({ role }) => role === "control-plane")) return [];
  // Several control planes stand behind a balancer, and its port is the one that kubeconfigs name: "balancer" sorts first.
  const api = sorted.flatMap(({ role, container }) => {
    const port = role === "worker" ? undefined : container.ports["6443/tcp"];
    return port ? [port] : [];
  })[0];
  return [
    {
      provider: first.provider,
      name: first.cluster,
      nodes,
      stopped: sorted.filter(({ container }) => !container.running).map(({ container }) => container.name),
      ...(api ? { api } : {}),
    },
  ];
}
