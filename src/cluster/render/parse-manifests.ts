import { LineCounter, parseAllDocuments, type Document, type ParsedNode } from "yaml";
import { DevloopError } from "../../lib/errors.js";
import type { KubeObject } from "../kube.js";

/**
 * The Kubernetes objects in a YAML or JSON text of any number of documents; lists are taken apart, empty documents
 * skipped. `source` names the text in errors: RENDER_FAILED with `source:line`.
 */
export function parseManifests(
  text: string,
  source: string,
  { repeatedKeys = false }: { readonly repeatedKeys?: boolean } = {},
): KubeObject[] {
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, {
    lineCounter: lines,
    prettyErrors: false,
    uniqueKeys: !repeatedKeys,
    // Kubernetes reads YAML 1.1, where 0644 is octal and `yes` is true, but for times and for numbers to the base of
    // 60, which its parser leaves as text.
    version: "1.1",
    schema: "yaml-1.1",
    customTags: (tags) =>
      tags.filter(
        (tag) =>
          typeof tag === "string" || (tag.tag !== "tag:yaml.org,2002:timestamp" && tag.format !== "TIME"),
      ),
  });
  if (!Array.isArray(documents)) return [];
  return documents.flatMap((document) => {
    const line = (offset: number) => `${source}:${lines.linePos(offset).line}`;
    const [error] = document.errors;
    if (error) throw new DevloopError("RENDER_FAILED", `${line(error.pos[0])}: ${error.message}`);
    const at = line(startOf(document, text));
    return objectsOf(toPlain(document, at), at);
  });
}

function startOf(document: Document.Parsed, text: string): number {
  const node: ParsedNode | null = document.contents;
  const start = node ? node.range[0] : document.range[0];
  return start + (/^\s*/.exec(text.slice(start))?.[0].length ?? 0);
}

function toPlain(document: Document.Parsed, at: string): unknown {
  try {
    return document.toJS() as unknown;
  } catch (error) {
    // An alias without its anchor shows only here.
    throw new DevloopError("RENDER_FAILED", `${at}: ${String(error)}`, { cause: error });
  }
}

function objectsOf(value: unknown, at: string): KubeObject[] {
  if (value === null || value === undefined) return [];
  if (!isRecord(value)) {
    throw new DevloopError("RENDER_FAILED", `${at}: not a Kubernetes object: ${JSON.stringify(value)}`);
  }
  const { apiVersion, kind, metadata } = value;
  for (const [field, found] of Object.entries({ apiVersion, kind })) {
    if (typeof found !== "string" || found === "") {
      throw new DevloopError("RENDER_FAILED", `${at}: a Kubernetes object without ${field}`);
    }
  }
  if (typeof kind === "string" && kind.endsWith("List") && Array.isArray(value["items"])) {
    return (value["items"] as unknown[]).flatMap((item) => objectsOf(item, at));
  }
  if (!isRecord(metadata) || typeof metadata["name"] !== "string" || metadata["name"] === "") {
    const hint =
      isRecord(metadata) && metadata["generateName"] !== undefined
        ? "an object with generateName would be made anew by every apply: give it a name"
        : undefined;
    throw new DevloopError("RENDER_FAILED", `${at}: ${String(kind)} without metadata.name`, { hint });
  }
  return [value as KubeObject];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
