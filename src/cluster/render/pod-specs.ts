import type { KubeObject } from "../kube.js";

/** A container as far as devloop changes it. */
export interface ContainerSpec {
  name?: string;
  image?: string;
  restartPolicy?: string;
  command?: string[];
  args?: string[];
  volumeMounts?: object[];
}
export interface PodSpec {
  restartPolicy?: string;
  containers?: ContainerSpec[];
  initContainers?: ContainerSpec[];
  volumes?: object[];
}
export interface PodPlace {
  readonly spec: PodSpec;
  /** Its containers are to end, and are not started anew when they did well. */
  readonly runsToEnd: boolean;
}

/** Every pod's specification in an object, whatever its kind: they stand in custom ones too. The parts are the object's own. */
export function podSpecs(object: KubeObject): readonly PodPlace[] {
  return [...find(object)];
}

function* find(node: unknown): Generator<PodPlace> {
  if (Array.isArray(node)) {
    for (const child of node) yield* find(child);
    return;
  }
  if (typeof node !== "object" || node === null) return;
  const { containers, restartPolicy } = node as PodSpec;
  if (Array.isArray(containers)) {
    yield { spec: node, runsToEnd: restartPolicy === "Never" || restartPolicy === "OnFailure" };
    return;
  }
  for (const [key, child] of Object.entries(node)) {
    if (key !== "metadata" && key !== "status") yield* find(child);
  }
}
