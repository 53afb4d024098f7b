import type { ComposeProject } from "../compose/model.js";
import { allServices } from "./images.js";
import { dnsName, freeName } from "./names.js";
import { hostOf } from "./pod-owner.js";
import { noted, unlessEmpty, type Tree, type TreeMap } from "./tree.js";

/** What the policies are made of: services by key, each with its name in the cluster and its networks. */
interface Members {
  readonly project: ComposeProject;
  readonly names: ReadonlyMap<string, string>;
  /** Init containers ask the API server how far other workloads are. */
  readonly waitInitContainers: boolean;
}

/**
 * NetworkPolicies that part services as the project's networks do; none where all of them share one network that is
 * open to the outside. Policies add up: what is on two networks is reached from both.
 */
export function networkPolicies({ project, names, waitInitContainers }: Members): readonly TreeMap[] {
  const networked = allServices(project).filter(
    ([, service]) => !service.provider && hostOf({ service }) === undefined && !isApart(service.network_mode),
  );
  const networksOf = new Map(
    networked.map(([key, service]) => [names.get(key) ?? key, Object.keys(service.networks ?? {})]),
  );
  const used = Object.keys(project.networks).filter((network) =>
    [...networksOf.values()].some((networks) => networks.includes(network)),
  );
  const isInternal = (network: string): boolean => project.networks[network]?.internal === true;
  if (used.length < 2 && !used.some(isInternal)) return [];
  const members = (network: string): readonly string[] =>
    [...networksOf].flatMap(([name, networks]) => (networks.includes(network) ? [name] : [])).sort();
  const taken = new Set<string>();
  const policy = (wanted: string, spec: Tree): TreeMap => {
    const name = freeName(dnsName(wanted), taken);
    taken.add(name);
    return { apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata: { name }, spec };
  };
  const enclosed = [...networksOf].filter(
    ([, networks]) => networks.length > 0 && networks.every(isInternal),
  );
  const isEnclosed = new Set(enclosed.map(([name]) => name));
  return [
    ...used.map((network) =>
      policy(
        `network-${network}`,
        noted(`From networks: those on ${network} reach each other.`, {
          podSelector: anyOf(members(network)),
          policyTypes: ["Ingress"],
          ingress: [{ from: [{ podSelector: anyOf(members(network)) }] }],
        }),
      ),
    ),
    // Docker publishes no port of what is on internal networks alone.
    ...networked.flatMap(([key, { ports = [] }]) => {
      const name = names.get(key) ?? key;
      if (ports.length === 0 || isEnclosed.has(name)) return [];
      const open = ports.map(({ target, protocol = "tcp" }) => ({
        port: target,
        protocol: protocol.toUpperCase(),
      }));
      return [
        policy(
          `published-${name}`,
          noted("From ports: what is published is reached from everywhere.", {
            podSelector: anyOf([name]),
            policyTypes: ["Ingress"],
            ingress: [{ ports: open }],
          }),
        ),
      ];
    }),
    ...enclosed.map(([name, networks]) =>
      policy(
        `internal-${name}`,
        noted(
          "From internal: true: it reaches its networks and the cluster's name servers, and nothing else.",
          {
            podSelector: anyOf([name]),
            policyTypes: ["Egress"],
            egress: [
              { to: [{ podSelector: anyOf([...new Set(networks.flatMap(members))].sort()) }] },
              noted("Name servers of the cluster, and their cache on a node where there is one.", {
                to: [{ namespaceSelector: {} }, { ipBlock: { cidr: "169.254.20.10/32" } }],
                ports: (["UDP", "TCP"] as const).map((protocol) => ({ port: 53, protocol })),
              }),
              ...(waitInitContainers
                ? [noted("Init containers wait by asking the API server.", { ports: [443, 6443].map(tcp) })]
                : []),
            ],
          },
        ),
      ),
    ),
  ];
}

const tcp = (port: number): TreeMap => ({ port, protocol: "TCP" });

const isApart = (mode: string | undefined): boolean => mode === "host" || mode === "none";

const anyOf = (names: readonly string[]): TreeMap =>
  names.length === 1
    ? { matchLabels: { "app.kubernetes.io/name": names[0] } }
    : {
        matchExpressions: unlessEmpty([
          { key: "app.kubernetes.io/name", operator: "In", values: [...names] },
        ]),
      };
