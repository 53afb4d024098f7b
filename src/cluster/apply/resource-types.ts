import { KubeStatusError, type Kube, type KubeObject } from "../kube.js";

/** What the API server calls a kind, and whether its objects live in namespaces. */
export interface ResourceType {
  readonly apiVersion: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
}

/** The kinds that an API server knows, asked for one group version at a time and remembered. */
export interface ResourceTypes {
  /** Undefined when the server knows no such kind; asks again before it says so. */
  find(
    apiVersion: string,
    kind: string,
    options: { readonly signal: AbortSignal },
  ): Promise<ResourceType | undefined>;
}

/** Reads kinds from the server's discovery. A broken aggregated API in another group does not matter. */
export function openResourceTypes(kube: Kube): ResourceTypes {
  const known = new Map<string, readonly ResourceType[]>();
  return {
    async find(apiVersion, kind, { signal }) {
      const before = known.get(apiVersion)?.find((type) => type.kind === kind);
      if (before) return before;
      const types = await readGroupVersion(kube, apiVersion, signal);
      known.set(apiVersion, types);
      return types.find((type) => type.kind === kind);
    },
  };
}

/** The kinds that these CustomResourceDefinitions are about to add. */
export function typesDefinedBy(objects: readonly KubeObject[]): ResourceType[] {
  return objects.filter(isCrd).flatMap((object) => {
    const spec = object["spec"] as CrdSpec | undefined;
    const { kind, plural } = spec?.names ?? {};
    if (!spec?.group || !kind || !plural) return [];
    return (spec.versions ?? []).map((version) => ({
      apiVersion: `${spec.group ?? ""}/${version.name ?? ""}`,
      kind,
      plural,
      namespaced: spec.scope !== "Cluster",
    }));
  });
}

/** The path of one object, or of its collection when `name` is left out. */
export function objectPath(type: ResourceType, namespace: string | undefined, name?: string): string {
  const root = type.apiVersion.includes("/") ? `/apis/${type.apiVersion}` : `/api/${type.apiVersion}`;
  const scope = type.namespaced ? `/namespaces/${encodeURIComponent(namespace ?? "default")}` : "";
  return `${root}${scope}/${type.plural}${name === undefined ? "" : `/${encodeURIComponent(name)}`}`;
}

export function isCrd(object: { readonly apiVersion: string; readonly kind: string }): boolean {
  return object.kind === "CustomResourceDefinition" && groupOf(object.apiVersion) === "apiextensions.k8s.io";
}

/** `apps/v1` is in `apps`; `v1` in the unnamed core group. */
export function groupOf(apiVersion: string): string {
  return apiVersion.includes("/") ? apiVersion.slice(0, apiVersion.indexOf("/")) : "";
}

interface CrdSpec {
  readonly group?: string;
  readonly scope?: string;
  readonly names?: { readonly kind?: string; readonly plural?: string };
  readonly versions?: readonly { readonly name?: string }[];
}

interface ResourceList {
  readonly resources?: readonly {
    readonly name: string;
    readonly kind: string;
    readonly namespaced: boolean;
  }[];
}

async function readGroupVersion(
  kube: Kube,
  apiVersion: string,
  signal: AbortSignal,
): Promise<ResourceType[]> {
  try {
    const path = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
    const list = (await kube.request(path, { signal })) as ResourceList;
    return (list.resources ?? [])
      .filter((resource) => !resource.name.includes("/"))
      .map(({ name, kind, namespaced }) => ({ apiVersion, kind, plural: name, namespaced }));
  } catch (error) {
    if (error instanceof KubeStatusError && error.status === 404) return [];
    throw error;
  }
}
