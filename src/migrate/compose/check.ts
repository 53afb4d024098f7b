import { nearest } from "../../lib/nearest.js";
import { described, scalarProblem, wanted } from "./check-scalar.js";
import type { ModelPath } from "./model.js";
import { sameValue, type ListNode, type MapNode, type Node, type Place, type Report } from "./node.js";
import type { ChoiceShape, DictShape, ListShape, MapShape, Shape } from "./shape.js";

/** A place in the model as messages write it: `services.web.ports[0]`. */
export function formatPath(path: ModelPath): string {
  return path.reduce<string>(
    (text, key) => (typeof key === "number" ? `${text}[${key}]` : `${text}${text === "" ? "" : "."}${key}`),
    "",
  );
}

/** Reports everything that the schema does not allow. `above` is the place told where a value has none of its own. */
export function checkShape(node: Node, shape: Shape, path: ModelPath, report: Report, above: Place): void {
  new Checker(report).check(node, shape, path, above);
}

class Checker {
  constructor(private readonly report: Report) {}

  check(node: Node, shape: Shape, path: ModelPath, above: Place): void {
    const at = placeOf(node, above);
    switch (shape.kind) {
      case "any":
        return;
      case "choice":
        this.#checkChoice(node, shape, path, above);
        return;
      case "map":
        this.#checkMap(node, shape, path, at);
        return;
      case "dict":
        this.#checkDict(node, shape, path, at);
        return;
      case "list":
        this.#checkList(node, shape, path, at);
        return;
      case "pairs":
        this.#checkPairs(node, path, at);
        return;
      case "hosts":
        this.#checkHosts(node, path, at);
        return;
      case "command":
        if (node.kind === "scalar" && (node.value === null || typeof node.value === "string")) return;
        if (node.kind === "list") this.#checkItems(node, { kind: "text" }, path, at);
        else this.#unexpected(at, path, "text or a list", node);
        return;
      default: {
        const wrong = scalarProblem(node, shape);
        if (wrong !== undefined) this.#say(at, path, wrong.message, wrong.hint);
      }
    }
  }

