import { formatPath } from "./check.js";
import type { Absorbed, ModelPath } from "./model.js";
import {
  filledIn,
  flagNode,
  get,
  isNull,
  mapOf,
  nullNode,
  sameValue,
  textNode,
  textOf,
  withoutEntry,
  type Absorb,
  type Entry,
  type MapNode,
  type Node,
  type Place,
  type Report,
} from "./node.js";
import { hostList, listOf, namesOf, pairsOf } from "./pairs.js";
import { pathRules, step, type PathRules } from "./path-rules.js";

export interface MergeOptions {
  readonly report: Report;
  readonly absorb: Absorb;
}

/**
 * Lays one tree over another by the specification's rules (13-merge.md): maps merge, lists append, what is neither is
 * replaced; some keys have a rule of their own. Lists are rid of what comes twice afterwards (unique.ts).
 */
export function mergeNodes(base: Node, over: Node, options: MergeOptions): Node {
  return new Merger(options).merge(base, over, [], rules);
}

/** The service that extends, over what it extends. `path` is its place in the model. */
export function mergeService(base: Node, over: Node, path: ModelPath, options: MergeOptions): Node {
  return new Merger(options).merge(base, over, path, step(step(rules, "services"), ""));
}

type Rule = (merger: Merger, base: Node, over: Node, path: ModelPath) => Node;

const replace: Rule = (merger, base, over, path) => {
  merger.replaced(base, path);
  return over;
};
const appendTexts: Rule = (merger, base, over, path) => merger.append(listOf(base), listOf(over), path);
const mergePairs: Rule = (merger, base, over, path) => merger.maps(pairsOf(base), pairsOf(over), path);
const mergeNames: Rule = (merger, base, over, path) => {
  const empty = (item: Node): Node => nullNode(item.place);
  return merger.maps(namesOf(base, empty), namesOf(over, empty), path);
};
const mergeDependencies: Rule = (merger, base, over, path) =>
  merger.maps(namesOf(base, startedFirst), namesOf(over, startedFirst), path);
const mergeHosts: Rule = (merger, base, over, path) => merger.hosts(hostList(base), hostList(over), path);
const mergeBuild: Rule = (merger, base, over, path) => merger.maps(buildOf(base), buildOf(over), path, true);
const mergeLogging: Rule = (merger, base, over, path) => merger.logging(base, over, path);
const mergePools: Rule = (merger, base, over, path) => merger.pools(base, over, path);

const rules: PathRules<Rule> = pathRules<Rule>({
  "networks.*.ipam.config": mergePools,
  "networks.*.labels": mergePairs,
  "volumes.*.labels": mergePairs,
  "services.*.annotations": mergePairs,
  "services.*.build": mergeBuild,
  "services.*.build.args": mergePairs,
  "services.*.build.additional_contexts": mergePairs,
  "services.*.build.extra_hosts": mergeHosts,
  "services.*.build.labels": mergePairs,
  "services.*.command": replace,
  "services.*.depends_on": mergeDependencies,
  "services.*.deploy.labels": mergePairs,
  "services.*.dns": appendTexts,
  "services.*.dns_opt": appendTexts,
  "services.*.dns_search": appendTexts,
  "services.*.entrypoint": replace,
  "services.*.env_file": appendTexts,
  "services.*.label_file": appendTexts,
  "services.*.environment": mergePairs,
  "services.*.extra_hosts": mergeHosts,
  "services.*.healthcheck.test": replace,
  "services.*.labels": mergePairs,
  "services.*.logging": mergeLogging,
  "services.*.models": mergeNames,
  "services.*.networks": mergeNames,
  "services.*.sysctls": mergePairs,
  "services.*.tmpfs": appendTexts,
  "services.*.ulimits.*": replace,
});

/** What a service's name alone says in depends_on. */
export function startedFirst(item: Node): MapNode {
  return mapOf(item.place, {
    condition: { ...textNode("service_started", filledIn) },
    required: flagNode(true, filledIn),
  });
}

function buildOf(node: Node): Node {
  return node.kind === "scalar" && !isNull(node) ? mapOf(node.place, { context: node }) : node;
}

class Merger {
  constructor(private readonly options: MergeOptions) {}

  merge(
    base: Node,
    over: Node,
    path: ModelPath,
    rules: PathRules<Rule> | undefined,
    key: Place = over.place,
  ): Node {
    if (rules?.rule) return rules.rule(this, base, over, path);
    if (isNull(over)) return base;
    if (base.kind === "map")
      return over.kind === "map"
        ? this.#mergeMaps(base, over, path, rules)
        : this.#clash(base, over, path, key);
    if (base.kind === "list")
      return over.kind === "list" ? this.append(base, over, path) : this.#clash(base, over, path, key);
    this.replaced(base, path);
    return over;
  }

  #mergeMaps(base: MapNode, over: MapNode, path: ModelPath, rules: PathRules<Rule> | undefined): MapNode {
    const entries = new Map(base.entries);
    for (const [name, entry] of over.entries) {
      const below = entries.get(name);
      entries.set(name, below ? this.#mergeEntry(below, entry, [...path, name], step(rules, name)) : entry);
    }
    return { ...base, entries };
  }

