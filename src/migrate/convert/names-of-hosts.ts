import type { ComposeProject } from "../compose/model.js";
import { allServices } from "./images.js";
import { podOwner } from "./pod-owner.js";
import { dnsName, resolvesAs, uniqueNames } from "./names.js";

/** Every name under which peers could reach a service in Compose, besides the service's own key. */
export function otherHostNames(key: string, project: ComposeProject): readonly string[] {
  const service = project.services[key] ?? project.disabledServices[key];
  const own = [service?.container_name, service?.hostname].filter(
    (name) => name !== undefined && name !== "",
  );
  const aliases = Object.values(service?.networks ?? {}).flatMap((network) => network?.aliases ?? []);
  const links = allServices(project).flatMap(([, other]) =>
    (other.links ?? []).flatMap((link) => {
      const [target, alias] = link.split(":");
      return target === key && alias !== undefined ? [alias] : [];
    }),
  );
  return [
    ...new Set(
      [...own, ...aliases, ...links].filter((name): name is string => name !== key && name !== undefined),
    ),
  ];
}

/** Names of workloads by service, and the hosts that cannot be looked up as they were. */
export function clusterNames(project: ComposeProject): {
  readonly services: ReadonlyMap<string, string>;
  readonly renamedHosts: ReadonlyMap<string, string>;
  readonly sharedAliases: ReadonlySet<string>;
} {
  const services = uniqueNames(allServices(project).map(([key]) => key));
  const renamed = new Map<string, string>();
  for (const [key, name] of services) {
    if (!resolvesAs(key, name)) renamed.set(key, name);
    for (const other of otherHostNames(key, project)) {
      if (!resolvesAs(other, dnsName(other))) renamed.set(other, name);
    }
  }
  // Longer names first: one may be a part of another.
  const longestFirst = [...renamed].sort(([left], [right]) => right.length - left.length);
  return {
    services,
    renamedHosts: new Map(longestFirst),
    sharedAliases: sharedAliases(project, services),
  };
}

/** Names in DNS by which several services are known, each in a pod of its own: Compose answers with all of them. */
function sharedAliases(project: ComposeProject, services: ReadonlyMap<string, string>): ReadonlySet<string> {
  const owners = new Map<string, Set<string>>();
  for (const [key] of services) {
    for (const name of otherHostNames(key, project)) {
      const dns = dnsName(name);
      if (resolvesAs(name, dns)) owners.set(dns, (owners.get(dns) ?? new Set()).add(podOwner(key, project)));
    }
  }
  return new Set([...owners].flatMap(([name, of]) => (of.size > 1 ? [name] : [])));
}
