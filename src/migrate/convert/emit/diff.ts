import { isDeepStrictEqual } from "node:util";
import { isList, isMap, mapAt, Noted, plain, textAt, unnoted, type Tree, type TreeMap } from "../tree.js";

// Differences of manifests as strategic merge patches: https://kubernetes.io/docs/tasks/manage-kubernetes-objects/update-api-object-kubectl-patch/

/** Lists that are merged by keys of their items; all others are replaced as a whole. */
const mergeKeys: Readonly<Record<string, readonly string[]>> = {
  containers: ["name"],
  initContainers: ["name"],
  env: ["name"],
  volumes: ["name"],
  volumeMounts: ["mountPath"],
  imagePullSecrets: ["name"],
  hostAliases: ["ip"],
};

/** The keys of a list's items: a container's and a Service's ports have the same name for it and not the same keys. */
function keysOf(key: string, items: readonly Tree[]): readonly string[] | undefined {
  if (key !== "ports") return mergeKeys[key];
  return items.some((port) => "containerPort" in mapAt(port))
    ? ["containerPort", "protocol"]
    : ["port", "protocol"];
}

/**
 * The patch that makes `to` of `from`, without what tells the object; undefined when they are equal. Null takes a key
 * away. Notes of `to` stay.
 */
export function difference(from: TreeMap, to: TreeMap): TreeMap | undefined {
  const changes: Record<string, Tree> = {};
  for (const key of new Set([...Object.keys(from), ...Object.keys(to)])) {
    const [before, after] = [from[key], to[key]];
    const change = changeOf(key, before, after);
    if (change !== undefined) changes[key] = change;
  }
  return Object.keys(changes).length === 0 ? undefined : changes;
}

function changeOf(key: string, before: Tree | undefined, after: Tree | undefined): Tree | undefined {
  if (after === undefined) return before === undefined ? undefined : null;
  if (before !== undefined && isDeepStrictEqual(plain(before), plain(after))) return undefined;
  const [old, next] = [unnoted(before), unnoted(after)];
  const rewrap = (value: Exclude<Tree, Noted>): Tree =>
    after instanceof Noted ? new Noted(after.note, value) : value;
  if (isMap(old) && isMap(next)) {
    const change = difference(old, next);
    return change === undefined ? undefined : rewrap(change);
  }
  if (isList(old) && isList(next)) return rewrap(listChange(key, old, next));
  // An empty map in a patch changes nothing: what was there is told to go first.
  return after;
}

function listChange(key: string, before: readonly Tree[], after: readonly Tree[]): readonly Tree[] {
  const keys = keysOf(key, [...after, ...before]);
  if (keys === undefined) return after;
  // Merged by keys that are none here: the list is put in place of the other.
  if (!isKeyed(before, keys) || !isKeyed(after, keys)) return [{ $patch: "replace" }, ...after];
  const old = new Map(before.map((item) => [idOf(item, keys), item]));
  const next = new Map(after.map((item) => [idOf(item, keys), item]));
  const gone = [...old]
    .filter(([id]) => !next.has(id))
    .map(([, item]): Tree => ({ $patch: "delete", ...headOf(item, keys) }));
  const changed = [...next].flatMap(([id, item]): Tree[] => {
    const known = old.get(id);
    if (known === undefined) return [item];
    const change = difference(mapAt(known), mapAt(item));
    if (change === undefined) return [];
    const named = { ...headOf(item, keys), ...change };
    return [item instanceof Noted ? new Noted(item.note, named) : named];
  });
  return [...changed, ...gone];
}

const headOf = (item: Tree, keys: readonly string[]): TreeMap =>
  Object.fromEntries(keys.map((key) => [key, mapAt(item)[key]]));

const idOf = (item: Tree, keys: readonly string[]): string => JSON.stringify(plain(headOf(item, keys)));

function isKeyed(items: readonly Tree[], keys: readonly string[]): boolean {
  const complete = items.every((item) => keys.every((key) => mapAt(item)[key] !== undefined));
  return complete && new Set(items.map((item) => idOf(item, keys))).size === items.length;
}

/** The head of a patch: what tells the object that it is for. */
export function patchFor(object: TreeMap, change: TreeMap): TreeMap {
  const { apiVersion: _version, kind: _kind, metadata, ...rest } = change;
  const head = { apiVersion: object["apiVersion"], kind: object["kind"] };
  return {
    ...head,
    metadata: { name: textAt(mapAt(object, "metadata"), "name") ?? "", ...mapAt(metadata) },
    ...rest,
  };
}

/** The patch that takes an object away. */
export function deletePatch(object: TreeMap): TreeMap {
  return { $patch: "delete", ...patchFor(object, {}) };
}