  #mergeEntry(below: Entry, over: Entry, path: ModelPath, rules: PathRules<Rule> | undefined): Entry {
    const before = this.#key;
    this.#key = below.key;
    const value = this.merge(below.value, over.value, path, rules, over.key);
    this.#key = before;
    if (value === over.value && isNull(below.value)) this.options.absorb(path, below.key, "empty");
    if (value !== over.value) this.options.absorb(path, over.key, isNull(over.value) ? "empty" : "merged");
    // A map or list that both have begins where the first has it; what is replaced stands where the last does.
    return { key: value === over.value ? over.key : below.key, value };
  }
  /** Where the key of the value that is being merged stands below. */
  #key: Place | undefined;

  replaced(node: Node, path: ModelPath): void {
    if (isNull(node)) return;
    absorbTree(node, path, this.#key ?? node.place, "replaced", this.options.absorb);
  }

  append(base: Node, over: Node, path: ModelPath): Node {
    if (over.kind === "list" && base.kind === "list")
      return { ...base, items: [...base.items, ...over.items] };
    if (isNull(base)) return over;
    return isNull(over) ? base : this.#clash(base, over, path, over.place);
  }

  /** Merges two maps below which the rules for `path` hold on, if `within`. */
  maps(base: Node, over: Node, path: ModelPath, within = false): Node {
    if (isNull(over)) return base;
    if (isNull(base)) return over;
    if (base.kind !== "map" || over.kind !== "map") return this.#clash(base, over, path, over.place);
    return this.#mergeMaps(base, over, path, within ? rulesAt(path) : undefined);
  }

  hosts(base: Node, over: Node, path: ModelPath): Node {
    if (base.kind !== "list" || over.kind !== "list") return this.append(base, over, path);
    const added = over.items.filter((item) => {
      const known = base.items.some((other) => sameValue(item, other));
      if (known) this.options.absorb(path, item.place, "merged");
      return !known;
    });
    return { ...base, items: [...base.items, ...added] };
  }

  /** Options of another driver mean nothing to this one. */
  logging(base: Node, over: Node, path: ModelPath): Node {
    const [before, after] = [get(base, "driver"), get(over, "driver")];
    if (!before || !after || sameValue(before, after)) return this.maps(base, over, path, true);
    this.replaced(base, path);
    return over;
  }

  /** Address pools of networks are told apart by their subnet. Compose loses some where there are several. */
  pools(base: Node, over: Node, path: ModelPath): Node {
    if (base.kind !== "list" || over.kind !== "list") return this.append(base, over, path);
    const subnet = (pool: Node): string | undefined => textOf(get(pool, "subnet"));
    const merged = base.items.map((pool, index) => {
      const other = over.items.find((each) => subnet(each) === subnet(pool));
      return other ? this.maps(pool, other, [...path, index]) : pool;
    });
    const added = over.items.filter((pool) => !base.items.some((each) => subnet(each) === subnet(pool)));
    return { ...base, items: [...merged, ...added] };
  }

  #clash(base: Node, over: Node, path: ModelPath, key: Place): Node {
    const kinds = { scalar: "a single value", list: "a list", map: "a map" };
    const place = over.place.kind === "file" ? over.place : key;
    const message = `${formatPath(path)}: ${kinds[over.kind]} cannot go over ${kinds[base.kind]} of the file before`;
    this.options.report(place.kind === "file" ? place : base.place, message);
    return base;
  }
}

function rulesAt(path: ModelPath): PathRules<Rule> | undefined {
  return path.reduce<PathRules<Rule> | undefined>(step, rules);
}

/** Notes a value and all that it holds as not reaching the model. */
export function absorbTree(
  node: Node,
  path: ModelPath,
  key: Place,
  why: Absorbed["why"],
  absorb: Absorb,
): void {
  absorb(path, key, why);
  if (node.kind === "list") {
    for (const [index, item] of node.items.entries())
      absorbTree(item, [...path, index], item.place, why, absorb);
  } else if (node.kind === "map") {
    for (const [name, entry] of node.entries)
      absorbTree(entry.value, [...path, name], entry.key, why, absorb);
  }
}

/** The tree without what stands at the places of `!reset` and `!override` of the file that comes over it. */
export function applyResets(
  node: Node,
  resets: readonly (readonly string[])[],
  absorb: Absorb,
  path: ModelPath = [],
): Node {
  return resets.reduce((tree, reset) => removeAt(tree, reset, path, absorb), node);
}

function removeAt(node: Node, reset: readonly string[], path: ModelPath, absorb: Absorb): Node {
  const [name, ...rest] = reset;
  // Items of lists have no place of their own: Compose leaves them.
  const entry = node.kind === "map" && name !== undefined ? node.entries.get(name) : undefined;
  if (node.kind !== "map" || name === undefined || !entry) return node;
  const place = [...path, name];
  if (rest.length === 0) {
    absorbTree(entry.value, place, entry.key, "reset", absorb);
    return withoutEntry(node, name);
  }
  const value = removeAt(entry.value, rest, place, absorb);
  if (value === entry.value) return node;
  return { ...node, entries: new Map(node.entries).set(name, { ...entry, value }) };
}
