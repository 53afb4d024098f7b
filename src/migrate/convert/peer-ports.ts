import { posix } from "node:path";
import { dialledPorts } from "./hosts.js";
import { allServices } from "./images.js";
import { otherHostNames } from "./names-of-hosts.js";
import type { ServicePortPlan, ServiceView } from "./plan.js";
import { findService } from "./pod-owner.js";
import { dockerfileText, localContext } from "./rules/binds.js";
import { namedPorts } from "./rules/ports.js";

/**
 * The ports of a service: its own, those that its Dockerfile exposes, and those at which peers dial it, in their
 * environment and commands, in the configs and files that any of them mounts, and, for a Service that leads to known
 * ports alone, in their sources. `joined` are the keys of services in the same pod.
 */
export function peerPorts(
  view: ServiceView,
  joined: readonly string[],
  own: readonly ServicePortPlan[],
): readonly (ServicePortPlan & { readonly name: string })[] {
  const { project, sources } = view;
  const peers = allServices(project).filter(([key]) => key !== view.key && !joined.includes(key));
  const said = peers.flatMap(([, { environment, command, entrypoint, healthcheck }]) => [
    ...Object.values(environment ?? {}).flatMap((value) => value ?? []),
    ...(command ?? []),
    ...(entrypoint ?? []),
    ...(healthcheck?.test ?? []),
  ]);
  const hosts = hostsOf(view);
  const dialled = (texts: readonly string[]): readonly ServicePortPlan[] =>
    texts
      .flatMap((text) => hosts.flatMap((host) => dialledPorts(text, host)))
      .map((port) => ({ port, protocol: "TCP" }));
  const exposed = exposedPorts(dockerfileText(view.service, sources) ?? "");
  const known = new Set([...own, ...exposed].map(({ port }) => port));
  const built = [view.key, ...joined].some((key) => {
    const service = findService(key, project);
    return service !== undefined && localContext(service) !== undefined;
  });
  const inSources = built || view.service.deploy?.endpoint_mode === "vip" ? sourcePorts(hosts, sources) : [];
  // Where several tell of a port, the first counts: what was found in a file is told only of what nothing else says.
  const found = [...dialled(said), ...inSources, ...dialled(mountedTexts(view))];
  const further = new Map(found.toReversed().map((each) => [each.port, each]));
  return namedPorts([
    ...own,
    ...exposed,
    ...[...further.values()]
      .filter(({ port }) => !known.has(port))
      .sort((left, right) => left.port - right.port),
  ]);
}

function sourcePorts(
  hosts: readonly string[],
  { dialled }: ServiceView["sources"],
): readonly ServicePortPlan[] {
  const names = new Set(hosts.map((host) => host.toLowerCase()));
  const found = dialled.filter(({ host }) => names.has(host));
  const ports = new Map(found.toReversed().map((each) => [each.port, each]));
  return [...ports.values()]
    .sort((left, right) => left.port - right.port)
    .slice(0, mostOfSources)
    .map((foundAt) => ({ port: foundAt.port, protocol: "TCP", foundAt }));
}

/** A test that walks through ports, or a word that is a host by chance, makes no Service of a hundred. */
const mostOfSources = 20;

/** Whether a service's own health check asks it by its name: it could never become ready through a Service otherwise. */
export function asksItself(view: ServiceView): boolean {
  const test = view.service.healthcheck?.test ?? [];
  return test.some((text) => hostsOf(view).some((host) => dialledPorts(text, host).length > 0));
}

function hostsOf({ key, name, project }: ServiceView): readonly string[] {
  return [...new Set([key, name, ...otherHostNames(key, project)])];
}

/** The configs, and the files that are bind-mounted, as far as they are texts: an nginx.conf names what it stands before. */
function mountedTexts({ project, sources }: ServiceView): readonly string[] {
  const paths = new Set<string>();
  for (const { file } of Object.values(project.configs)) if (file !== undefined) paths.add(file);
  for (const [, { volumes }] of allServices(project)) {
    for (const { type, source = "" } of volumes ?? []) {
      const fact = type === "bind" ? sources.fact(source) : undefined;
      if (fact?.kind === "file") paths.add(source);
      else if (fact?.kind === "directory" && fact.complete)
        for (const file of fact.files) paths.add(posix.join(source, file));
    }
  }
  const contents = Object.values(project.configs).flatMap((config) => config.content ?? []);
  return [...contents, ...[...paths].flatMap((path) => textOf(sources.fact(path)) ?? [])];
}

function textOf(fact: ReturnType<ServiceView["sources"]["fact"]>): string | undefined {
  if (fact.kind !== "file" || fact.content.includes(0)) return undefined;
  return Buffer.from(fact.content).toString("utf8");
}

/** `EXPOSE 80 443/tcp 8000-8002`, of any stage. */
function exposedPorts(dockerfile: string): readonly ServicePortPlan[] {
  const words = [...dockerfile.matchAll(/^[ \t]*EXPOSE[ \t]+([^\n#]+)/gim)].flatMap(([, ports = ""]) =>
    ports.trim().split(/\s+/),
  );
  return words.flatMap((word) => {
    const [, from = "", to = from, protocol = "tcp"] =
      /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/i.exec(word) ?? [];
    const [first, last] = [Number(from), Math.min(Number(to), Number(from) + mostOfRange)];
    if (first < 1 || last > 65_535) return [];
    return Array.from({ length: Math.max(0, last - first + 1) }, (_, offset) => ({
      port: first + offset,
      protocol: protocol.toUpperCase() as ServicePortPlan["protocol"],
    }));
  });
}

/** A Dockerfile that exposes a range for a media server's sake has no Service of ten thousand ports. */
const mostOfRange = 99;
