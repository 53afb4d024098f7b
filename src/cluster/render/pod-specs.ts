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
export interface PodTemplate {
  metadata?: { annotations?: Record<string, string>; [field: string]: unknown };
}
export interface PodPlace {
  readonly spec: PodSpec;
  /** What pods are made by; undefined where the object is the pod. */
  readonly template: PodTemplate | undefined;
  /** Its containers are to end, and are not started anew when they did well. */
  readonly runsToEnd: boolean;
}

/** Every pod's specification in an object, whatever its kind: they stand in custom ones too. The parts are the object's own. */
export function podSpecs(object: KubeObject): readonly PodPlace[] {
  return [...find(object, object)];
}

function* find(node: unknown, parent: object, root = parent): Generator<PodPlace> {
  if (Array.isArray(node)) {
    for (const child of node) yield* find(child, node, root);
    return;
  }
  if (typeof node !== "object" || node === null) return;
  const { containers, restartPolicy } = node as PodSpec;
  if (Array.isArray(containers)) {
    yield {
      spec: node,
      template: parent === root ? undefined : parent,
      runsToEnd: restartPolicy === "Never" || restartPolicy === "OnFailure",
    };
    return;
  }
  for (const [key, child] of Object.entries(node)) {
    if (key !== "metadata" && key !== "status") yield* find(child, node, root);
  }
}
