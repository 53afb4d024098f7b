import type { ComposeProject } from "../compose/model.js";
import { allServices } from "./images.js";
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
  return { services, renamedHosts: new Map(longestFirst) };
}
