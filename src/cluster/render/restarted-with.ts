import type { KubeObject } from "../../engine/kube-object.js";
import { hashJson } from "../../lib/canonical-json.js";
import { podSpecs, type PodTemplate } from "./pod-specs.js";

/** On the pods of a workload that is started anew with others: a hash of what those start. */
export const restartedWithAnnotation = "devloop.dev/restarted-with";

/**
 * The objects, with a hash of other workloads' pod templates on the pods of those that are started anew with them:
 * whenever the others get new pods by a change of what they run, these do. `restarts` has names of both. A pod that goes
 * by itself changes nothing. Names that no object has are left out of the hash.
 */
export function restartedWith(
  objects: readonly KubeObject[],
  restarts: Readonly<Record<string, readonly string[]>>,
): readonly KubeObject[] {
  const hashes = new Map<string, string>();
  const named = (name: string) =>
    objects.filter((object) => object.metadata.name === name && podSpecs(object).length > 0);
  // What restarts web may itself be restarted with db: then so is web. The config has no circles.
  const hashOf = (name: string): string => {
    const known = hashes.get(name);
    if (known !== undefined) return known;
    const hash = hashJson([named(name).map(templates), (restarts[name] ?? []).map(hashOf)]);
    hashes.set(name, hash);
    return hash;
  };
  return objects.map((object) => {
    const others = (restarts[object.metadata.name] ?? []).filter((other) => named(other).length > 0);
    if (others.length === 0 || templates(object).length === 0) return object;
    const copy = structuredClone(object);
    const mark = hashJson(others.map(hashOf)).slice(0, 16);
    for (const template of templates(copy)) {
      const { annotations } = template.metadata ?? {};
      template.metadata = {
        ...template.metadata,
        annotations: { ...annotations, [restartedWithAnnotation]: mark },
      };
    }
    return copy;
  });
}

/** Every pod template in an object, whatever its kind; a bare pod has none. The parts are the object's own. */
function templates(object: KubeObject): readonly PodTemplate[] {
  return podSpecs(object).flatMap(({ template }) => template ?? []);
}
