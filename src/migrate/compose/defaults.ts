import { formatPath } from "./check.js";
import {
  filledIn,
  get,
  getEntry,
  isNull,
  mapEntries,
  textNode,
  textOf,
  withEntry,
  type MapNode,
  type Node,
  type Place,
  type Report,
} from "./node.js";
import type { ModelPath } from "./model.js";
import { isIP } from "node:net";
import { pathRules, step, type PathRules } from "./path-rules.js";

// What Compose fills in once the files are merged, and what it checks before paths are made absolute. Both hold for
// each included project by itself.

type Fill = (node: Node) => Node;

const defaults: PathRules<Fill> = pathRules<Fill>({
  "services.*.build": fill({ context: "." }),
  "services.*.secrets.*": (node) => {
    const source = textOf(get(node, "source"));
    return source === undefined ? node : fill({ target: `/run/secrets/${source}` })(node);
  },
  "services.*.ports.*": fill({ protocol: "tcp", mode: "ingress" }),
  "services.*.deploy.resources.reservations.devices.*": allDevices,
  "services.*.gpus.*": allDevices,
});

function fill(values: Readonly<Record<string, string>>): Fill {
  return (node) =>
    Object.entries(values).reduce<Node>(
      (map, [name, value]) =>
        map.kind !== "map" || map.entries.has(name) ? map : withEntry(map, name, textNode(value, filledIn)),
      node,
    );
}

function allDevices(node: Node): Node {
  return get(node, "count") || get(node, "device_ids") ? node : fill({ count: "all" })(node);
}

/** The tree with what is not given and has a value all the same. */
export function fillDefaults(node: Node): Node {
  return changeByRules(node, defaults);
}

/** The tree changed where rules say so; below a place with a rule nothing else changes. */
export function changeByRules(node: Node, rules: PathRules<Fill> | undefined): Node {
  if (rules === undefined) return node;
  if (rules.rule) return rules.rule(node);
  if (node.kind === "map") return mapEntries(node, (value, name) => changeByRules(value, step(rules, name)));
  if (node.kind !== "list" || rules.any === undefined) return node;
  return { ...node, items: node.items.map((item, index) => changeByRules(item, step(rules, index))) };
}

type Check = (node: Node, path: ModelPath, report: (message: string, at?: Node) => void) => void;

const checks: PathRules<Check> = pathRules<Check>({
  "volumes.*": notBesideExternal,
  "configs.*": oneSource("file", "environment", "content"),
  "secrets.*": oneSource("file", "environment"),
  "services.*.ports.*": (node, _path, report) => {
    const address = get(node, "host_ip");
    const text = textOf(address);
    if (text !== undefined && isIP(text) === 0) report(`"${text}" is not an IP address`, address);
  },
  "services.*.develop.watch.*.path": (node, _path, report) => {
    if (textOf(node) === "") report("must not be empty");
  },
  "services.*.deploy.resources.reservations.devices.*": countOrIds,
  "services.*.gpus.*": countOrIds,
});

function notBesideExternal(node: Node, _path: ModelPath, report: Parameters<Check>[2]): void {
  if (node.kind !== "map" || !isTrue(get(node, "external"))) return;
  for (const [name, { value }] of node.entries) {
    if (name === "name" || name === "external" || name.startsWith("x-")) continue;
    report(`is external, so it cannot have ${name}`, value);
  }
}

function oneSource(...names: readonly string[]): Check {
  return (node, _path, report) => {
    // What a variable holds stands beside its name.
    const given = names.filter((name) => getEntry(node, name) && get(node, name)?.place.kind === "file");
    const shown = names.join(", ").replace(/, ([^,]*)$/, " or $1");
    if (given.length > 1) report(`has ${given.join(" and ")}; only one can stand`, get(node, given[1] ?? ""));
    if (given.length > 0 || get(node, "driver") || get(node, "external")) return;
    report(`needs one of ${shown}`);
  };
}

function countOrIds(node: Node, _path: ModelPath, report: Parameters<Check>[2]): void {
  if (get(node, "count") && get(node, "device_ids")) {
    report("has count and device_ids; only one can stand", get(node, "device_ids"));
  }
}

export function isTrue(node: Node | undefined): boolean {
  return node?.kind === "scalar" && (node.value === true || /^(?:true|y|yes|on)$/i.test(textOf(node) ?? ""));
}

/** Reports what is wrong by itself, before names are looked up. */
export function checkResources(root: MapNode, report: Report): void {
  walk(root, checks, [], root.place);

  function walk(node: Node, rules: PathRules<Check> | undefined, path: ModelPath, above: Place): void {
    if (rules === undefined || isNull(node)) return;
    const place = node.place.kind === "file" ? node.place : above;
    rules.rule?.(node, path, (message, at = node) => {
      report(at.place.kind === "file" ? at.place : place, `${formatPath(path)}: ${message}`);
    });
    if (node.kind === "map") {
      for (const [name, { key, value }] of node.entries) {
        walk(value, step(rules, name), [...path, name], key.kind === "file" ? key : place);
      }
    } else if (node.kind === "list") {
      for (const [index, item] of node.items.entries())
        walk(item, step(rules, index), [...path, index], place);
    }
  }
}
