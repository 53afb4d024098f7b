import { nearest } from "../lib/nearest.js";
import { DevloopError } from "../lib/errors.js";
import type { Lookup } from "./interpolate.js";
import { printable } from "../lib/source.js";
import type { ConfigNode, MapEntry, MapNode } from "./tree.js";

export interface ActivationSurroundings {
  /** Names asked for; `-name` switches off one that would be active by itself. The last mention of a name counts. */
  readonly requested: readonly string[];
  readonly lookup: Lookup;
  /** The kubeconfig context, when known. */
  readonly context: string | undefined;
  /** The file's path as messages show it. */
  readonly shown: string;
}

/**
 * The names of the active profiles in the order they are declared: those asked for and those whose activation matches.
 * One that is there for several others together counts those that are active without such an entry. `profiles` is the
 * file's map, variables replaced. Throws CONFIG_INVALID for a name that is not there.
 */
export function activeProfiles(profiles: MapNode, surroundings: ActivationSurroundings): readonly string[] {
  const wanted = new Map<string, boolean>();
  for (const request of surroundings.requested) {
    const off = request.startsWith("-");
    const name = off ? request.slice(1) : request;
    if (!profiles.entries.has(name)) throw unknownProfile(name, [...profiles.entries.keys()], surroundings);
    wanted.set(name, !off);
  }
  const activeBeside = (others: ReadonlySet<string>): readonly string[] =>
    [...profiles.entries]
      .filter(([name, { value }]) => wanted.get(name) ?? activatesItself(value, others))
      .map(([name]) => name);
  return activeBeside(new Set(activeBeside(new Set())));

  function activatesItself(profile: ConfigNode, others: ReadonlySet<string>): boolean {
    const activation = profile.kind === "map" ? profile.entries.get("activation")?.value : undefined;
    return activation?.kind === "list" && activation.items.some((entry) => matches(entry, others));
  }

  function matches(entry: ConfigNode, others: ReadonlySet<string>): boolean {
    if (entry.kind !== "map") return false;
    const env = textOf(entry.entries.get("env")?.value);
    const pattern = textOf(entry.entries.get("context")?.value);
    const together = namesOf(entry.entries.get("profiles")?.value);
    const unknown = together.find((name) => !profiles.entries.has(name));
    if (unknown !== undefined) throw unknownProfile(unknown, [...profiles.entries.keys()], surroundings);
    if (env === undefined && pattern === undefined && together.length === 0) return false;
    const { lookup, context } = surroundings;
    return (
      together.every((name) => others.has(name)) &&
      (env === undefined || matchesVariable(env, lookup)) &&
      (pattern === undefined || (context !== undefined && wildcard(pattern).test(context)))
    );
  }
}

const namesOf = (list: ConfigNode | undefined): readonly string[] =>
  list?.kind === "list" ? list.items.flatMap((item) => textOf(item) ?? []) : [];

/**
 * `over` merged into `base`: maps merge key by key, everything else is replaced. What comes from `over` carries the
 * profile's name. An empty value (`images:` with nothing after it) leaves a map as it is.
 */
export function mergeProfile(base: ConfigNode, over: ConfigNode, profile: string): ConfigNode {
  if (base.kind === "map" && over.kind === "scalar" && over.value === null) return base;
  if (base.kind !== "map" || over.kind !== "map") return tagged(over, profile);
  const entries = new Map<string, MapEntry>(base.entries);
  for (const [name, { key, value }] of over.entries) {
    const below = base.entries.get(name);
    entries.set(name, {
      key,
      value: below === undefined ? tagged(value, profile) : mergeProfile(below.value, value, profile),
    });
  }
  return { ...base, entries };
}

function tagged(node: ConfigNode, profile: string): ConfigNode {
  switch (node.kind) {
    case "scalar":
      return { ...node, profile };
    case "list":
      return { ...node, profile, items: node.items.map((item) => tagged(item, profile)) };
    case "map":
      return {
        ...node,
        profile,
        entries: new Map(
          [...node.entries].map(([name, { key, value }]) => [name, { key, value: tagged(value, profile) }]),
        ),
      };
  }
}

function matchesVariable(condition: string, lookup: Lookup): boolean {
  const [, name = "", , value] = /^([^=]*)(=([^]*))?$/.exec(condition) ?? [];
  const found = lookup(name)?.value;
  return value === undefined ? found !== undefined && found !== "" : found === value;
}

function wildcard(pattern: string): RegExp {
  return new RegExp(`^${pattern.split(/\*+/).map(escapeRegExp).join("[^]*")}$`);
}

function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}

function textOf(value: ConfigNode | undefined): string | undefined {
  return value?.kind === "scalar" && value.unresolved !== true ? value.text : undefined;
}

function unknownProfile(
  name: string,
  known: readonly string[],
  { shown }: ActivationSurroundings,
): DevloopError {
  const meant = nearest(name, known);
  return new DevloopError(
    "CONFIG_INVALID",
    `${shown} has no profile "${name}"${meant === undefined ? "" : ` — did you mean "${meant}"?`}`,
    {
      hint:
        known.length === 0 ? "it declares no profiles" : `its profiles: ${known.map(printable).join(", ")}`,
    },
  );
}
