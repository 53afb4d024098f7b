import { posix } from "node:path";
import { isTrue } from "./defaults.js";
import type { Environment } from "./environment.js";
import {
  entriesOf,
  filledIn,
  flagNode,
  get,
  getEntry,
  isNull,
  itemsOf,
  mapEntries,
  mapOf,
  nullNode,
  textNode,
  textOf,
  withEntry,
  withText,
  type Absorb,
  type Entry,
  type MapNode,
  type Place,
} from "./node.js";
import { resolveNames } from "./own-environment.js";

/** What follows from the whole project: the default network, implied dependencies, full names of resources. */
export function normalize(root: MapNode, project: string, environment: Environment, absorb: Absorb): MapNode {
  for (const [service, { value }] of entriesOf(get(root, "services"))) {
    for (const [name, { key, value: argument }] of entriesOf(get(value, "build", "args"))) {
      // Such an argument is not given to the build at all.
      const unset = isNull(argument) && environment.get(name) === undefined;
      if (unset) absorb(["services", service, "build", "args", name], key, "empty");
    }
  }
  const services = mapEntries(get(root, "services") ?? mapOf(filledIn, {}), (service) =>
    service.kind === "map" ? normalizeService(service, environment) : service,
  );
  const used = [...entriesOf(services).values()].some(({ value }) => get(value, "networks", "default"));
  const networks = get(root, "networks");
  const withDefault =
    used && !getEntry(networks, "default")
      ? withEntry(networks?.kind === "map" ? networks : mapOf(filledIn, {}), "default", nullNode(filledIn))
      : networks;
  const complete = withEntry(root, "services", services);
  return ["networks", "volumes", "configs", "secrets"].reduce((tree, kind) => {
    const resources = kind === "networks" ? withDefault : get(tree, kind);
    return resources?.kind === "map" ? withEntry(tree, kind, named(resources, project)) : tree;
  }, complete);
}

/** Resources are called by their key, with the project's name before it unless they are somebody else's. */
function named(resources: MapNode, project: string): MapNode {
  return mapEntries(resources, (resource, key) => {
    const given = get(resource, "name");
    if (given && !isNull(given)) return resource;
    const map = resource.kind === "map" ? resource : { ...mapOf(resource.place, {}) };
    const name = isTrue(get(resource, "external")) ? key : `${project}_${key}`;
    return withEntry(map, "name", textNode(name, filledIn));
  });
}

function normalizeService(service: MapNode, environment: Environment): MapNode {
  return [
    normalizePull,
    normalizeNetworks,
    normalizeBuild,
    normalizeVariables,
    normalizeMounts,
    implyDependencies,
  ].reduce((changed, change) => change(changed, environment), service);
}

function normalizePull(service: MapNode): MapNode {
  const policy = get(service, "pull_policy");
  if (policy?.kind !== "scalar" || policy.text !== "if_not_present") return service;
  return withEntry(service, "pull_policy", withText(policy, "missing"));
}

function normalizeNetworks(service: MapNode): MapNode {
  if (getEntry(service, "provider") || getEntry(service, "network_mode")) return service;
  if (entriesOf(get(service, "networks")).size > 0) return service;
  return withEntry(service, "networks", mapOf(filledIn, { default: nullNode(filledIn) }));
}

function normalizeBuild(service: MapNode, environment: Environment): MapNode {
  const build = get(service, "build");
  if (build?.kind !== "map") return service;
  const args = get(build, "args");
  const resolved = args ? withEntry(build, "args", resolveNames(args, environment, false)) : build;
  const hasDockerfile = get(build, "dockerfile") ?? get(build, "dockerfile_inline");
  const complete = hasDockerfile
    ? resolved
    : withEntry(resolved, "dockerfile", textNode("Dockerfile", filledIn));
  return withEntry(service, "build", complete);
}

function normalizeVariables(service: MapNode, environment: Environment): MapNode {
  const variables = get(service, "environment");
  return variables ? withEntry(service, "environment", resolveNames(variables, environment, true)) : service;
}

function normalizeMounts(service: MapNode): MapNode {
  const volumes = get(service, "volumes");
  if (volumes?.kind !== "list") return service;
  const items = volumes.items.map((volume) => {
    const target = get(volume, "target");
    if (volume.kind !== "map" || target?.kind !== "scalar") return volume;
    const clean = cleanPath(target.text);
    return clean === target.text ? volume : withEntry(volume, "target", withText(target, clean));
  });
  return withEntry(service, "volumes", { ...volumes, items });
}

/** The path without `.`, `..` and slashes too many. */
function cleanPath(path: string): string {
  return posix.normalize(path).replace(/(.)\/$/, "$1");
}

/** Services whose containers or names a service shares must be there before it. */
function implyDependencies(service: MapNode): MapNode {
  const given = get(service, "depends_on");
  const entries = new Map<string, Entry>(entriesOf(given));
  const imply = (name: string, restart: boolean, place: Place): void => {
    if (entries.has(name)) return;
    const value = mapOf(place, {
      condition: textNode("service_started", place),
      restart: flagNode(restart, place),
      required: flagNode(true, place),
    });
    entries.set(name, { key: place, value });
  };
  for (const link of itemsOf(get(service, "links"))) {
    const parts = (textOf(link) ?? "").split(":");
    imply(parts.length === 2 ? (parts[0] ?? "") : parts.join(":"), true, link.place);
  }
  for (const mode of ["network_mode", "ipc", "pid", "uts", "cgroup"]) {
    const shared = /^service:(.*)$/s.exec(textOf(get(service, mode)) ?? "")?.[1];
    if (shared !== undefined) imply(shared, true, getEntry(service, mode)?.key ?? filledIn);
  }
  for (const from of itemsOf(get(service, "volumes_from"))) {
    const text = textOf(from) ?? "";
    if (!text.startsWith("container:")) imply(text.split(":")[0] ?? "", false, from.place);
  }
  if (entries.size === 0) return service;
  const place = given?.place ?? filledIn;
  return withEntry(service, "depends_on", { kind: "map", place, entries }, place);
}
