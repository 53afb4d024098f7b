import type { ContainerEngine } from "../../engine/container-engine.js";
import type { KubeObject } from "../../engine/kube-object.js";
import { label } from "./labels.js";
import { templateOf } from "./templates.js";

/**
 * The images that workloads on the engine may start at any time, of every project, each with who needs it: `CronJob dev/report`.
 * What runs holds its image by itself; a workload without pods has nothing but its labels to say so.
 */
export async function deployedImages(
  engine: Pick<ContainerEngine, "containers">,
  { signal }: { readonly signal: AbortSignal },
): Promise<ReadonlyMap<string, string>> {
  const found = await engine.containers([label.workload], { all: true, signal });
  const texts = new Set(found.map(({ labels }) => labels[label.workload] ?? ""));
  return new Map(
    [...texts].flatMap((text) => {
      const object = JSON.parse(text) as KubeObject;
      const { namespace = "", name } = object.metadata;
      const { containers, initContainers = [] } = templateOf(object).spec;
      return [...initContainers, ...containers].flatMap(({ image }): [string, string][] =>
        image === undefined ? [] : [[image, `${object.kind} ${namespace}/${name}`]],
      );
    }),
  );
}
