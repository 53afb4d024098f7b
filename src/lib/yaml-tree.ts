import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  parseAllDocuments,
  parseDocument,
  Parser,
  type Alias,
  type CST,
  type Document,
  type Node,
  type Pair,
  type Scalar,
  type YAMLError,
  type YAMLMap as YamlMapNode,
} from "yaml";
import type { Problem } from "./problems.js";
import type { Span } from "./source.js";

// A YAML file as a tree of our own: aliases and merge keys resolved, each value with its place in the file.

interface Placed {
  readonly span: Span;
  /** A tag that the caller allows, as it is written: `!reset`. */
  readonly tag?: string;
  /** The `*name` that stands for it elsewhere. */
  readonly alias?: Span;
}
export interface YamlScalar extends Placed {
  readonly kind: "scalar";
  readonly value: string | number | boolean | null;
  /** The text as it stands in the file, quotes and escapes resolved: `1.10` for the number 1.1. */
  readonly text: string;
  /** It stands without quotes and without a tag: what kind of value it is follows from its text. */
  readonly plain?: true;
}
export interface YamlList extends Placed {
  readonly kind: "list";
  readonly items: readonly YamlNode[];
}
export interface YamlMap extends Placed {
  readonly kind: "map";
  readonly entries: ReadonlyMap<string, YamlEntry>;
  /** Every `<<` in it. */
  readonly merges: readonly Span[];
}
export interface YamlEntry {
  readonly key: Span;
  readonly value: YamlNode;
  /** The `<<` that brought it. */
  readonly merge?: Span;
}
export type YamlNode = YamlScalar | YamlList | YamlMap;

const depthLimit = 64;
/** Syntax errors that are looked at: after the first few the parser only guesses. */
const faultsLimit = 50;

/** What a file's text was read as. The trees are whole only when there are no problems. */
export interface ReadYaml {
  /** One a document; a file with nothing in it has one all the same. */
  readonly roots: readonly YamlNode[];
  readonly problems: readonly Problem[];
}

export interface ReadYamlOptions {
  /** Tags of the caller's own. */
  readonly tags?: readonly string[];
  /** Several documents (`---`) may stand in the file. */
  readonly several?: boolean;
  /** Nodes that aliases may add: real files stay far below, an alias bomb goes far beyond. */
  readonly aliasedNodesLimit?: number;
}

/** Parses YAML: 1.2 core rules, merge keys allowed. */
export function readYaml(text: string, options: ReadYamlOptions = {}): ReadYaml {
  const whole: Span = { start: 0, end: 0 };
  const deep = findTooDeep(text);
  if (deep !== undefined) {
    const span = { start: deep, end: deep + 1 };
    return { roots: [nothing(whole)], problems: [{ span, message: tooDeep }] };
  }
  const documents = parse(text, options.several ?? false);
  const faults = documents
    .flatMap((document) => [...document.errors, ...document.warnings])
    .filter((fault) => !isKnownTag(fault, text, options.tags ?? []))
    .slice(0, faultsLimit);
  if (faults.length > 0) {
    return { roots: [nothing(whole)], problems: faults.map((fault) => syntaxProblem(fault, text)) };
  }
  const limit = options.aliasedNodesLimit ?? 10_000;
  const read = documents.map((document) => {
    const reader = new TreeReader(document, limit);
    return { root: reader.read(document.contents, whole), problems: reader.problems };
  });
  return { roots: read.map(({ root }) => root), problems: read.flatMap(({ problems }) => problems) };
}

function parse(text: string, several: boolean): readonly Document.Parsed[] {
  const options = { prettyErrors: false, merge: false } as const;
  if (!several) return [parseDocument(text, options)];
  const documents = parseAllDocuments(text, options);
  return documents.length === 0 ? [parseDocument(text, options)] : (documents as Document.Parsed[]);
}

