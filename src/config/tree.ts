import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  parseDocument,
  Parser,
  type Alias,
  type CST,
  type Document,
  type Node,
  type Pair,
  type Scalar,
  type YAMLError,
  type YAMLMap,
} from "yaml";
import type { Problem } from "./problems.js";
import type { Span } from "./source.js";

// devloop.yaml as a tree of our own: aliases and merge keys resolved, each value with its place in the file.

export type VariableOrigin = "environment" | ".env" | "default";
export interface Variable {
  readonly name: string;
  readonly from: VariableOrigin;
}

interface Placed {
  readonly span: Span;
  /** The profile that the value comes from. */
  readonly profile?: string;
}
export interface ScalarNode extends Placed {
  readonly kind: "scalar";
  readonly value: string | number | boolean | null;
  /** The text as it stands in the file, quotes and escapes resolved: `1.10` for the number 1.1. */
  readonly text: string;
  /** The variables that its text was made of. */
  readonly variables?: readonly Variable[];
  /** A variable of an inactive profile is not set: the value is not known and not checked. */
  readonly unresolved?: true;
}
export interface ListNode extends Placed {
  readonly kind: "list";
  readonly items: readonly ConfigNode[];
}
export interface MapNode extends Placed {
  readonly kind: "map";
  readonly entries: ReadonlyMap<string, MapEntry>;
}
export interface MapEntry {
  readonly key: Span;
  readonly value: ConfigNode;
}
export type ConfigNode = ScalarNode | ListNode | MapNode;

/** Nodes that aliases may add: real files stay far below, an alias bomb goes far beyond. */
const aliasedNodesLimit = 10_000;
const depthLimit = 64;
/** Syntax errors that are looked at: after the first few the parser only guesses. */
const faultsLimit = 50;

/** What a file's text was read as. The tree is whole only when there are no problems. */
export interface ReadTree {
  readonly root: ConfigNode;
  readonly problems: readonly Problem[];
}

/** Parses one YAML document: 1.2 core rules, merge keys allowed. */
export function readTree(text: string): ReadTree {
  const whole: Span = { start: 0, end: 0 };
  const deep = findTooDeep(text);
  if (deep !== undefined) {
    const span = { start: deep, end: deep + 1 };
    return { root: nothing(whole), problems: [{ span, message: tooDeep }] };
  }
  const document = parseDocument(text, { prettyErrors: false, merge: false });
  const faults = [...document.errors, ...document.warnings].slice(0, faultsLimit);
  if (faults.length > 0) {
    return { root: nothing(whole), problems: faults.map((fault) => syntaxProblem(fault, text)) };
  }
  const reader = new TreeReader(document);
  return { root: reader.read(document.contents, whole), problems: reader.problems };
}

const tooDeep = `is nested deeper than ${depthLimit} levels`;

/**
 * Where a token stands that is nested too deeply. Looked for before the document is made: that recurses, and out of
 * stack inside a regular expression V8 ends the process. Tokens are made without recursion.
 */
function findTooDeep(text: string): number | undefined {
  const open: { token: CST.Token; depth: number }[] = [];
  for (const token of new Parser().parse(text)) open.push({ token, depth: 0 });
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { token, depth } = next;
    if (depth > depthLimit) return token.offset;
    if (token.type === "document" && token.value) open.push({ token: token.value, depth });
    if (!("items" in token)) continue;
    for (const { key, value } of token.items) {
      if (key) open.push({ token: key, depth: depth + 1 });
      if (value) open.push({ token: value, depth: depth + 1 });
    }
  }
  return undefined;
}

class TreeReader {
  readonly problems: Problem[] = [];
  /** The anchors being read: an alias to one of them would never end. */
  readonly #open = new Set<Node>();
  #aliasDepth = 0;
  #aliasedNodes = 0;

  constructor(private readonly document: Document.Parsed) {}

