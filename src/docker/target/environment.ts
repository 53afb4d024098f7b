import { type ContainerSpec, configValues, type EnvVar, type FindConfig, PodConfigError } from "./objects.js";
import { bytesOf, cpusOf } from "./quantities.js";

/** What the downward API tells a pod of itself. */
export interface PodFacts {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly podIP: string;
  readonly hostIP: string;
  readonly nodeName: string;
}

/**
 * A container's environment: envFrom first, then env in order, each seeing those before it as `$(NAME)`, and the Services' variables,
 * which yield to all others. Throws PodConfigError for what it names and is not there.
 */
export function environmentOf(
  container: ContainerSpec,
  pod: PodFacts,
  find: FindConfig,
  {
    containers,
    links,
  }: { readonly containers: readonly ContainerSpec[]; readonly links: ReadonlyMap<string, string> },
): ReadonlyMap<string, string> {
  const result = new Map<string, string>();
  for (const { prefix = "", configMapRef, secretRef } of container.envFrom ?? []) {
    const [kind, ref] = configMapRef
      ? (["ConfigMap", configMapRef] as const)
      : (["Secret", secretRef] as const);
    if (!ref) continue;
    const found = find(kind, pod.namespace, ref.name);
    if (!found && ref.optional !== true) throw missing(kind, ref.name);
    // Bytes are for files alone.
    const { binaryData: _, ...texts } = found ?? { apiVersion: "v1", kind, metadata: { name: ref.name } };
    for (const [key, value] of configValues(texts)) {
      // Keys that are no names of variables are left out, as the kubelet does.
      if (/^[-._a-zA-Z][-._a-zA-Z0-9]*$/.test(prefix + key)) result.set(prefix + key, value.toString("utf8"));
    }
  }
  for (const variable of container.env ?? []) {
    const value = valueOf(variable, { container, containers, pod, find });
    if (value === undefined) continue;
    result.set(
      variable.name,
      variable.valueFrom ? value : expand(value, (name) => result.get(name) ?? links.get(name)),
    );
  }
  for (const [name, value] of links) if (!result.has(name)) result.set(name, value);
  return result;
}

function valueOf(
  { value, valueFrom }: EnvVar,
  {
    container,
    containers,
    pod,
    find,
  }: {
    readonly container: ContainerSpec;
    readonly containers: readonly ContainerSpec[];
    readonly pod: PodFacts;
    readonly find: FindConfig;
  },
): string | undefined {
  if (!valueFrom) return value ?? "";
  const { configMapKeyRef, secretKeyRef, fieldRef, resourceFieldRef } = valueFrom;
  if (fieldRef) return fieldOf(fieldRef.fieldPath, pod);
  if (resourceFieldRef) {
    const of = containers.find(({ name }) => name === resourceFieldRef.containerName) ?? container;
    return resourceOf(resourceFieldRef.resource, resourceFieldRef.divisor, of);
  }
  const [kind, ref] = configMapKeyRef
    ? (["ConfigMap", configMapKeyRef] as const)
    : (["Secret", secretKeyRef] as const);
  if (!ref) return "";
  const found = find(kind, pod.namespace, ref.name);
  if (!found) {
    if (ref.optional === true) return undefined;
    throw missing(kind, ref.name);
  }
  const text = configValues(found).get(ref.key)?.toString("utf8");
  if (text === undefined && ref.optional !== true)
    throw new PodConfigError(`couldn't find key ${ref.key} in ${kind} ${pod.namespace}/${ref.name}`);
  return text;
}

/** A field of the downward API. Throws PodConfigError for one that there is not. */
export function fieldOf(path: string, pod: PodFacts): string {
  const keyed = /^metadata\.(labels|annotations)\['(.*)'\]$/.exec(path);
  if (keyed) return (keyed[1] === "labels" ? pod.labels : pod.annotations)[keyed[2] ?? ""] ?? "";
  const listed = (values: Readonly<Record<string, string>>): string =>
    Object.entries(values)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
      .join("\n");
  const fields: Readonly<Record<string, string>> = {
    "metadata.name": pod.name,
    "metadata.namespace": pod.namespace,
    "metadata.uid": pod.uid,
    "metadata.labels": listed(pod.labels),
    "metadata.annotations": listed(pod.annotations),
    "spec.nodeName": pod.nodeName,
    "spec.serviceAccountName": "default",
    "status.podIP": pod.podIP,
    "status.podIPs": pod.podIP,
    "status.hostIP": pod.hostIP,
    "status.hostIPs": pod.hostIP,
  };
  const value = fields[path];
  if (value === undefined) throw new PodConfigError(`there is no field ${path} of a pod`);
  return value;
}

function resourceOf(resource: string, divisor: string | undefined, container: ContainerSpec): string {
  const [, field = ""] = resource.split(".");
  const limits: Readonly<Record<string, string | number>> = container.resources?.limits ?? {};
  const by = divisor === undefined || divisor === "0" ? "1" : divisor;
  if (field === "cpu") return String(Math.ceil((cpusOf(limits["cpu"]) ?? 1) / (cpusOf(by) ?? 1)));
  return String(Math.ceil((bytesOf(limits[field]) ?? 0) / (bytesOf(by) ?? 1)));
}

/** Replaces `$(NAME)` of variables that are known; `$$` is a dollar. */
export function expand(text: string, variable: (name: string) => string | undefined): string {
  return text.replace(/\$(?:\$|\(([^)]*)\))/g, (whole, name: string | undefined) =>
    whole === "$$" ? "$" : (variable(name ?? "") ?? whole),
  );
}

function missing(kind: "ConfigMap" | "Secret", name: string): PodConfigError {
  return new PodConfigError(`${kind.toLowerCase()} "${name}" not found`);
}
