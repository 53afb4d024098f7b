import { acceptedKinds, childSchema, isOptional, type Schema } from "./schema-walk.js";
import type { ConfigNode, MapNode, ScalarNode } from "./tree.js";

/**
 * The tree as plain data for zod, each value read as its schema wants it:
 * a number or boolean where only text can stand is its text (`1.10` stays `1.10`); interpolated text where
 * a number or boolean can stand is read by YAML's core rules; nothing where a map or list must stand is an empty
 * one; an optional value that interpolation left empty is not given at all.
 */
export function toPlain(node: ConfigNode, schema: Schema | undefined): unknown {
  switch (node.kind) {
    case "scalar":
      return scalarValue(node, schema);
    case "list":
      return node.items.map((item, index) => toPlain(item, childSchema(schema, index)));
    case "map":
      return Object.fromEntries(
        givenEntries(node, schema).map(([name, value]) => [name, toPlain(value, childSchema(schema, name))]),
      );
  }
}

/** The entries of a map that count: all but optional ones that interpolation left empty. */
export function givenEntries(
  node: MapNode,
  schema: Schema | undefined,
): readonly (readonly [string, ConfigNode])[] {
  return [...node.entries]
    .map(([name, { value }]) => [name, value] as const)
    .filter(([name, value]) => !(isEmptied(value) && isOptional(childSchema(schema, name))));
}

function isEmptied(node: ConfigNode): boolean {
  return node.kind === "scalar" && node.variables !== undefined && node.value === "";
}

function scalarValue({ value, text, variables }: ScalarNode, schema: Schema | undefined): unknown {
  const kinds = acceptedKinds(schema);
  if (value === null) return kinds.has("map") ? {} : kinds.has("list") ? [] : null;
  if (typeof value === "number" || typeof value === "boolean") {
    const kind = typeof value === "number" ? "number" : "boolean";
    return kinds.has("text") && !kinds.has(kind) ? text : value;
  }
  // In quotes too: inside { } YAML lets ${VAR} stand in no other way.
  if (variables === undefined) return value;
  if (kinds.has("boolean") && /^(?:true|True|TRUE|false|False|FALSE)$/.test(value)) {
    return value.toLowerCase() === "true";
  }
  return (kinds.has("number") ? coreNumber(value) : undefined) ?? value;
}

/** The number that the text is by YAML 1.2's core rules; undefined for any other text. */
export function coreNumber(text: string): number | undefined {
  if (/^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/.test(text)) return Number(text);
  return /^0o[0-7]+$|^0x[0-9a-fA-F]+$/.test(text) ? Number(text) : undefined;
}
