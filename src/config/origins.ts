import { formatPath, type Path } from "./path.js";
import { givenEntries } from "./plain.js";
import { childSchema, type Schema } from "./schema-walk.js";
import type { Source } from "../lib/source.js";
import type { ConfigNode, Variable } from "./tree.js";

/** What set a value. */
export type Origin =
  | {
      readonly kind: "file";
      /** Absolute path. */
      readonly file: string;
      /** From 1, of the value (not its key). */
      readonly line: number;
      readonly column: number;
      readonly profile?: string;
      readonly variables?: readonly Variable[];
    }
  | { readonly kind: "default" };

/**
 * The origin of every value, map and list of the configuration, by its place (`images.web.args.PORT`, `forwards[0]`).
 * What stands in `config` and not in the tree is a default.
 */
export function collectOrigins(
  source: Source,
  root: ConfigNode,
  schema: Schema,
  config: unknown,
): ReadonlyMap<string, Origin> {
  const origins = new Map<string, Origin>();
  addDefaults(config, [], origins);
  addNodes(root, schema, [], source, origins);
  return origins;
}

function addNodes(
  node: ConfigNode,
  schema: Schema | undefined,
  path: Path,
  source: Source,
  origins: Map<string, Origin>,
): void {
  origins.set(formatPath(path), originOf(node, source));
  if (node.kind === "list") {
    for (const [index, item] of node.items.entries()) {
      addNodes(item, childSchema(schema, index), [...path, index], source, origins);
    }
  }
  if (node.kind === "map") {
    for (const [name, value] of givenEntries(node, schema)) {
      addNodes(value, childSchema(schema, name), [...path, name], source, origins);
    }
  }
}

function originOf(node: ConfigNode, source: Source): Origin {
  return {
    kind: "file",
    file: source.file,
    ...source.position(node.span.start),
    ...(node.profile === undefined ? {} : { profile: node.profile }),
    ...(node.kind === "scalar" && node.variables !== undefined ? { variables: node.variables } : {}),
  };
}

function addDefaults(value: unknown, path: Path, origins: Map<string, Origin>): void {
  if (value === undefined) return;
  origins.set(formatPath(path), { kind: "default" });
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) addDefaults(item, [...path, index], origins);
  } else if (typeof value === "object" && value !== null) {
    for (const [name, item] of Object.entries(value)) addDefaults(item, [...path, name], origins);
  }
}
