import { type InventoryEntry, superseded } from "./inventory.js";

/**
 * Splits what is rendered no more: what a generator has just renamed stays for one apply, since the pods of the revision
 * before still mount it, and start anew with it while the rollout goes on, or when it is taken back.
 */
export function splitDropped(
  dropped: readonly InventoryEntry[],
  rendered: readonly InventoryEntry[],
): { readonly leaving: readonly InventoryEntry[]; readonly staying: readonly InventoryEntry[] } {
  const names = new Set(rendered.flatMap((entry) => generatedName(entry) ?? []));
  const stays = (entry: InventoryEntry): boolean => {
    const name = generatedName(entry);
    return entry.hash !== superseded && name !== undefined && names.has(name);
  };
  return {
    leaving: dropped.filter((entry) => !stays(entry)),
    staying: dropped.filter(stays).map((entry) => ({ ...entry, hash: superseded })),
  };
}

/**
 * What kustomize's generators append to a name: ten of these letters, of a hash of the content
 * (https://github.com/kubernetes-sigs/kustomize/blob/master/api/internal/hasher/hasher.go).
 */
const generated = /^(.+)-[bcdfghkmt2456789]{10}$/;

/** What a generated name stands for; undefined for an object that has another kind of name. */
function generatedName({ kind, namespace = "", name }: InventoryEntry): string | undefined {
  if (kind !== "ConfigMap" && kind !== "Secret") return undefined;
  const base = generated.exec(name)?.[1];
  return base === undefined ? undefined : `${kind}/${namespace}/${base}`;
}
