import type { KubeObject } from "../../cluster/kube.js";

/** The objects that renders gave, by their hash: too large for the state, and Secrets do not belong there. */
export interface ManifestStore {
  add(deploy: string, hash: string, objects: readonly KubeObject[]): void;
  get(hash: string): readonly KubeObject[];
  /** A deploy's last renders, the newest first: two at most. */
  renders(deploy: string): readonly { readonly hash: string; readonly objects: readonly KubeObject[] }[];
  /** The namespace that the manifests of the last renders give an object of this kind and name. */
  namespaceOf(kind: string, name: string): string | undefined;
}

export function createManifestStore(): ManifestStore {
  const byHash = new Map<string, readonly KubeObject[]>();
  const newest = new Map<string, string[]>();
  return {
    add(deploy, hash, objects) {
      byHash.set(hash, objects);
      // A deploy may still be applying the render before this one.
      const hashes = [hash, ...(newest.get(deploy) ?? []).filter((other) => other !== hash)];
      newest.set(deploy, hashes.slice(0, 2));
      const inUse = new Set([...newest.values()].flat());
      for (const known of byHash.keys()) if (!inUse.has(known)) byHash.delete(known);
    },
    get(hash) {
      const objects = byHash.get(hash);
      if (!objects) throw new Error(`no manifests of render ${hash}`);
      return objects;
    },
    renders: (deploy) =>
      (newest.get(deploy) ?? []).map((hash) => ({ hash, objects: byHash.get(hash) ?? [] })),
    namespaceOf(kind, name) {
      for (const [hash] of newest.values()) {
        const object = byHash
          .get(hash ?? "")
          ?.find((each) => each.kind.toLowerCase() === kind && each.metadata.name === name);
        if (object?.metadata.namespace !== undefined) return object.metadata.namespace;
      }
      return undefined;
    },
  };
}
