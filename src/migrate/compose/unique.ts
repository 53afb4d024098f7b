import { formatPath } from "./check.js";
import { absorbTree } from "./merge.js";
import type { ModelPath } from "./model.js";
import { get, textOf, type Absorb, type ListNode, type Node, type Report } from "./node.js";
import { pathRules, step, type PathRules } from "./path-rules.js";
import { parseVolume } from "./short-volume.js";

/** What tells an item of a list apart from others; undefined where that is missing. */
type Identity = (item: Node) => string | undefined;

const beforeEquals: Identity = (item) => textOf(item)?.split("=", 1)[0];
const wholeText: Identity = (item) => textOf(item);
const byPath: Identity = (item) => (item.kind === "map" ? textOf(get(item, "path")) : textOf(item));

/** Devices and mounts: by where they are in the container. */
const byDevice: Identity = (item) => {
  if (item.kind === "map") return textOf(get(item, "target"));
  const [source, target] = (textOf(item) ?? "").split(":");
  return target ?? source;
};
const byVolume: Identity = (item) => {
  if (item.kind === "map") return textOf(get(item, "target"));
  const parsed = parseVolume(textOf(item) ?? "");
  return "problem" in parsed ? "" : (parsed.target ?? "");
};
const byFile =
  (directory: string): Identity =>
  (item) =>
    item.kind === "map"
      ? (textOf(get(item, "target")) ?? `${directory}/${textOf(get(item, "source")) ?? ""}`)
      : `${directory}/${textOf(item) ?? ""}`;

/** A short port is itself; a long one its addresses, in which a number and a text published differ, as in Compose. */
const byPort: Identity = (item) => {
  if (item.kind !== "map") return textOf(item);
  const target = textOf(get(item, "target"));
  if (target === undefined) return undefined;
  const published = get(item, "published");
  const shown = published?.kind === "scalar" ? `${typeof published.value} ${published.text}` : "none";
  const host = textOf(get(item, "host_ip")) ?? "0.0.0.0";
  return `${host}:${shown}:${target}/${textOf(get(item, "protocol")) ?? "tcp"}`;
};

const rules: PathRules<Identity> = pathRules<Identity>({
  "networks.*.labels": beforeEquals,
  "services.*.annotations": beforeEquals,
  "services.*.build.args": beforeEquals,
  "services.*.build.additional_contexts": beforeEquals,
  "services.*.build.tags": beforeEquals,
  "services.*.build.labels": beforeEquals,
  "services.*.cap_add": beforeEquals,
  "services.*.cap_drop": beforeEquals,
  "services.*.devices": byDevice,
  "services.*.configs": byFile(""),
  "services.*.deploy.labels": beforeEquals,
  "services.*.dns": beforeEquals,
  "services.*.dns_opt": beforeEquals,
  "services.*.dns_search": beforeEquals,
  "services.*.environment": beforeEquals,
  "services.*.env_file": byPath,
  "services.*.expose": wholeText,
  "services.*.labels": beforeEquals,
  "services.*.links": beforeEquals,
  "services.*.networks.*.aliases": beforeEquals,
  "services.*.networks.*.link_local_ips": beforeEquals,
  "services.*.ports": byPort,
  "services.*.profiles": beforeEquals,
  "services.*.secrets": byFile("/run/secrets"),
  "services.*.sysctls": beforeEquals,
  "services.*.tmpfs": beforeEquals,
  "services.*.volumes": byVolume,
});

/** The lists in which an item can stand once, with the last one that says the same thing in the place of the first. */
export function uniqueItems(node: Node, options: { readonly report: Report; readonly absorb: Absorb }): Node {
  return walk(node, rules, []);

  function walk(at: Node, below: PathRules<Identity> | undefined, path: ModelPath): Node {
    if (below === undefined) return at;
    if (at.kind === "list" && below.rule) return once(at, below.rule, path);
    if (at.kind !== "map") return at;
    const entries = new Map(at.entries);
    for (const [name, entry] of at.entries) {
      const value = walk(entry.value, step(below, name), [...path, name]);
      if (value !== entry.value) entries.set(name, { ...entry, value });
    }
    return { ...at, entries };
  }

  function once(list: ListNode, identity: Identity, path: ModelPath): ListNode {
    const items: Node[] = [];
    const known = new Map<string, number>();
    for (const [index, item] of list.items.entries()) {
      const key = identity(item);
      const earlier = key === undefined ? undefined : known.get(key);
      if (key === undefined && item.kind === "map") {
        options.report(item.place, `${formatPath([...path, index])}: has no target`);
      }
      if (earlier === undefined) {
        if (key !== undefined) known.set(key, items.length);
        items.push(item);
        continue;
      }
      const before = items[earlier];
      if (before) absorbTree(before, [...path, index], before.place, "replaced", options.absorb);
      items[earlier] = item;
    }
    return { ...list, items };
  }
}