  read(node: Node | null, parent: Span, depth = 0): ConfigNode {
    if (node === null) return nothing(parent);
    const span = spanOf(node, parent);
    // Aliases can nest what the file does not.
    if (depth > depthLimit) return this.#refuse(span, tooDeep);
    if (this.#aliasDepth > 0 && ++this.#aliasedNodes > aliasedNodesLimit) {
      // Said once; every further alias ends at once, so that reading does too.
      if (this.#aliasedNodes > aliasedNodesLimit + 1) return nothing(span);
      return this.#refuse(
        span,
        `is repeated too often: aliases add more than ${aliasedNodesLimit} values to this file`,
      );
    }
    if (isAlias(node)) return this.#readAlias(node, span, depth);
    if (isScalar(node)) return readScalar(node, span);
    if (isMap(node)) return this.#within(node, () => this.#readMap(node, span, depth));
    if (isSeq(node)) {
      return this.#within(node, () => ({
        kind: "list",
        span,
        items: node.items.map((item) => this.read(item as Node | null, span, depth + 1)),
      }));
    }
    return this.#refuse(span, "is not a kind of YAML value that can stand here");
  }

  #readAlias(alias: Alias, span: Span, depth: number): ConfigNode {
    const target = alias.resolve(this.document);
    if (target === undefined) return this.#refuse(span, `*${alias.source} names no anchor above it`);
    if (this.#open.has(target)) return this.#refuse(span, `*${alias.source} contains itself`);
    this.#aliasDepth++;
    try {
      return this.read(target, span, depth + 1);
    } finally {
      this.#aliasDepth--;
    }
  }

  #readMap(map: YAMLMap, span: Span, depth: number): MapNode {
    const own = new Map<string, MapEntry>();
    const merged = new Map<string, MapEntry>();
    for (const pair of map.items as Pair<Node | null, Node | null>[]) {
      const key = pair.key;
      const keySpan = spanOf(key, span);
      const read = this.read(pair.value, keySpan, depth + 1);
      // A key with nothing after it: the key is what there is to point at.
      const value = read.span.start === read.span.end ? { ...read, span: keySpan } : read;
      const name = isScalar(key) ? keyName(key) : undefined;
      if (name === undefined) {
        this.#refuse(keySpan, "a key must be plain text");
      } else if (name === "<<") {
        this.#merge(value, merged);
      } else if (name === "__proto__") {
        this.#refuse(keySpan, 'unknown key "__proto__"');
      } else if (own.has(name)) {
        this.#refuse(keySpan, `the key "${name}" stands here twice`);
      } else {
        own.set(name, { key: keySpan, value });
      }
    }
    return { kind: "map", span, entries: new Map([...merged, ...own]) };
  }

  /** What `<<` brings: of several maps the first that has a key wins. */
  #merge(value: ConfigNode, into: Map<string, MapEntry>): void {
    for (const source of value.kind === "list" ? value.items : [value]) {
      if (source.kind !== "map") {
        this.#refuse(source.span, "<< takes a map or a list of maps");
        continue;
      }
      for (const [name, entry] of source.entries) if (!into.has(name)) into.set(name, entry);
    }
  }

  #within<T>(node: Node, read: () => T): T {
    this.#open.add(node);
    try {
      return read();
    } finally {
      this.#open.delete(node);
    }
  }

  #refuse(span: Span, message: string): ScalarNode {
    this.problems.push({ span, message });
    return nothing(span);
  }
}

function nothing(span: Span): ScalarNode {
  return { kind: "scalar", value: null, text: "", span };
}

function readScalar(node: Scalar, span: Span): ScalarNode {
  const { value } = node;
  const known =
    typeof value === "string" || typeof value === "number" || typeof value === "boolean" || value === null;
  const text = typeof value === "string" ? value : (node.source ?? "");
  return { kind: "scalar", value: known ? value : text, text, span };
}

function keyName(key: Scalar): string | undefined {
  if (typeof key.value === "string") return key.value;
  // Under `%YAML 1.1` the parser marks the merge key itself.
  if (typeof key.value === "symbol") return key.value.description;
  return key.value === null ? undefined : key.source;
}

function spanOf(node: Node | null, fallback: Span): Span {
  return node?.range ? { start: node.range[0], end: node.range[1] } : fallback;
}

/** The line that holds `offset`, as far as it is near: a line may be as long as the file. */
function lineAround(text: string, offset: number): string {
  const before = text.slice(Math.max(0, offset - nearby), offset);
  const after = text.slice(offset, offset + nearby);
  return `${before.slice(before.lastIndexOf("\n") + 1)}${after.split("\n", 1)[0] ?? ""}`;
}
const nearby = 200;

function syntaxProblem({ code, message, pos }: YAMLError, text: string): Problem {
  const span = { start: pos[0], end: pos[1] };
  switch (code) {
    case "DUPLICATE_KEY": {
      const key = /^[^\s:]+/.exec(text.slice(span.start))?.[0] ?? "";
      return {
        span: { start: span.start, end: span.start + key.length },
        message: `the key "${key.replace(/^["']|["']$/g, "")}" stands here twice`,
      };
    }
    case "TAB_AS_INDENT":
      return { span, message: "a tab cannot indent YAML; use spaces" };
    case "MULTIPLE_DOCS":
      return { span, message: "only one YAML document can stand in this file" };
    case "TAG_RESOLVE_FAILED":
      return { span, message: `unknown tag ${text.slice(span.start, span.end)}` };
    default:
      if (/[{[][^"']*[{[,:]\s*\$\{/.test(lineAround(text, span.start))) {
        return {
          span,
          message: "is not valid YAML: a brace where none can stand",
          hint: 'inside { } and [ ] a variable stands in quotes: "${NAME}"',
        };
      }
      return { span, message: `is not valid YAML: ${message.charAt(0).toLowerCase()}${message.slice(1)}` };
  }
}
