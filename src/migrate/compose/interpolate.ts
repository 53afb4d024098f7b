import type { FilePlace, UnsetVariable } from "./model.js";
import type { Node, Place, Report, ScalarNode } from "./node.js";
import { substitute, type Lookup } from "./substitute.js";

export interface InterpolateOptions {
  readonly lookup: Lookup;
  readonly report: Report;
  readonly unset: (variable: UnsetVariable) => void;
}

/** The tree with the variables of every text value replaced. Keys stay as they are. */
export function interpolateNode(node: Node, options: InterpolateOptions): Node {
  switch (node.kind) {
    case "scalar":
      return interpolateScalar(node, options);
    case "list":
      return { ...node, items: node.items.map((item) => interpolateNode(item, options)) };
    case "map":
      return {
        ...node,
        entries: new Map(
          [...node.entries].map(([name, entry]) => [
            name,
            { ...entry, value: interpolateNode(entry.value, options) },
          ]),
        ),
      };
  }
}

function interpolateScalar(node: ScalarNode, { lookup, report, unset }: InterpolateOptions): ScalarNode {
  if (typeof node.value !== "string" || !node.value.includes("$")) return node;
  const { text, variables, failures } = substitute(node.value, lookup);
  for (const { reference, message, hint } of failures) report(within(node.place, reference), message, hint);
  for (const { name, from } of variables) {
    const place = filePlace(node.place);
    if (from === "unset" && place) unset({ name, ...place });
  }
  return { ...node, value: text, text, raw: node.value, variables };
}

/** Where a piece of a value stands in it; a folded or escaped one may read differently in the file. */
function within(place: Place, piece: string): Place {
  if (place.kind !== "file") return place;
  const { span, visit } = place;
  const index = visit.source.text.slice(span.start, span.end).indexOf(piece);
  if (index === -1) return place;
  return {
    ...place,
    span: { start: span.start + index, end: span.start + index + piece.length },
  };
}

/** A place as the model tells it. */
export function filePlace(place: Place): FilePlace | undefined {
  if (place.kind !== "file") return undefined;
  return { file: place.visit.source.file, ...place.visit.source.position(place.span.start) };
}
