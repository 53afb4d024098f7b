import { entriesOf, get, type MapNode, type Place } from "./node.js";

export interface Cycle {
  /** The services in it, the first one again at the end. */
  readonly names: readonly string[];
  /** Where the dependency stands that closes it. */
  readonly place: Place;
}

/** A circle in what services depend on, the same one on every run. */
export function findCycle(services: ReadonlyMap<string, MapNode>): Cycle | undefined {
  const done = new Set<string>();
  for (const name of [...services.keys()].sort()) {
    const cycle = search(services, [name], done);
    if (cycle) return cycle;
  }
  return undefined;
}

/** Depth first, without the call stack: a chain of services may be long. */
function search(
  services: ReadonlyMap<string, MapNode>,
  start: readonly string[],
  done: Set<string>,
): Cycle | undefined {
  const path: { readonly name: string; readonly left: Iterator<[string, Place]> }[] = [];
  const enter = (name: string): void => {
    const dependencies = [...entriesOf(get(services.get(name), "depends_on"))];
    const left = dependencies
      .map(([other, { key, value }]): [string, Place] => [other, key.kind === "file" ? key : value.place])
      .sort(([one], [other]) => (one < other ? -1 : 1));
    path.push({ name, left: left.values() });
  };
  for (const name of start) enter(name);
  for (let at = path.at(-1); at; at = path.at(-1)) {
    const next = at.left.next();
    if (next.done) {
      done.add(at.name);
      path.pop();
      continue;
    }
    const [name, place] = next.value;
    const index = path.findIndex((step) => step.name === name);
    if (index !== -1) return { names: [...path.slice(index).map((step) => step.name), name], place };
    if (!done.has(name) && services.has(name)) enter(name);
  }
  return undefined;
}
