import type { KubeObject } from "../../engine/kube-object.js";
import type { FindConfig, PodObject } from "./objects.js";

/** What was applied in this session, by deploy. */
export interface AppliedObjects {
  has(deploy: string): boolean;
  deploys(): readonly string[];
  all(): readonly KubeObject[];
  /** Replaces a deploy's objects; `running`: the pods that may still need what it had before. */
  set(deploy: string, objects: readonly KubeObject[], running: readonly PodObject[]): void;
  delete(deploy: string): void;
  readonly find: FindConfig;
  /** Finds what was applied before as well, as long as a pod that ran then names it. */
  readonly findFormer: FindConfig;
}

export function appliedObjects(): AppliedObjects {
  const applied = new Map<string, readonly KubeObject[]>();
  /** By deploy: the ConfigMaps and Secrets that it had before. */
  const former = new Map<string, readonly KubeObject[]>();
  const all = (): readonly KubeObject[] => [...applied.values()].flat();
  const find: FindConfig = (kind, home, name) => all().find(isNamed(kind, home, name));
  return {
    has: (deploy) => applied.has(deploy),
    deploys: () => [...applied.keys()],
    all,
    set(deploy, objects, running) {
      const before = [...(applied.get(deploy) ?? []), ...(former.get(deploy) ?? [])].filter(
        ({ kind, metadata: { namespace = "", name } }) =>
          (kind === "ConfigMap" || kind === "Secret") &&
          !objects.some(isNamed(kind, namespace, name)) &&
          running.some((pod) => pod.metadata.namespace === namespace && names(pod, name)),
      );
      former.set(deploy, before);
      applied.set(deploy, objects);
    },
    delete(deploy) {
      applied.delete(deploy);
      former.delete(deploy);
    },
    find,
    findFormer: (kind, home, name) =>
      find(kind, home, name) ?? [...former.values()].flat().find(isNamed(kind, home, name)),
  };
}

function isNamed(kind: string, home: string, name: string): (object: KubeObject) => boolean {
  return ({ kind: of, metadata }) => of === kind && metadata.namespace === home && metadata.name === name;
}

/** A name stands in many places of a spec, and always as a whole value. */
function names({ spec }: PodObject, name: string): boolean {
  return JSON.stringify(spec).includes(JSON.stringify(name));
}