  #checkChoice(node: Node, shape: ChoiceShape, path: ModelPath, above: Place): void {
    const fitting = shape.of.find((other) => kindsOf(other).includes(node.kind));
    if (fitting) this.check(node, fitting, path, above);
    else this.#unexpected(placeOf(node, above), path, shape.of.map(wanted).join(" or "), node);
  }

  #checkMap(node: Node, shape: MapShape, path: ModelPath, at: Place): void {
    if (node.kind === "scalar" && node.value === null && shape.nullable) return;
    if (node.kind !== "map") {
      this.#unexpected(at, path, "a map of keys", node);
      return;
    }
    for (const [name, { key, value }] of node.entries) {
      const known = Object.hasOwn(shape.keys, name) ? shape.keys[name] : undefined;
      if (known) this.check(value, known, [...path, name], fileOr(key, at));
      else if (!name.startsWith("x-") || shape.closed) this.#unknownKey(name, shape, path, fileOr(key, at));
    }
    for (const name of shape.required ?? []) {
      if (!node.entries.has(name)) this.#say(at, path, `"${name}" is missing`);
    }
  }

  #unknownKey(name: string, shape: MapShape, path: ModelPath, at: Place): void {
    const names = Object.keys(shape.keys);
    const near = nearest(name, names);
    const where = path.length === 0 ? "" : ` in ${formatPath(path)}`;
    if (near !== undefined) this.report(at, `unknown key "${name}"${where} — did you mean "${near}"?`);
    else
      this.report(
        at,
        `unknown key "${name}"${where}`,
        names.length > 12 ? undefined : `valid keys here: ${names.join(", ")}`,
      );
  }

  #checkDict(node: Node, shape: DictShape, path: ModelPath, at: Place): void {
    if (node.kind === "list" && shape.names) {
      this.#checkItems(node, { kind: "text" }, path, at);
      this.#checkUnique(node, path, at);
      return;
    }
    if (node.kind !== "map") {
      this.#unexpected(at, path, shape.names ? "a map or a list of names" : "a map", node);
      return;
    }
    for (const [name, { key, value }] of node.entries) {
      const place = fileOr(key, at);
      if (shape.key?.test(name) === false) this.#badName(name, path, place);
      if (shape.nulls && value.kind === "scalar" && value.value === null) continue;
      this.check(value, shape.of, [...path, name], place);
    }
  }

  #badName(name: string, path: ModelPath, at: Place): void {
    const shown = `"${name}" cannot be a name in ${formatPath(path)}`;
    this.report(at, shown, "names have letters, digits, dots, underscores and hyphens");
  }

  #checkList(node: Node, shape: ListShape, path: ModelPath, at: Place): void {
    if (node.kind === "list") {
      this.#checkItems(node, shape.of, path, at);
      if (shape.unique) this.#checkUnique(node, path, at);
    } else if (shape.single && node.kind === "scalar" && node.value !== null) {
      this.check(node, shape.of, path, at);
    } else {
      this.#unexpected(at, path, shape.single ? "text or a list" : "a list", node);
    }
  }

  #checkItems(node: ListNode, of: Shape, path: ModelPath, at: Place): void {
    for (const [index, item] of node.items.entries()) this.check(item, of, [...path, index], at);
  }

  #checkUnique(node: ListNode, path: ModelPath, at: Place): void {
    // Texts are told apart by a set: pairs of thousands of items would take their time.
    const texts = new Map<string, number>();
    for (const [index, item] of node.items.entries()) {
      const equal =
        item.kind === "scalar"
          ? texts.get(`${typeof item.value} ${item.text}`)
          : node.items.slice(0, index).findIndex((other) => sameValue(item, other));
      if (item.kind === "scalar") texts.set(`${typeof item.value} ${item.text}`, index);
      if (equal === undefined || equal === -1) continue;
      this.#say(placeOf(item, at), [...path, index], `stands in the list twice (first as item ${equal})`);
    }
  }

  #checkPairs(node: Node, path: ModelPath, at: Place): void {
    if (node.kind === "list") {
      this.#checkItems(node, { kind: "text" }, path, at);
      this.#checkUnique(node, path, at);
      for (const [index, item] of node.items.entries()) {
        if (item.kind === "scalar" && /^[^=]*\s(?:=|$)/.test(item.text)) {
          this.#say(placeOf(item, at), [...path, index], "has a space before its =");
        }
      }
    } else if (node.kind === "map") {
      for (const [name, { key, value }] of node.entries) {
        if (value.kind === "scalar") continue;
        this.#unexpected(placeOf(value, fileOr(key, at)), [...path, name], "text", value);
      }
    } else {
      this.#unexpected(at, path, "a map or a list of KEY=value", node);
    }
  }

  #checkHosts(node: Node, path: ModelPath, at: Place): void {
    if (node.kind === "list") {
      this.#checkItems(node, { kind: "text" }, path, at);
      for (const [index, item] of node.items.entries()) {
        if (item.kind === "scalar" && !/[=:]/.test(item.text)) {
          this.#say(
            placeOf(item, at),
            [...path, index],
            `"${item.text}" has no address`,
            "write host=address",
          );
        }
      }
    } else if (node.kind === "map") {
      this.#checkHostMap(node, path, at);
    } else {
      this.#unexpected(at, path, "a map or a list of host=address", node);
    }
  }

  #checkHostMap(node: MapNode, path: ModelPath, at: Place): void {
    for (const [name, { key, value }] of node.entries) {
      const place = fileOr(key, at);
      if (name === "" || /[:=]/.test(name)) this.report(place, `"${name}" is not a host name`);
      this.check(value, { kind: "list", of: { kind: "text" }, single: true }, [...path, name], place);
    }
  }

  #unexpected(at: Place, path: ModelPath, expected: string, node: Node): void {
    const hint =
      node.kind === "scalar" && node.value === null ? "give it a value, or take the key away" : undefined;
    this.#say(at, path, `expected ${expected}, got ${described(node)}`, hint);
  }

  #say(at: Place, path: ModelPath, message: string, hint?: string): void {
    this.report(at, path.length === 0 ? message : `${formatPath(path)}: ${message}`, hint);
  }
}

function fileOr(place: Place, above: Place): Place {
  return place.kind === "file" ? place : above;
}

/** Where to point at: at the value, or at the key where nothing stands after it. */
function placeOf(node: Node, above: Place): Place {
  if (node.place.kind !== "file") return above;
  return node.place.span.start === node.place.span.end ? above : node.place;
}

/** The kinds of node that a shape can be. */
export function kindsOf(shape: Shape): readonly Node["kind"][] {
  switch (shape.kind) {
    case "map":
      return shape.nullable ? ["map", "scalar"] : ["map"];
    case "dict":
      return shape.names ? ["map", "list"] : ["map"];
    case "list":
      return shape.single ? ["list", "scalar"] : ["list"];
    case "pairs":
    case "hosts":
      return ["map", "list"];
    case "command":
      return ["scalar", "list"];
    case "any":
      return ["scalar", "list", "map"];
    case "choice":
      return shape.of.flatMap(kindsOf);
    default:
      return ["scalar"];
  }
}
