import type { Environment } from "./environment.js";
import {
  entriesOf,
  get,
  isNull,
  mapEntries,
  textNode,
  textOf,
  withEntry,
  type MapNode,
  type Node,
} from "./node.js";

/**
 * What files take from their own environment, which for an included project is not that of the others: names without
 * a value in a list (`- HOME`), and what configs and secrets name with `environment`.
 */
export function resolveOwn(root: MapNode, environment: Environment): MapNode {
  return mapEntries(root, (value, name) => {
    switch (name) {
      case "services":
        return mapEntries(value, (service) => withListedNames(service, environment));
      case "configs":
      case "secrets":
        return mapEntries(value, (resource) => withContent(resource, environment));
      default:
        return value;
    }
  });
}

function withListedNames(service: Node, environment: Environment): Node {
  const variables = get(service, "environment");
  if (service.kind !== "map" || variables?.kind !== "map") return service;
  // Compose leaves names of a map (`HOME:`) for later, when only the project's own environment counts.
  const resolved = mapEntries(variables, (value, name, { key }) =>
    key === value.place ? valueOf(value, name, environment) : value,
  );
  return withEntry(service, "environment", resolved);
}

/** The value of a name that has none, of the environment; itself where that has none either. */
function valueOf(value: Node, name: string, environment: Environment): Node {
  const found = isNull(value) ? environment.get(name) : undefined;
  return found === undefined ? value : textNode(found, { kind: "environment", variable: name });
}

function withContent(resource: Node, environment: Environment): Node {
  const name = textOf(get(resource, "environment"));
  const found = name === undefined ? undefined : environment.get(name);
  if (name === undefined || found === undefined || resource.kind !== "map") return resource;
  return withEntry(resource, "content", textNode(found, { kind: "environment", variable: name }));
}

/** Names without a value resolved; without `keep` those that are set nowhere go. */
export function resolveNames(variables: Node, environment: Environment, keep: boolean): Node {
  return mapEntries(variables, (value, name) => {
    const resolved = valueOf(value, name, environment);
    return isNull(resolved) && !keep ? undefined : resolved;
  });
}

/** The variables of a map by name. */
export function variablesOf(node: Node | undefined): ReadonlyMap<string, string> {
  return new Map(
    [...entriesOf(node)].flatMap(([name, { value }]) => {
      const text = textOf(value);
      return text === undefined ? [] : [[name, text] as const];
    }),
  );
}
