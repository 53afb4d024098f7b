import type { Machine } from "./host.js";
import {
  type ConfigObject,
  type ContainerSpec,
  configValues,
  type EnvVar,
  type FindConfig,
  PodConfigError,
  type ResourceRef,
} from "./objects.js";
import { bytesOf, milliOf } from "./quantities.js";

/** What the downward API tells a pod of itself. */
export interface PodFacts {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly podIP: string;
  readonly serviceAccount: string;
  readonly machine: Machine;
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
    // Keys that are no names of variables are left out, as the kubelet does; since Kubernetes 1.32 these are.
    for (const [key, value] of found ? textsOf(found) : [])
      if (/^[ -<>-~]+$/.test(prefix + key)) result.set(prefix + key, value);
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
    return resourceOf(resourceFieldRef, of, pod);
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
  const text = textsOf(found).get(ref.key);
  if (text === undefined && ref.optional !== true)
    throw new PodConfigError(`couldn't find key ${ref.key} in ${kind} ${pod.namespace}/${ref.name}`);
  return text;
}

/** What variables are made from: bytes are for files alone. */
function textsOf({ binaryData: _, ...config }: ConfigObject): ReadonlyMap<string, string> {
  return new Map([...configValues(config)].map(([key, value]) => [key, value.toString("utf8")]));
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
    "spec.serviceAccountName": pod.serviceAccount,
    "status.podIP": pod.podIP,
    "status.podIPs": pod.podIP,
    "status.hostIP": pod.machine.address,
    "status.hostIPs": pod.machine.address,
  };
  const value = fields[path];
  if (value === undefined) throw new PodConfigError(`there is no field ${path} of a pod`);
  return value;
}

/** A container's resource of the downward API: a limit that is none is what the machine has. */
export function resourceOf(
  { resource, divisor }: ResourceRef,
  { resources: { limits = {}, requests = {} } = {} }: ContainerSpec,
  { machine }: Pick<PodFacts, "machine">,
): string {
  const [kind, field = ""] = resource.split(".");
  const read = field === "cpu" ? milliOf : bytesOf;
  const all: Readonly<Record<string, number>> = { cpu: machine.cpus * 1000, memory: machine.memory };
  const value =
    kind === "requests" ? read(requests[field] ?? limits[field]) : read(limits[field]) || all[field];
  return String(Math.ceil((value ?? 0) / (read(divisor) || (read(1) ?? 1))));
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
