import { allServices } from "../images.js";
import { freeName } from "../names.js";
import type { ForwardPlan, Part, ServicePortPlan, ServiceView } from "../plan.js";

/** `ports` and `expose`. A Service has the ports of the container, so that peers dial what they dialled before. */
export function portsRule(view: ServiceView): Part {
  const published = (view.service.ports ?? []).map((port, index) => publishedPort(view, port, index));
  const exposed = (view.service.expose ?? []).flatMap((text, index) => exposedPorts(view, text, index));
  return {
    ports: [...published.map(({ port }) => port), ...exposed],
    forwards: published.flatMap(({ forward }, index) => {
      const earlier = published.slice(0, index).some((other) => other.forward?.remote === forward?.remote);
      if (forward && earlier)
        view.say(
          "approximated",
          ["ports", index, "published"],
          "one forward leads to a port of a Service: the first",
        );
      return forward && !earlier ? [forward] : [];
    }),
  };
}

function publishedPort(
  view: ServiceView,
  {
    name,
    mode,
    host_ip: host,
    target,
    published,
    protocol = "tcp",
    app_protocol: appProtocol,
  }: NonNullable<ServiceView["service"]["ports"]>[number],
  index: number,
): { readonly port: ServicePortPlan; readonly forward?: ForwardPlan } {
  const say = (key: string, text: string) => {
    view.say("converted", ["ports", index, key], text);
  };
  const port: ServicePortPlan = {
    port: target,
    protocol: portProtocol(protocol),
    ...(name === undefined ? {} : { name }),
    ...(appProtocol === undefined ? {} : { appProtocol }),
  };
  say("target", `port ${target} of Service ${view.name} and of the container`);
  if (name !== undefined) say("name", "the port's name, as far as Kubernetes allows it");
  if (appProtocol !== undefined) say("app_protocol", "appProtocol of the Service's port");
  say("protocol", port.protocol);
  if (mode === "host")
    view.say(
      "approximated",
      ["ports", index, "mode"],
      "no port of a node is taken: the forward leads to the Service",
    );
  else if (mode !== undefined) say("mode", "what a Service does anyway");
  if (port.protocol !== "TCP") {
    const text = `a forward carries TCP only: for ${protocol} use a NodePort, and k3d's -p or kind's extraPortMappings`;
    for (const [key, value] of Object.entries({ published, host_ip: host })) {
      if (value !== undefined) view.say("decision", ["ports", index, key], text);
    }
    return { port };
  }
  const [first, last] = (published ?? "").split("-").map(Number);
  const local = first === undefined || first === 0 ? undefined : first;
  const free = local === undefined ? undefined : unprivileged(view, local);
  if (published !== undefined) {
    if (free !== local)
      view.say(
        "approximated",
        ["ports", index, "published"],
        `a forward from ${free ?? 0}: ports below 1024 take privileges here; Docker's daemon has them`,
      );
    else if (last === undefined) say("published", "forwards in devloop.yaml");
    else
      view.say(
        "approximated",
        ["ports", index, "published"],
        `a forward from ${first ?? 0}, or the next free port`,
      );
  }
  if (host !== undefined) say("host_ip", "host of the forward");
  else sayLocal(view, index);
  return {
    port,
    forward: {
      service: view.name,
      ...(free === undefined ? {} : { local: free }),
      remote: target,
      ...(host === undefined || host === "127.0.0.1" ? {} : { host }),
    },
  };
}

/** A port that anybody may listen on: 8080 for 80, or the next one above that no service of the project publishes. */
function unprivileged({ project }: ServiceView, local: number): number {
  if (local >= 1024) return local;
  const taken = new Set(
    allServices(project).flatMap(([, { ports = [] }]) => ports.map(({ published }) => published ?? "")),
  );
  let port = local + 8000;
  while (taken.has(String(port))) port++;
  return port;
}

function sayLocal(view: ServiceView, index: number): void {
  view.say(
    "approximated",
    ["ports", index],
    "Docker listens on all addresses, a forward on 127.0.0.1: set its host for others",
  );
}

function exposedPorts(view: ServiceView, text: string, index: number): readonly ServicePortPlan[] {
  const [range = "", protocol = "tcp"] = text.split("/");
  const [first = 0, last = first] = range.split("-").map(Number);
  view.say("converted", ["expose", index], `port of Service ${view.name}`);
  return Array.from({ length: last - first + 1 }, (_, offset) => ({
    port: first + offset,
    protocol: portProtocol(protocol),
  }));
}

export function portProtocol(text: string): ServicePortPlan["protocol"] {
  const upper = text.toUpperCase();
  return upper === "UDP" || upper === "SCTP" ? upper : "TCP";
}

/** Each port once, by number and protocol, with a name of its own that Kubernetes takes. */
export function namedPorts(
  ports: readonly ServicePortPlan[],
): readonly (ServicePortPlan & { readonly name: string })[] {
  const once = new Map<string, ServicePortPlan>();
  for (const port of ports) {
    const id = `${port.port}/${port.protocol}`;
    const before = once.get(id);
    // Only what is written with `ports` has a name: it says more than what expose says of the same port.
    once.set(id, before?.name === undefined ? { ...before, ...port } : { ...port, ...before });
  }
  const taken = new Set<string>();
  return [...once.values()].map((port) => {
    const name = freeName(portName(port), taken);
    taken.add(name);
    return { ...port, name: name.length <= 15 ? name : `${port.protocol.toLowerCase()}-${port.port}` };
  });
}

/** At most 15 of a-z, 0-9 and "-", with a letter (IANA_SVC_NAME). */
function portName({ name, port, protocol }: ServicePortPlan): string {
  const given = (name ?? "")
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, "-")
    .replace(/--+/g, "-")
    .slice(0, 15)
    .replace(/^-|-$/g, "");
  return /[a-z]/.test(given) ? given : `${protocol.toLowerCase()}-${port}`;
}
