import type { Source, Span } from "../../lib/source.js";
import type { Absorbed, ComposeVariable, ModelPath, Via } from "./model.js";

// Compose files as trees in which every value knows where it stands, and keeps knowing it through everything that
// Compose does to them. Trees are never changed: each step makes a new one.

/** A file as it was reached: the same file can be included by one and extended by another. */
export interface Visit {
  readonly source: Source;
  readonly layer: number;
  readonly via: readonly Via[];
}

export type Place =
  | { readonly kind: "file"; readonly visit: Visit; readonly span: Span }
  | { readonly kind: "default" }
  | { readonly kind: "environment"; readonly variable: string };

interface Placed {
  readonly place: Place;
  /** The value came by an alias or from elsewhere: its place is not beside its key. */
  readonly away?: true;
}
export interface ScalarNode extends Placed {
  readonly kind: "scalar";
  readonly value: string | number | boolean | null;
  /** The value as Compose writes it where text is wanted: `420` for `0644`, `1e+06` for `1e6`. */
  readonly text: string;
  /** The text before variables were replaced. */
  readonly raw?: string;
  readonly variables?: readonly ComposeVariable[];
}
export interface ListNode extends Placed {
  readonly kind: "list";
  readonly items: readonly Node[];
}
export interface MapNode extends Placed {
  readonly kind: "map";
  readonly entries: Entries;
}
export interface Entry {
  /** Where the key stands, or what the entry was made of. */
  readonly key: Place;
  readonly value: Node;
}
export type Entries = ReadonlyMap<string, Entry>;
export type Node = ScalarNode | ListNode | MapNode;

/** Told of something wrong, at its place. */
export type Report = (place: Place, message: string, hint?: string) => void;
/** Told of something that does not reach the model. */
export type Absorb = (path: ModelPath, place: Place, why: Absorbed["why"]) => void;

export const filledIn: Place = { kind: "default" };

export function textNode(value: string, place: Place): ScalarNode {
  return { kind: "scalar", value, text: value, place };
}

export function flagNode(value: boolean, place: Place): ScalarNode {
  return { kind: "scalar", value, text: String(value), place };
}

export function numberNode(value: number, place: Place): ScalarNode {
  return { kind: "scalar", value, text: String(value), place };
}

export function nullNode(place: Place): ScalarNode {
  return { kind: "scalar", value: null, text: "", place };
}

/** The value with another text in it, as far as it is told by it: variables and raw text stay. */
export function withText(node: ScalarNode, text: string): ScalarNode {
  return { ...node, value: text, text };
}

/** A map made of one value: its keys have that value's place, but for what is filled in. */
export function mapOf(place: Place, values: Readonly<Record<string, Node | undefined>>): MapNode {
  const entries = new Map<string, Entry>();
  for (const [name, value] of Object.entries(values))
    if (value) {
      const key = value.place.kind === "default" ? value.place : place;
      entries.set(name, { key, value });
    }
  return { kind: "map", place, entries };
}

export function isNull(node: Node | undefined): boolean {
  return node?.kind === "scalar" && node.value === null;
}

export function getEntry(node: Node | undefined, name: string): Entry | undefined {
  return node?.kind === "map" ? node.entries.get(name) : undefined;
}

export function get(node: Node | undefined, ...path: readonly string[]): Node | undefined {
  return path.reduce<Node | undefined>((at, name) => getEntry(at, name)?.value, node);
}

export function itemsOf(node: Node | undefined): readonly Node[] {
  return node?.kind === "list" ? node.items : [];
}

export function entriesOf(node: Node | undefined): Entries {
  return node?.kind === "map" ? node.entries : new Map<string, Entry>();
}

/** The text of a scalar that holds something. */
export function textOf(node: Node | undefined): string | undefined {
  return node?.kind === "scalar" && node.value !== null ? node.text : undefined;
}

/** `map` with `name` set; an entry that is there keeps its key's place. */
export function withEntry(map: MapNode, name: string, value: Node, key: Place = value.place): MapNode {
  const entries = new Map(map.entries);
  entries.set(name, { key: entries.get(name)?.key ?? key, value });
  return { ...map, entries };
}

export function withoutEntry(map: MapNode, name: string): MapNode {
  if (!map.entries.has(name)) return map;
  const entries = new Map(map.entries);
  entries.delete(name);
  return { ...map, entries };
}

/** Every value of a map changed; `change` answers undefined to take the entry away. */
export function mapEntries<T extends Node>(
  node: T,
  change: (value: Node, name: string, entry: Entry) => Node | undefined,
): T {
  if (node.kind !== "map") return node;
  const entries = new Map<string, Entry>();
  for (const [name, entry] of node.entries) {
    const value = change(entry.value, name, entry);
    if (value) entries.set(name, value === entry.value ? entry : { ...entry, value });
  }
  return { ...node, entries };
}

/** Whether two values hold the same, wherever they stand. The order of a map's keys does not count. */
export function sameValue(left: Node, right: Node): boolean {
  if (left.kind === "scalar") return right.kind === "scalar" && left.value === right.value;
  if (left.kind === "list") {
    return (
      right.kind === "list" &&
      left.items.length === right.items.length &&
      left.items.every((item, index) => sameValue(item, right.items[index] ?? item))
    );
  }
  if (right.kind !== "map" || left.entries.size !== right.entries.size) return false;
  return [...left.entries].every(([name, { value }]) => {
    const other = right.entries.get(name)?.value;
    return other !== undefined && sameValue(value, other);
  });
}

/** Throws for what is no map: the check of its shape has been passed. */
export function asMap(node: Node): MapNode {
  if (node.kind !== "map") throw new Error(`a ${node.kind} stands where only a map can`);
  return node;
}
