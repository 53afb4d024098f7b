import { isPrivateHost } from "../../lib/private-host.js";
import { contextName, type LocalCluster } from "./nodes.js";

/** What a context turns out to be. Only what is known to be local is touched without leave. */
export type Locality =
  /** A kind or k3d cluster whose node containers are on this engine. */
  | { readonly kind: "nodes"; readonly cluster: LocalCluster }
  /** A product that runs a cluster on this machine, known by its context's name and its address. */
  | { readonly kind: "product"; readonly product: string }
  | { readonly kind: "foreign"; readonly reason: string };

export interface ContextAddress {
  readonly context: string;
  /** The API server's URL. */
  readonly server: string;
}

/** Contexts of products that run one cluster on this machine, by exact name; colima has one a profile. */
const products: readonly (readonly [RegExp, string])[] = [
  [/^minikube$/, "minikube"],
  [/^docker-(desktop|for-desktop)$/, "Docker Desktop"],
  [/^rancher-desktop$/, "Rancher Desktop"],
  [/^colima(-[\w.-]+)?$/, "Colima"],
  [/^orbstack$/, "OrbStack"],
  [/^microk8s$/, "MicroK8s"],
  [/^k3s-default$/, "k3s"],
];

/**
 * Tells whether a context is this machine's own. A name alone proves nothing: `kind-prod` may point anywhere, so the
 * address has to be a loopback or private one, or the container engine's own host.
 */
export function locateContext(
  { context, server }: ContextAddress,
  clusters: readonly LocalCluster[],
  engineAddress: string | undefined,
): Locality {
  const host = hostOf(server);
  const near = host !== undefined && (isPrivateHost(host) || host === engineHost(engineAddress));
  const cluster = clusters.find(({ provider, name }) => contextName(provider, name) === context);
  if (cluster) {
    return near
      ? { kind: "nodes", cluster }
      : { kind: "foreign", reason: `${server} is not an address of this machine` };
  }
  const maker = /^(kind|k3d)-/.exec(context)?.[1];
  if (maker !== undefined) {
    const where =
      engineAddress === undefined ? "no container engine answers" : `none are on ${engineAddress}`;
    return {
      kind: "foreign",
      reason: `it is named like a ${maker} cluster, but its node containers are missing: ${where}`,
    };
  }
  const product = products.find(([pattern]) => pattern.test(context))?.[1];
  if (product === undefined) return { kind: "foreign", reason: "it is not known to be local" };
  return near
    ? { kind: "product", product }
    : { kind: "foreign", reason: `${server} is not an address of this machine` };
}

/** The machine a remote engine runs on; undefined for one behind a socket of this machine. */
export function engineHost(address: string | undefined): string | undefined {
  if (address === undefined || !/^(tcp|http|https|ssh):/.test(address)) return undefined;
  return hostOf(address.replace(/^(tcp|ssh):/, "http:"));
}

function hostOf(url: string): string | undefined {
  const host = URL.canParse(url) ? new URL(url).hostname : "";
  return host === "" ? undefined : host;
}
