import {
  mapEntries,
  nullNode,
  textNode,
  withText,
  type Entry,
  type ListNode,
  type MapNode,
  type Node,
  type ScalarNode,
} from "./node.js";

// The two ways to write what is a map to Compose: `KEY: value` and `- KEY=value`.

/** The map of a list of `KEY=value`; a name alone has null. Of two equal keys the later counts. */
export function pairsOf(node: Node): Node {
  if (node.kind !== "list") return node;
  const entries = new Map<string, Entry>();
  for (const item of node.items) {
    if (item.kind !== "scalar") return node;
    const end = item.text.indexOf("=");
    const name = end === -1 ? item.text : item.text.slice(0, end);
    const value = end === -1 ? nullNode(item.place) : withText(item, item.text.slice(end + 1));
    entries.set(name, { key: item.place, value });
  }
  return { kind: "map", place: node.place, entries };
}

/** The map of a list of names, each made by `value`. */
export function namesOf(node: Node, value: (item: ScalarNode) => Node): Node {
  if (node.kind !== "list") return node;
  const entries = new Map<string, Entry>();
  for (const item of node.items) {
    if (item.kind !== "scalar") return node;
    entries.set(item.text, { key: item.place, value: value(item) });
  }
  return { kind: "map", place: node.place, entries };
}

/** A list; one text alone is a list of it, nothing at all an empty one. */
export function listOf(node: Node): Node {
  if (node.kind !== "scalar") return node;
  return { kind: "list", place: node.place, items: node.value === null ? [] : [node] };
}

/** A map of hosts as Compose's list of `host=address`, sorted as Compose sorts it. */
export function hostList(node: Node): Node {
  if (node.kind !== "map") return node;
  const items = [...node.entries].flatMap(([name, { key, value }]) =>
    (value.kind === "list" ? value.items : [value]).map((address) =>
      textNode(`${name}=${address.kind === "scalar" ? address.text : ""}`, key),
    ),
  );
  items.sort((left, right) => (left.text < right.text ? -1 : left.text > right.text ? 1 : 0));
  return { kind: "list", place: node.place, items };
}

/** The addresses by host; a host named twice has those of both. */
export function hostMap(node: Node): Node {
  if (node.kind === "map") return mapEntries(node, (value) => addresses(listOf(value)));
  if (node.kind !== "list") return node;
  const entries = new Map<string, Entry>();
  for (const item of node.items) {
    if (item.kind !== "scalar") return node;
    const [, host = "", rest = ""] = /^(.*?)=(.*)$/s.exec(item.text) ?? /^(.*?):(.*)$/s.exec(item.text) ?? [];
    const known = entries.get(host);
    const before = known?.value.kind === "list" ? known.value.items : [];
    const items = [...before, ...rest.split(",").map((address) => withText(item, bare(address)))];
    entries.set(host, {
      key: known?.key ?? item.place,
      value: { kind: "list", place: known?.value.place ?? item.place, items },
    });
  }
  return { kind: "map", place: node.place, entries } satisfies MapNode;
}

function addresses(node: Node): Node {
  if (node.kind !== "list") return node;
  const items = node.items.map((item) => (item.kind === "scalar" ? withText(item, bare(item.text)) : item));
  return { ...node, items } satisfies ListNode;
}

/** `[::1]` is `::1`. */
function bare(address: string): string {
  return /^\[(.+)\]$/.exec(address)?.[1] ?? address;
}
