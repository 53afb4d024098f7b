import { parse } from "yaml";
import { z } from "zod";
import { KubeStatusError, type Kube, type KubeObject } from "../kube.js";

/** A registry that the cluster advertises as its own (KEP-1755). Hosts may carry a port and a path. */
export interface LocalRegistry {
  /** Where this machine pushes to. */
  readonly host: string;
  /** What the nodes call it when they pull; `host` where not given. */
  readonly hostFromContainerRuntime?: string;
  readonly hostFromClusterNetwork?: string;
  /** A URL that says how it was set up. */
  readonly help?: string;
}

// Not strict: the KEP lets later versions add fields.
const hosting = z.object({
  host: z.string().min(1),
  hostFromContainerRuntime: z.string().min(1).optional(),
  hostFromClusterNetwork: z.string().min(1).optional(),
  help: z.string().optional(),
});

/** The registry in ConfigMap kube-public/local-registry-hosting; undefined where there is none, or it may not be read. */
export async function readRegistry(
  kube: Kube,
  { signal, onNote }: { readonly signal: AbortSignal; readonly onNote?: (message: string) => void },
): Promise<LocalRegistry | undefined> {
  const path = "/api/v1/namespaces/kube-public/configmaps/local-registry-hosting";
  let map: KubeObject;
  try {
    map = (await kube.request(path, { signal })) as KubeObject;
  } catch (error) {
    if (error instanceof KubeStatusError && (error.status === 404 || error.status === 403)) return undefined;
    throw error;
  }
  const text = (map["data"] as Readonly<Record<string, string>> | undefined)?.["localRegistryHosting.v1"];
  if (text === undefined) return undefined;
  const registry = parseRegistry(text);
  if (!registry) {
    onNote?.(
      "the cluster's local-registry-hosting ConfigMap (kube-public) names no host: images are loaded into the nodes",
    );
  }
  return registry;
}

/** Reads the document `localRegistryHosting.v1`; undefined when it is not one. */
export function parseRegistry(text: string): LocalRegistry | undefined {
  let document: unknown;
  try {
    document = parse(text);
  } catch {
    return undefined;
  }
  const { success, data } = hosting.safeParse(document);
  if (!success) return undefined;
  return {
    host: data.host,
    ...(data.hostFromContainerRuntime === undefined
      ? {}
      : { hostFromContainerRuntime: data.hostFromContainerRuntime }),
    ...(data.hostFromClusterNetwork === undefined
      ? {}
      : { hostFromClusterNetwork: data.hostFromClusterNetwork }),
    ...(data.help === undefined ? {} : { help: data.help }),
  };
}
