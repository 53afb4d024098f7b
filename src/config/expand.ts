import { interpolate, type Lookup } from "./interpolate.js";
import type { Problem } from "../lib/problems.js";
import type { Span } from "../lib/source.js";
import type { ConfigNode, ScalarNode } from "./tree.js";

export interface ExpandOptions {
  readonly text: string;
  readonly lookup: Lookup;
  /** Told what cannot be interpolated. Without it such a value stays as it is and is marked unresolved. */
  readonly report?: ((problem: Problem) => void) | undefined;
}

/** The tree with the variables of every text value replaced. Keys stay as they are. */
export function expand(node: ConfigNode, options: ExpandOptions): ConfigNode {
  switch (node.kind) {
    case "scalar":
      return expandScalar(node, options);
    case "list":
      return { ...node, items: node.items.map((item) => expand(item, options)) };
    case "map":
      return {
        ...node,
        entries: new Map(
          [...node.entries].map(([name, { key, value }]) => [name, { key, value: expand(value, options) }]),
        ),
      };
  }
}

function expandScalar(node: ScalarNode, { text, lookup, report }: ExpandOptions): ScalarNode {
  if (typeof node.value !== "string" || !node.value.includes("$")) return node;
  const result = interpolate(node.value, lookup);
  if (result.failures.length > 0) {
    for (const { reference, message, hint } of result.failures) {
      report?.({ span: locate(text, node.span, reference), message, hint });
    }
    return { ...node, unresolved: true };
  }
  return {
    ...node,
    value: result.text,
    text: result.text,
    ...(result.variables.length === 0 ? {} : { variables: result.variables }),
  };
}

/** Where the reference stands in the value; a folded or escaped one may read differently there. */
function locate(text: string, span: Span, reference: string): Span {
  const index = text.slice(span.start, span.end).indexOf(reference);
  return index === -1 ? span : { start: span.start + index, end: span.start + index + reference.length };
}
