import type { z } from "zod";
import { nearest } from "../lib/nearest.js";
import { formatPath, type Path } from "./path.js";
import { coreNumber, toPlain } from "./plain.js";
import type { Problem } from "../lib/problems.js";
import { acceptedKinds, childSchema, validKeys, type Kind, type Schema } from "./schema-walk.js";
import { hidden, madeOfSecrets } from "./secret.js";
import type { Span } from "../lib/source.js";
import type { ConfigNode } from "./tree.js";

export interface Validated<T> {
  /** Undefined when there are problems. */
  readonly value?: T;
  readonly problems: readonly Problem[];
}

/** Checks a tree by its schema. */
export function validate<S extends z.ZodType>(schema: S, root: ConfigNode): Validated<z.output<S>> {
  const result = schema.safeParse(toPlain(root, schema));
  if (result.success) return { value: result.data, problems: [] };
  return { problems: result.error.issues.flatMap((issue) => new IssueReader(schema, root).read(issue)) };
}

type Issue = z.core.$ZodIssue;

/** Turns zod's issues into sentences with a place. */
class IssueReader {
  constructor(
    private readonly schema: Schema,
    private readonly root: ConfigNode,
  ) {}

  read(issue: Issue, parent: Path = []): readonly Problem[] {
    const path = [...parent, ...issue.path];
    const node = find(this.root, path);
    // Not known until its profile is active.
    if (isUnresolved(node)) return [];
    switch (issue.code) {
      case "unrecognized_keys":
        return issue.keys.map((key) => this.#unknownKey(path, key));
      case "invalid_type":
        return [node === undefined ? this.#missing(path) : this.#wrongType(path, node)];
      case "invalid_union":
        return this.#union(path, node, issue.errors);
      case "invalid_value":
        return [this.#invalidValue(path, node, issue.values)];
      case "too_small":
        return [this.#value(path, node, tooSmall(issue.origin, Number(issue.minimum)))];
      case "too_big":
        return [this.#value(path, node, `must be at most ${String(issue.maximum)}`)];
      case "invalid_key":
        return issue.issues.map(({ message }) => this.#invalidKey(path, message));
      case "custom":
        // The check looked at several keys, and one of them is not known.
        if (node?.kind === "map" && [...node.entries.values()].some(({ value }) => isUnresolved(value)))
          return [];
        return [{ span: this.#span(path), message: this.#about(path, issue.message) }];
      default:
        return [this.#value(path, node, issue.message)];
    }
  }

  #unknownKey(path: Path, key: string): Problem {
    const valid = validKeys(this.#schemaAt(path));
    const meant = nearest(key, valid);
    const map = find(this.root, path);
    const span = map?.kind === "map" ? map.entries.get(key)?.key : undefined;
    const where = formatPath(path);
    return {
      span: span ?? this.#span(path),
      message: `unknown key "${key}"${meant === undefined ? (where === "" ? "" : ` in ${where}`) : ` — did you mean "${meant}"?`}`,
      hint: meant === undefined && valid.length > 0 ? `valid keys here: ${valid.join(", ")}` : undefined,
    };
  }

  #missing(path: Path): Problem {
    const key = String(path.at(-1));
    const owner = path.slice(0, -1);
    return {
      span: this.#span(owner),
      message: this.#about(owner, `"${key}" is missing`),
      hint: key === "version" ? "begin the file with: version: 1" : undefined,
    };
  }

  #wrongType(path: Path, node: ConfigNode): Problem {
    const kinds = acceptedKinds(this.#schemaAt(path));
    const whole = node.kind === "scalar" && typeof this.#plain(path, node) === "number";
    const expected = kinds.has("number") && whole ? "a whole number" : kindList(kinds);
    return {
      span: node.span,
      message: this.#about(path, `expected ${expected}, got ${this.#describe(path, node)}`),
      hint: this.#hint(path, node),
    };
  }

  #union(
    path: Path,
    node: ConfigNode | undefined,
    errors: readonly (readonly Issue[])[],
  ): readonly Problem[] {
    if (node === undefined) return [this.#missing(path)];
    // The option that takes this kind of value is the one that was meant.
    const meant = errors.find((issues) =>
      issues.every(({ code, path: inner }) => !(code === "invalid_type" && inner.length === 0)),
    );
    if (meant === undefined) return [this.#wrongType(path, node)];
    return meant.flatMap((issue) => this.read(issue, path));
  }

  #invalidValue(path: Path, node: ConfigNode | undefined, values: readonly unknown[]): Problem {
    if (node === undefined) return this.#missing(path);
    const options = values.map(String);
    const list = options.join(", ");
    const value = this.#plain(path, node);
    if (options.length === 1) {
      return {
        span: node.span,
        message: this.#about(path, `expected ${list}, got ${this.#describe(path, node)}`),
        hint: path.at(-1) === "version" ? "this devloop reads version 1 of the format" : undefined,
      };
    }
    if (typeof value !== "string") {
      return {
        span: node.span,
        message: this.#about(path, `expected one of ${list}; got ${this.#describe(path, node)}`),
      };
    }
    const meant = nearest(value, options);
    return this.#value(
      path,
      node,
      `is not one of ${list}${meant === undefined ? "" : ` — did you mean "${meant}"?`}`,
    );
  }

  #invalidKey(path: Path, message: string): Problem {
    const owner = find(this.root, path.slice(0, -1));
    const key = String(path.at(-1));
    const span = owner?.kind === "map" ? owner.entries.get(key)?.key : undefined;
    return {
      span: span ?? this.#span(path),
      message: this.#about(path.slice(0, -1), `"${key}" ${key === "" ? "must not be empty" : message}`),
    };
  }

  /** `path: "value" must …` */
  #value(path: Path, node: ConfigNode | undefined, message: string): Problem {
    if (node === undefined) return this.#missing(path);
    const empty = message === "must not be empty";
    const shown = node.kind === "scalar" && !empty ? `${this.#shown(path, node)} ` : "";
    return {
      span: node.span,
      message: this.#about(path, `${shown}${message}`),
      hint: this.#hint(path, node),
    };
  }

  #hint(path: Path, node: ConfigNode): string | undefined {
    if (node.kind !== "scalar") return undefined;
    if (node.value === null) return "give it a value, or take the key away";
    const quotedNumber = typeof node.value === "string" && coreNumber(node.value) !== undefined;
    const kinds = acceptedKinds(this.#schemaAt(path));
    return quotedNumber && kinds.has("number") ? "a number stands without quotes" : undefined;
  }

  #about(path: Path, sentence: string): string {
    const where = formatPath(path);
    return where === "" ? sentence : `${where}: ${sentence}`;
  }

  #span(path: Path): Span {
    for (let length = path.length; length >= 0; length--) {
      const node = find(this.root, path.slice(0, length));
      if (node !== undefined) return node.span;
    }
    return this.root.span;
  }

  #schemaAt(path: Path): Schema | undefined {
    return path.reduce<Schema | undefined>(
      (schema, key) => childSchema(schema, typeof key === "number" ? key : String(key)),
      this.schema,
    );
  }

  #plain(path: Path, node: ConfigNode): unknown {
    return toPlain(node, this.#schemaAt(path));
  }

  /** The value with the kind that it was read as: `text "abc"`, `the number 3`, `a list`. */
  #describe(path: Path, node: ConfigNode): string {
    if (node.kind === "list") return "a list";
    if (node.kind === "map") return "a map";
    const value = this.#plain(path, node);
    if (value === null) return "nothing";
    const shown = this.#shown(path, node);
    if (typeof value === "string") return `text ${shown}`;
    return typeof value === "number" ? `the number ${shown}` : shown;
  }

  #shown(path: Path, node: ConfigNode): string {
    if (node.kind !== "scalar") return "";
    if (madeOfSecrets(node.variables)) return hidden;
    const value = this.#plain(path, node);
    const text = typeof value === "string" ? JSON.stringify(value) : String(value);
    return text.length > 80 ? `${text.slice(0, 77)}…` : text;
  }
}

/** The node at a place; undefined where there is none. */
export function find(root: ConfigNode, path: Path): ConfigNode | undefined {
  let node: ConfigNode | undefined = root;
  for (const key of path) {
    if (node?.kind === "list" && typeof key === "number") node = node.items[key];
    else if (node?.kind === "map") node = node.entries.get(String(key))?.value;
    else return undefined;
  }
  return node;
}

function isUnresolved(node: ConfigNode | undefined): boolean {
  return node?.kind === "scalar" && node.unresolved === true;
}

function tooSmall(origin: string, minimum: number): string {
  return origin === "string" || origin === "array" ? "must not be empty" : `must be at least ${minimum}`;
}

const kindNames: Readonly<Record<Kind, string>> = {
  text: "text",
  number: "a number",
  boolean: "true or false",
  map: "a map of keys",
  list: "a list",
};

function kindList(kinds: ReadonlySet<Kind>): string {
  return [...kinds].map((kind) => kindNames[kind]).join(" or ");
}
