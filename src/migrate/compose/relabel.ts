import type { Via } from "./model.js";
import type { Node, Place, Visit } from "./node.js";

/** The tree as one that came by `via`: how each value of it came before comes after that. */
export function cameBy(node: Node, via: Via, layer: number): Node {
  const visits = new Map<Visit, Visit>();
  return relabel(node, (place) => {
    if (place.kind !== "file") return place;
    const known = visits.get(place.visit);
    const visit = known ?? { ...place.visit, layer, via: [via, ...place.visit.via] };
    if (!known) visits.set(place.visit, visit);
    return { ...place, visit };
  });
}

function relabel(node: Node, change: (place: Place) => Place): Node {
  const place = change(node.place);
  switch (node.kind) {
    case "scalar":
      return { ...node, place };
    case "list":
      return { ...node, place, items: node.items.map((item) => relabel(item, change)) };
    case "map":
      return {
        ...node,
        place,
        entries: new Map(
          [...node.entries].map(([name, { key, value }]) => [
            name,
            { key: change(key), value: relabel(value, change) },
          ]),
        ),
      };
  }
}
