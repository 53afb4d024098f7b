import { KubeStatusError, type Kube, type KubeObject } from "../kube.js";

/** What a node says of itself. */
export interface NodeInfo {
  /** `linux/amd64`. */
  readonly platform: string;
  /** `containerd://1.7.13`, `docker://24.0.7`. */
  readonly runtime: string;
}

/** The first Linux node's own words; undefined where there is none, or nodes may not be listed. */
export async function readNodeInfo(
  kube: Kube,
  { signal }: { readonly signal: AbortSignal },
): Promise<NodeInfo | undefined> {
  try {
    const list = (await kube.request("/api/v1/nodes?limit=50", { signal })) as {
      readonly items?: readonly KubeObject[];
    };
    const nodes = (list.items ?? []).flatMap((node) => nodeInfo(node));
    return nodes.find(({ platform }) => platform.startsWith("linux/")) ?? nodes[0];
  } catch (error) {
    if (error instanceof KubeStatusError && error.status === 403) return undefined;
    throw error;
  }
}

function nodeInfo(node: KubeObject): readonly NodeInfo[] {
  const status = node["status"] as { readonly nodeInfo?: Readonly<Record<string, string>> } | undefined;
  const info = status?.nodeInfo;
  const os = info?.["operatingSystem"];
  const architecture = info?.["architecture"];
  if (os === undefined || architecture === undefined) return [];
  return [{ platform: `${os}/${architecture}`, runtime: info?.["containerRuntimeVersion"] ?? "" }];
}
