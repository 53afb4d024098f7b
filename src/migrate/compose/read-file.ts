import { readFile, stat } from "node:fs/promises";
import { DevloopError, errorText } from "../../lib/errors.js";
import { createSource, type Source, type Span } from "../../lib/source.js";
import { readYaml, type YamlNode, type YamlScalar } from "../../lib/yaml-tree.js";
import type { Absorb, Entry, Node, Place, Report, ScalarNode, Visit } from "./node.js";
import { readPlain } from "./scalars.js";

/** A file beyond this is nobody's compose file; reading it would take ten seconds and more. */
const sizeLimit = 2_000_000;

/** Reads files once each: an extended file is read for every service that extends it. */
export class FileReader {
  readonly #sources = new Map<string, Source>();

  constructor(
    /** A path as messages show it. */
    readonly shown: (file: string) => string,
    private readonly signal: AbortSignal,
  ) {}

  /** Absolute paths of all files read. */
  get files(): readonly string[] {
    return [...this.#sources.keys()];
  }

  async has(file: string): Promise<boolean> {
    if (this.#sources.has(file)) return true;
    try {
      return (await stat(file)).isFile();
    } catch {
      return false;
    }
  }

  /** Throws COMPOSE_NOT_FOUND, or COMPOSE_INVALID for what cannot be read. */
  async read(file: string): Promise<Source> {
    const known = this.#sources.get(file);
    if (known) return known;
    this.signal.throwIfAborted();
    const shown = this.shown(file);
    const text = await readLimited(file, shown, this.signal);
    const source = createSource({ file, shown, text: text.replace(/^\uFEFF/, "") });
    this.#sources.set(file, source);
    return source;
  }
}

async function readLimited(file: string, shown: string, signal: AbortSignal): Promise<string> {
  try {
    const { size } = await stat(file);
    if (size > sizeLimit) {
      const megabytes = Math.round(size / 1e5) / 10;
      throw new DevloopError(
        "COMPOSE_INVALID",
        `${shown} has ${megabytes} MB; files above ${sizeLimit / 1e6} MB are not read`,
      );
    }
    return asText(await readFile(file, { signal }), shown);
  } catch (error) {
    if (error instanceof DevloopError || signal.aborted) throw error;
    throw readError(error, shown);
  }
}

function readError(cause: unknown, shown: string): DevloopError {
  switch ((cause as NodeJS.ErrnoException).code) {
    case "ENOENT":
    case "ENOTDIR":
      return new DevloopError("COMPOSE_NOT_FOUND", `there is no file ${shown}`, { cause });
    case "EISDIR":
      return new DevloopError("COMPOSE_INVALID", `${shown} is a directory, not a file`, { cause });
    case "EACCES":
      return new DevloopError("COMPOSE_INVALID", `${shown} may not be read: its permissions say no`, {
        cause,
      });
    default:
      return new DevloopError("COMPOSE_INVALID", `could not read ${shown}: ${errorText(cause)}`, { cause });
  }
}

/** YAML and env files are UTF-8; what stood in place of other bytes would become part of a name or a value unseen. */
function asText(bytes: Uint8Array, shown: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    const utf16 = (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff);
    throw new DevloopError("COMPOSE_INVALID", `${shown} is not UTF-8 text`, {
      hint: utf16 ? "it looks like UTF-16: save it as UTF-8" : "save it as UTF-8",
      cause,
    });
  }
}

/** One document of a file. */
export interface ReadDocument {
  readonly root: Node;
  /** The places whose values, as files before have them, are to go: those of `!reset` and `!override`. */
  readonly resets: readonly (readonly string[])[];
}

/** The documents of a file as trees, `!reset` and `!override` applied to themselves. */
export function readDocuments(visit: Visit, report: Report, absorb: Absorb): readonly ReadDocument[] {
  const { source } = visit;
  const at = (span: Span): Place => ({ kind: "file", visit, span });
  const { roots, problems } = readYaml(source.text, {
    tags: ["!reset", "!override"],
    several: true,
    aliasedNodesLimit: 100_000,
  });
  for (const { span, message, hint } of problems) report(at(span), message, hint);
  if (problems.length > 0) return [];
  return roots.map((root) => {
    const converter = new Converter(visit, report, absorb);
    return { root: converter.convert(root, []), resets: converter.resets };
  });
}

class Converter {
  readonly resets: (readonly string[])[] = [];

  constructor(
    private readonly visit: Visit,
    private readonly report: Report,
    private readonly absorb: Absorb,
  ) {}

  convert(node: YamlNode, path: readonly string[], visit = this.visit): Node {
    if (node.tag === "!override") this.resets.push(path);
    const placed = {
      place: { kind: "file", visit, span: node.span } as const,
      ...(node.alias === undefined ? {} : { away: true as const }),
    };
    switch (node.kind) {
      case "scalar":
        return { kind: "scalar", ...readScalar(node), ...placed };
      case "list":
        return {
          kind: "list",
          ...placed,
          items: node.items.flatMap((item, index) =>
            this.#kept(item, item.span, [...path, String(index)], visit),
          ),
        };
      case "map": {
        const entries = new Map<string, Entry>();
        for (const span of node.merges)
          this.absorb([...path, "<<"], { kind: "file", visit, span }, "applied");
        for (const [name, { key, value, merge }] of node.entries) {
          this.#checkKey(name, key);
          const within = merge === undefined ? visit : this.#mergedBy(visit, merge);
          const [kept] = this.#kept(value, key, [...path, name], within);
          if (kept) entries.set(name, { key: { kind: "file", visit: within, span: key }, value: kept });
        }
        return { kind: "map", ...placed, entries };
      }
    }
  }

  /** Compose takes texts for keys, and `1:` or `true:` is none. */
  #checkKey(name: string, span: Span): void {
    const { source } = this.visit;
    if (source.text.slice(span.start, span.end) !== name || typeof readPlain(name).value === "string") return;
    const place: Place = { kind: "file", visit: this.visit, span };
    this.report(place, `the key ${name} is not text`, `put quotes around it: "${name}"`);
  }

  #kept(node: YamlNode, key: Span, path: readonly string[], visit: Visit): readonly Node[] {
    if (node.tag !== "!reset") return [this.convert(node, path, visit)];
    this.resets.push(path);
    this.absorb(path, { kind: "file", visit, span: key }, "reset");
    return [];
  }

  #mergedBy(visit: Visit, merge: Span): Visit {
    const { source } = visit;
    const via = { kind: "merge" as const, file: source.file, ...source.position(merge.start) };
    return { ...visit, via: [...visit.via, via] };
  }
}

function readScalar(node: YamlScalar): Pick<ScalarNode, "value" | "text"> {
  return node.plain ? readPlain(node.text) : { value: node.value, text: node.text };
}
