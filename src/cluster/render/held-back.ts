import type { HeldObject } from "../../engine/target.js";
import type { KubeObject } from "../kube.js";
import { podSpecs } from "./pod-specs.js";

/** The workloads that wait for others, and everything else. `later` has what each waits for, by the workload's name. */
export function heldBack(
  objects: readonly KubeObject[],
  later: Readonly<Record<string, string>>,
): { held: HeldObject[]; others: KubeObject[] } {
  const held = objects.flatMap((object) => {
    const until = later[object.metadata.name];
    return until !== undefined && podSpecs(object).length > 0 ? [{ object, until }] : [];
  });
  const kept = new Set(held.map(({ object }) => object));
  return { held, others: objects.filter((object) => !kept.has(object)) };
}
