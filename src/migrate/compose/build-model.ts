import { formatPath, kindsOf } from "./check.js";
import { numberOf } from "./check-scalar.js";
import { filePlace } from "./interpolate.js";
import { pathKey, type ComposeOrigin, type ModelPath, type PlacedOrigin } from "./model.js";
import {
  isNull,
  nullNode,
  type Absorb,
  type Entry,
  type MapNode,
  type Node,
  type Place,
  type Report,
  type ScalarNode,
} from "./node.js";
import { hostMap, listOf, namesOf, pairsOf } from "./pairs.js";
import { parseBytes, parseDuration, parseFlag, parseMode } from "./quantities.js";
import { any, type Shape } from "./shape.js";
import { splitCommand } from "./shell-words.js";

/** Makes plain data of trees, and notes where all of it came from. */
export class ModelBuilder {
  readonly origins = new Map<string, PlacedOrigin>();

  constructor(
    private readonly report: Report,
    private readonly absorb: Absorb,
  ) {}

  /** The entry's value by its shape; undefined when there is nothing in it. */
  build({ key, value }: Entry, shape: Shape, path: ModelPath): unknown {
    const stands = pathKey(path);
    this.origins.set(stands, { path, origin: originOf(key, value) });
    const built = this.#value(value, shape, path);
    if (built === undefined) {
      this.origins.delete(stands);
      if (key.kind === "file") this.absorb(path, key, "empty");
    }
    return built;
  }

  /** Notes where a section of the top level stands. */
  section({ key, value }: Entry, path: ModelPath): void {
    this.origins.set(pathKey(path), { path, origin: originOf(key, value) });
  }

  #value(node: Node, shape: Shape, path: ModelPath): unknown {
    switch (shape.kind) {
      case "any":
        return this.#any(node, path);
      case "choice": {
        const fitting = shape.of.find((other) => kindsOf(other).includes(node.kind));
        return fitting && this.#value(node, fitting, path);
      }
      case "map":
        return node.kind === "map" ? this.#map(node, (name) => shape.keys[name] ?? any, path) : undefined;
      case "dict":
        return this.#dict(shape.names ? namesOf(node, (item) => nullNode(item.place)) : node, shape, path);
      case "list":
        return this.#list(shape.single ? listOf(node) : node, shape.of, path);
      case "pairs":
        return this.#pairs(pairsOf(node), shape.nulls, path);
      case "hosts":
        return this.#dict(hostMap(node), { of: { kind: "list", of: { kind: "text" } } }, path);
      case "command":
        return this.#command(node, path);
      default:
        return node.kind === "scalar" ? scalarValue(node, shape) : undefined;
    }
  }

  #any(node: Node, path: ModelPath): unknown {
    if (node.kind === "scalar") return node.value;
    return node.kind === "list"
      ? this.#list(node, any, path)
      : this.#dict(node, { of: any, nulls: "kept" }, path);
  }

  #map(node: MapNode, shapeOf: (name: string) => Shape, path: ModelPath): Record<string, unknown> {
    const result: Record<string, unknown> = {};
    for (const [name, entry] of node.entries) {
      const value = this.build(entry, shapeOf(name), [...path, name]);
      if (value !== undefined) result[name] = value;
    }
    return result;
  }

  #dict(
    node: Node,
    { of, nulls }: { readonly of: Shape; readonly nulls?: "kept" | "maps" },
    path: ModelPath,
  ): unknown {
    if (node.kind !== "map") return undefined;
    const result: Record<string, unknown> = {};
    for (const [name, entry] of node.entries) {
      const at = [...path, name];
      if (nulls && isNull(entry.value)) {
        this.origins.set(pathKey(at), { path: at, origin: originOf(entry.key, entry.value) });
        result[name] = nulls === "kept" ? null : {};
      } else {
        const value = this.build(entry, of, at);
        if (value !== undefined) result[name] = value;
      }
    }
    return result;
  }

  #list(node: Node, of: Shape, path: ModelPath): unknown {
    if (node.kind !== "list") return undefined;
    return node.items.map((item, index) =>
      this.build({ key: item.place, value: item }, of, [...path, index]),
    );
  }

  #pairs(node: Node, nulls: "kept" | "empty", path: ModelPath): unknown {
    return this.#dict(
      node,
      { of: { kind: "text", also: ["null"] }, ...(nulls === "kept" ? { nulls } : {}) },
      path,
    );
  }

  #command(node: Node, path: ModelPath): unknown {
    if (isNull(node)) return null;
    if (node.kind !== "scalar") return this.#list(node, { kind: "text" }, path);
    const words = splitCommand(node.text);
    if (words === undefined) {
      const message = `${formatPath(path)}: quotes or parentheses are not in pairs`;
      this.report(node.place, message, "put the arguments into a list, each by itself");
      return [];
    }
    for (const index of words.keys()) {
      const at = [...path, index];
      this.origins.set(pathKey(at), { path: at, origin: originOf(node.place, node) });
    }
    return words;
  }
}

function scalarValue(
  node: ScalarNode,
  shape: Extract<Shape, { kind: "text" | "flag" | "number" | "bytes" | "duration" | "mode" }>,
): unknown {
  const { value, text } = node;
  // A text that is null is an empty one where the schema lets it stand.
  if (value === null) return shape.kind === "text" && shape.also?.includes("null") ? "" : undefined;
  switch (shape.kind) {
    case "text":
      return text;
    case "flag":
      return typeof value === "boolean" ? value : parseFlag(text);
    case "number":
      return numberOf(node, shape);
    case "bytes":
      return typeof value === "number" ? value : parseBytes(text);
    case "duration":
      return parseDuration(text);
    case "mode":
      return typeof value === "number" ? value : parseMode(text);
  }
}

function originOf(key: Place, value: Node): ComposeOrigin {
  if (key.kind !== "file") return key;
  const { visit, span } = key;
  const place = value.away ? filePlace(value.place) : undefined;
  return {
    kind: "file",
    file: visit.source.file,
    ...visit.source.position(span.start),
    ...(place === undefined ? {} : { value: place }),
    layer: visit.layer,
    via: visit.via,
    ...(value.kind === "scalar" && value.raw !== undefined ? { raw: value.raw } : {}),
    ...(value.kind === "scalar" && value.variables !== undefined ? { variables: value.variables } : {}),
  };
}
