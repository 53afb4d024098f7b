import { posix } from "node:path";
import { formatPath } from "./check.js";
import { startedFirst } from "./merge.js";
import type { ModelPath } from "./model.js";
import {
  filledIn,
  flagNode,
  get,
  getEntry,
  isNull,
  mapEntries,
  mapOf,
  nullNode,
  numberNode,
  textNode,
  textOf,
  withEntry,
  withText,
  type Absorb,
  type Node,
  type Report,
  type ScalarNode,
} from "./node.js";
import { hostMap, listOf, namesOf, pairsOf } from "./pairs.js";
import { pathRules, step, type PathRules } from "./path-rules.js";
import { parsePorts } from "./short-port.js";
import { parseVolume, type ShortVolume } from "./short-volume.js";

// The long form of everything that has a short one. What a short form says stands where the short form does.

interface Context {
  readonly path: ModelPath;
  readonly report: Report;
  readonly absorb: Absorb;
}
type Change = (node: Node, context: Context) => Node;

/** Changes a text that stands where a map can. */
const unlessMap =
  (change: (node: ScalarNode, context: Context) => Node): Change =>
  (node, context) =>
    node.kind === "scalar" && !isNull(node) ? change(node, context) : node;

const fileMount = unlessMap((node) => mapOf(node.place, { source: node }));
const names: Change = (node) => namesOf(node, (item) => nullNode(item.place));

const rules: PathRules<Change> = pathRules<Change>({
  "services.*.annotations": pairsOf,
  "services.*.build": unlessMap((node) => mapOf(node.place, { context: node })),
  "services.*.build.args": pairsOf,
  "services.*.build.additional_contexts": keyValues,
  "services.*.build.extra_hosts": hostMap,
  "services.*.build.labels": pairsOf,
  "services.*.build.secrets.*": fileMount,
  "services.*.build.ssh": sshKeys,
  "services.*.configs.*": fileMount,
  "services.*.depends_on": dependencies,
  "services.*.deploy.labels": pairsOf,
  "services.*.deploy.resources.reservations.devices.*.options": pairsOf,
  "services.*.develop.watch.*.exec.environment": pairsOf,
  "services.*.develop.watch.*.ignore": listOf,
  "services.*.develop.watch.*.include": listOf,
  "services.*.devices.*": unlessMap(device),
  "services.*.dns": listOf,
  "services.*.dns_search": listOf,
  "services.*.env_file": envFiles,
  "services.*.environment": pairsOf,
  "services.*.extra_hosts": hostMap,
  "services.*.gpus": gpus,
  "services.*.gpus.*.options": pairsOf,
  "services.*.healthcheck.test": unlessMap(shellTest),
  "services.*.label_file": listOf,
  "services.*.labels": pairsOf,
  "services.*.models": names,
  "services.*.networks": names,
  "services.*.ports": ports,
  "services.*.post_start.*.environment": pairsOf,
  "services.*.pre_stop.*.environment": pairsOf,
  "services.*.provider.options.*": listOf,
  "services.*.secrets.*": fileMount,
  "services.*.sysctls": pairsOf,
  "services.*.tmpfs": listOf,
  "services.*.volumes.*": unlessMap(volume),
  "services.*.volumes.*.volume.labels": pairsOf,
  "networks.*": external,
  "networks.*.labels": pairsOf,
  "volumes.*": external,
  "volumes.*.labels": pairsOf,
  "secrets.*": external,
  "secrets.*.labels": pairsOf,
  "configs.*": external,
  "configs.*.labels": pairsOf,
});

/** The tree in the long form. What is of a kind that cannot stand there stays for the schema check to tell. */
export function canonical(node: Node, options: Omit<Context, "path">): Node {
  return walk(node, rules, []);

  function walk(at: Node, below: PathRules<Change> | undefined, path: ModelPath): Node {
    if (below === undefined) return at;
    const changed = below.rule ? below.rule(at, { ...options, path }) : at;
    if (changed.kind === "map") {
      return mapEntries(changed, (value, name) => walk(value, step(below, name), [...path, name]));
    }
    if (changed.kind !== "list" || below.any === undefined) return changed;
    const items = changed.items.map((item, index) => walk(item, step(below, index), [...path, index]));
    return { ...changed, items };
  }
}

function keyValues(node: Node, { path, report }: Context): Node {
  if (node.kind === "list") {
    for (const [index, item] of node.items.entries()) {
      if (item.kind === "scalar" && !item.text.includes("=")) {
        report(item.place, `${formatPath([...path, index])}: "${item.text}" is not name=value`);
      }
    }
  }
  return pairsOf(node);
}

function sshKeys(node: Node, { path, report }: Context): Node {
  if (node.kind !== "list") return node;
  for (const [index, item] of node.items.entries()) {
    if (item.kind === "scalar" && !item.text.includes("=") && item.text !== "default") {
      const message = `${formatPath([...path, index])}: "${item.text}" has no path of a key or socket`;
      report(item.place, message, "write id=path, or default for the agent of this shell");
    }
  }
  return pairsOf(node);
}

