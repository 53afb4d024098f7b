import { relative, sep } from "node:path";
import { dnsName, resolvesAs } from "./names.js";
import { otherHostNames } from "./names-of-hosts.js";
import { asksItself } from "./peer-ports.js";
import type { ServicePortPlan, ServiceView, ServiceResult } from "./plan.js";
import { localContext } from "./rules/binds.js";
import { listAt, mapAt, noted, Noted, textAt, unlessEmpty, type Tree, type TreeMap } from "./tree.js";

type NamedPort = ServicePortPlan & { readonly name: string };

/** One Service of each name that peers know a pod by. `joined` are the services whose containers share it. */
export function servicesOf(
  { view, part }: ServiceResult,
  joined: readonly ServiceResult[],
  ports: readonly NamedPort[],
): readonly TreeMap[] {
  const mode = view.service.network_mode;
  const ends = view.workload === "Job" || view.workload === "CronJob";
  // Nobody dials what ends, unless it has a port.
  if (mode === "none" || (ends && ports.length === 0)) return [];
  const spec = serviceSpec({ view, part }, joined, ports);
  const further = furtherSpec(spec);
  if (view.service.build) sayReached(view, ports, textAt(spec, "clusterIP") === "None");
  const taken = new Set(view.names.services.values());
  const aliases = [...otherHostNames(view.key, view.project), ...part.aliases].flatMap((name) =>
    resolvesAs(name, dnsName(name)) && !taken.has(dnsName(name)) ? [dnsName(name)] : [],
  );
  const specOf = (name: string): Tree => {
    if (name === view.name) return spec;
    if (!view.names.sharedAliases.has(name)) return noted("A further name of the same pods.", further);
    return noted("A name of several services: it gives the addresses of all their pods.", {
      clusterIP: "None",
      publishNotReadyAddresses: true,
      selector: { [aliasLabel(name)]: "true" },
    });
  };
  return [view.name, ...new Set(aliases)].map((name) => ({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name },
    spec: specOf(name),
  }));
}

/** Which ports of a service that devloop builds are reached, and what told of those that only sources name. */
function sayReached(view: ServiceView, ports: readonly NamedPort[], headless: boolean): void {
  const { name, options, sources } = view;
  if (headless) {
    const known = ports.length === 0 ? "no port of it is known, so " : "";
    view.say(
      "converted",
      ["build"],
      `${known}Service ${name} gives the pods' addresses: every port is reached`,
    );
    return;
  }
  const told = ports.map(({ port, foundAt }) =>
    foundAt === undefined
      ? String(port)
      : `${port} (as ${relative(options.out, foundAt.file).split(sep).join("/")}:${foundAt.line} dials it)`,
  );
  const unread = sources.scannedAll ? "" : ", as the sources were too many to look through all of them";
  view.say(
    "approximated",
    ["build"],
    `peers reach port ${told.join(", ")} of Service ${name} alone: name any other under expose${unread}`,
  );
}

/** On the pods of every service that has the alias. */
const aliasLabel = (alias: string): string => `alias.devloop.dev/${alias}`;

/** The labels of a service's pods by which names that several services share find them. */
export function aliasLabels({ key, project, names }: ServiceView, joined: readonly string[]): TreeMap {
  const own = [key, ...joined].flatMap((each) => otherHostNames(each, project)).map((name) => dnsName(name));
  const shared = own.filter((name) => names.sharedAliases.has(name)).sort();
  return Object.fromEntries(shared.map((name) => [aliasLabel(name), "true"]));
}

function serviceSpec(
  { view, part }: ServiceResult,
  joined: readonly ServiceResult[],
  ports: readonly NamedPort[],
): Exclude<Tree, string | number | boolean | null> {
  const selector = { "app.kubernetes.io/name": view.name };
  const listed = ports.map(({ name, port, protocol, appProtocol, nodePort }) => ({
    name,
    port,
    targetPort: port,
    nodePort,
    protocol,
    appProtocol,
  }));
  if (!hasAddress({ view, part }, joined, ports)) {
    return noted(
      "As in Compose: the name gives the addresses of the pods, and every port is reached, ready or not.",
      {
        clusterIP: "None",
        publishNotReadyAddresses: true,
        ...part.serviceSpec,
        selector,
        ports: listed.length === 0 ? undefined : listed,
      },
    );
  }
  return {
    publishNotReadyAddresses: asksItself(view)
      ? noted("The health check asks the service by its name.", true)
      : undefined,
    ...part.serviceSpec,
    selector,
    ports: noted("Only these are reached: a further port goes under expose in the compose file.", listed),
  };
}

/**
 * A Service by another name for peers alone: the first one is what leads into the cluster from outside, and a port of
 * the nodes can be given once.
 */
function furtherSpec(spec: Tree): TreeMap {
  const { type: _type, externalTrafficPolicy: _policy, ports, ...rest } = mapAt(spec);
  const inner = listAt({ ports }, "ports").map((port): TreeMap => {
    const { nodePort: _nodePort, ...others } = mapAt(port);
    return others;
  });
  return { ...rest, ports: ports instanceof Noted ? noted(ports.note, inner) : unlessEmpty(inner) };
}

/**
 * Whether the Service gets an address of its own, which leads to the ports that are known. A name that gives the pods'
 * addresses leads to every port; but what looked it up once, as a proxy does, loses it with the pod, and pods of what
 * devloop builds come and go all day.
 */
function hasAddress(
  { view, part }: ServiceResult,
  joined: readonly ServiceResult[],
  ports: readonly NamedPort[],
): boolean {
  if (ports.length === 0 || textAt(part.serviceSpec, "clusterIP") === "None") return false;
  // The pods of a StatefulSet have names below that of a Service without an address.
  const asked = view.service.deploy?.endpoint_mode;
  if (asked === "dnsrr" || view.workload === "StatefulSet") return false;
  const isFronted = part.serviceSpec["type"] !== undefined || part.objects.some(isIngress);
  const isBuilt = [view, ...joined.map((each) => each.view)].some(
    ({ service }) => localContext(service) !== undefined,
  );
  return asked === "vip" || isFronted || isBuilt;
}

const isIngress = (object: TreeMap): boolean => textAt(object, "kind") === "Ingress";