function isKnownTag({ code, pos }: YAMLError, text: string, tags: readonly string[]): boolean {
  return code === "TAG_RESOLVE_FAILED" && tags.includes(text.slice(pos[0], pos[1]));
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

  constructor(
    private readonly document: Document.Parsed,
    private readonly aliasedNodesLimit: number,
  ) {}

  read(node: Node | null, parent: Span, depth = 0): YamlNode {
    if (node === null) return nothing(parent);
    const span = spanOf(node, parent);
    // Aliases can nest what the file does not.
    if (depth > depthLimit) return this.#refuse(span, tooDeep);
    if (this.#aliasDepth > 0 && ++this.#aliasedNodes > this.aliasedNodesLimit) {
      // Said once; every further alias ends at once, so that reading does too.
      if (this.#aliasedNodes > this.aliasedNodesLimit + 1) return nothing(span);
      return this.#refuse(
        span,
        `is repeated too often: aliases add more than ${this.aliasedNodesLimit} values to this file`,
      );
    }
    if (isAlias(node)) return this.#readAlias(node, span, depth);
    const tag = node.tag?.startsWith("!") ? { tag: node.tag } : {};
    if (isScalar(node)) return { ...readScalar(node, span), ...tag };
    if (isMap(node)) return { ...this.#within(node, () => this.#readMap(node, span, depth)), ...tag };
    if (isSeq(node)) {
      return this.#within(node, () => ({
        kind: "list",
        span,
        ...tag,
        items: node.items.map((item) => this.read(item as Node | null, span, depth + 1)),
      }));
    }
    return this.#refuse(span, "is not a kind of YAML value that can stand here");
  }

  #readAlias(alias: Alias, span: Span, depth: number): YamlNode {
    const target = alias.resolve(this.document);
    if (target === undefined) return this.#refuse(span, `*${alias.source} names no anchor above it`);
    if (this.#open.has(target)) return this.#refuse(span, `*${alias.source} contains itself`);
    this.#aliasDepth++;
    try {
      return { ...this.read(target, span, depth + 1), alias: span };
    } finally {
      this.#aliasDepth--;
    }
  }

  #readMap(map: YamlMapNode, span: Span, depth: number): YamlMap {
    const own = new Map<string, YamlEntry>();
    const merged = new Map<string, YamlEntry>();
    const merges: Span[] = [];
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
        merges.push(keySpan);
        this.#merge(value, keySpan, merged);
      } else if (name === "__proto__") {
        this.#refuse(keySpan, 'unknown key "__proto__"');
      } else if (own.has(name)) {
        this.#refuse(keySpan, `the key "${name}" stands here twice`);
      } else {
        own.set(name, { key: keySpan, value });
      }
    }
    return { kind: "map", span, entries: new Map([...merged, ...own]), merges };
  }

  /** What `<<` brings: of several maps the first that has a key wins. */
  #merge(value: YamlNode, merge: Span, into: Map<string, YamlEntry>): void {
    for (const source of value.kind === "list" ? value.items : [value]) {
      if (source.kind !== "map") {
        this.#refuse(source.span, "<< takes a map or a list of maps");
        continue;
      }
      for (const [name, entry] of source.entries) if (!into.has(name)) into.set(name, { ...entry, merge });
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

  #refuse(span: Span, message: string): YamlScalar {
    this.problems.push({ span, message });
    return nothing(span);
  }
}

function nothing(span: Span): YamlScalar {
  return { kind: "scalar", value: null, text: "", span };
}

function readScalar(node: Scalar, span: Span): YamlScalar {
  const { value } = node;
  const known =
    typeof value === "string" || typeof value === "number" || typeof value === "boolean" || value === null;
  const text = typeof value === "string" ? value : (node.source ?? "");
  const plain = node.type === "PLAIN" && node.tag === undefined ? { plain: true as const } : {};
  return { kind: "scalar", value: known ? value : text, text, span, ...plain };
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
