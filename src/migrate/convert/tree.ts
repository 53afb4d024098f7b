// Manifests as plain data in which any value can carry a note: the reason that stands as a comment beside it.

export type Scalar = string | number | boolean | null;
export type Tree = Scalar | readonly Tree[] | TreeMap | Noted;
/** A key whose value is undefined is not there. */
export interface TreeMap {
  readonly [key: string]: Tree | undefined;
}

/** A value and why it is as it is. */
export class Noted {
  constructor(
    readonly note: string,
    readonly value: Exclude<Tree, Noted>,
  ) {}
}

/** The value with a comment; lines of the note become lines of the comment. */
export function noted(note: string, value: Exclude<Tree, Noted>): Noted {
  return new Noted(note, value);
}

export function unnoted(tree: Tree | undefined): Exclude<Tree, Noted> | undefined {
  return tree instanceof Noted ? tree.value : tree;
}

export function isList(tree: Tree | undefined): tree is readonly Tree[] {
  return Array.isArray(tree);
}

export function isMap(tree: Tree | undefined): tree is TreeMap {
  return typeof tree === "object" && tree !== null && !isList(tree) && !(tree instanceof Noted);
}

/** The tree without notes and without what is not there: what a YAML reader would see. */
export function plain(tree: Tree): unknown {
  const value = unnoted(tree);
  if (isList(value)) return value.map(plain);
  if (!isMap(value)) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, each]) => (each === undefined ? [] : [[key, plain(each)]])),
  );
}

/** The map at `key`, empty when there is none. */
export function mapAt(tree: Tree | undefined, ...keys: readonly string[]): TreeMap {
  let at = unnoted(tree);
  for (const key of keys) at = isMap(at) ? unnoted(at[key]) : undefined;
  return isMap(at) ? at : {};
}

/** The list at `key`, empty when there is none. */
export function listAt(tree: Tree | undefined, ...keys: readonly string[]): readonly Tree[] {
  const last = keys.at(-1) ?? "";
  const found = unnoted(mapAt(tree, ...keys.slice(0, -1))[last]);
  return isList(found) ? found : [];
}

/** The text at `key` of a map; undefined for anything else. */
export function textAt(tree: Tree | undefined, key: string): string | undefined {
  const found = unnoted(mapAt(tree)[key]);
  return typeof found === "string" ? found : undefined;
}

/** What tells an object from others in one namespace: `Deployment/web`. */
export function objectId(object: TreeMap): string {
  return `${textAt(object, "kind") ?? ""}/${textAt(mapAt(object, "metadata"), "name") ?? ""}`;
}

/** Undefined for a map or list with nothing in it, which then is not written at all. */
export function unlessEmpty<T extends TreeMap | readonly Tree[]>(tree: T): T | undefined {
  const values = isList(tree) ? tree : Object.values(tree).filter((value) => value !== undefined);
  return values.length === 0 ? undefined : tree;
}