function dependencies(node: Node): Node {
  if (node.kind === "list") return namesOf(node, startedFirst);
  return mapEntries(node, (value) => {
    if (value.kind !== "map") return value;
    const conditioned = value.entries.has("condition")
      ? value
      : withEntry(value, "condition", textNode("service_started", filledIn));
    return conditioned.entries.has("required")
      ? conditioned
      : withEntry(conditioned, "required", flagNode(true, filledIn));
  });
}

function device(node: ScalarNode, { path, report }: Context): Node {
  const parts = node.text.split(":");
  if (parts.length > 3) {
    report(node.place, `${formatPath(path)}: "${node.text}" has too many colons`, "use the long form for it");
  }
  const [source = "", target, permissions] = parts;
  return mapOf(node.place, {
    source: withText(node, source),
    target: withText(node, target === undefined || target === "" ? source : target),
    permissions: permissions === undefined ? textNode("rwm", filledIn) : withText(node, permissions),
  });
}

function envFiles(node: Node): Node {
  const list = listOf(node);
  if (list.kind !== "list") return list;
  const items = list.items.map((item) => {
    const long = item.kind === "scalar" ? mapOf(item.place, { path: item }) : item;
    if (long.kind !== "map" || long.entries.has("required")) return long;
    return withEntry(long, "required", flagNode(true, filledIn));
  });
  return { ...list, items };
}

function gpus(node: Node): Node {
  if (node.kind !== "scalar" || isNull(node)) return node;
  return { kind: "list", place: node.place, items: [mapOf(node.place, { count: node })] };
}

function shellTest(node: ScalarNode): Node {
  return { kind: "list", place: node.place, items: [textNode("CMD-SHELL", node.place), node] };
}

/** One entry can say a range of ports, so the list is changed as a whole. */
function ports(node: Node, { path, report }: Context): Node {
  if (node.kind !== "list") return node;
  const items = node.items.flatMap((item, index): readonly Node[] => {
    if (item.kind !== "scalar") return [item];
    const parsed = parsePorts(item.text);
    if ("problem" in parsed) {
      report(item.place, `${formatPath([...path, index])}: ${parsed.problem}`);
      return [];
    }
    return parsed.map(({ hostIp, target, published, protocol }) =>
      mapOf(item.place, {
        mode: textNode("ingress", filledIn),
        host_ip: hostIp === undefined ? undefined : withText(item, hostIp),
        target: numberNode(target, item.place),
        published: published === undefined ? undefined : withText(item, published),
        protocol: textNode(protocol, item.text.includes("/") ? item.place : filledIn),
      }),
    );
  });
  return { ...node, items };
}

function volume(node: ScalarNode, { path, report }: Context): Node {
  const parsed = parseVolume(node.text);
  if ("problem" in parsed) {
    report(node.place, `${formatPath(path)}: ${parsed.problem}`);
    return node;
  }
  const { type, source, target, readOnly } = parsed;
  return mapOf(node.place, {
    type: textNode(type, node.place),
    source: source === undefined ? undefined : withText(node, source),
    target:
      target === undefined ? undefined : withText(node, posix.normalize(target).replace(/(.)\/$/, "$1")),
    read_only: readOnly ? flagNode(true, node.place) : undefined,
    bind: bindOptions(node, parsed),
    volume: volumeOptions(node, parsed),
  });
}

function bindOptions({ place }: ScalarNode, volume: ShortVolume): Node | undefined {
  const { type, propagation, selinux } = volume;
  if (type !== "bind" && propagation === undefined && selinux === undefined) return undefined;
  return mapOf(place, {
    propagation: propagation === undefined ? undefined : textNode(propagation, place),
    // The short form makes the directory that is missing, as it always did.
    create_host_path: type === "bind" ? flagNode(true, filledIn) : undefined,
    selinux: selinux === undefined ? undefined : textNode(selinux, place),
  });
}

function volumeOptions({ place }: ScalarNode, { type, nocopy, bare }: ShortVolume): Node | undefined {
  if (nocopy) return mapOf(place, { nocopy: flagNode(true, place) });
  return type === "volume" && !bare ? mapOf(filledIn, {}) : undefined;
}

/** `external: {name: …}` is the old form of `external: true` and `name`. */
function external(node: Node, { path, report, absorb }: Context): Node {
  const old = get(node, "external");
  if (node.kind !== "map" || old?.kind !== "map") return node;
  const marked = withEntry(node, "external", flagNode(true, old.place));
  const [name, oldName] = [get(node, "name"), get(old, "name")];
  if (!oldName) return marked;
  absorb([...path, "external", "name"], getEntry(old, "name")?.key ?? oldName.place, "applied");
  if (!name) return withEntry(marked, "name", oldName);
  if (textOf(name) !== textOf(oldName)) {
    report(oldName.place, `${formatPath(path)}: name and external.name differ`, "keep name alone");
  }
  return marked;
}
