import type { State } from "../engine/state.js";
import type { Resource } from "../engine/resources.js";

/** A line of the table. */
export type Row = Resource;

/** What the table shows: a forward stands with the workload that it leads to, unless it failed. */
export function screenRows(state: State, resources: readonly Resource[]): readonly Row[] {
  const names = new Set(Object.values(state.workloads).map(({ name }) => name));
  return resources.filter(
    ({ kind, subject, health }) =>
      kind !== "forward" || health === "bad" || !names.has(state.forwards[subject]?.spec.name ?? ""),
  );
}
