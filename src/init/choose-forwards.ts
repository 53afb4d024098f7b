import type { DeployFacts, Forward } from "./model.js";

/**
 * A forward for every port of every Service, each with a local port of its own: the one that it is known by, where another
 * tool's configuration says so.
 */
export function chooseForwards(
  facts: readonly DeployFacts[],
  namespace: string | undefined,
  known: readonly Forward[] = [],
): Forward[] {
  const taken = new Set(known.map(({ local }) => local));
  const forwards: Forward[] = [];
  for (const service of facts.flatMap(({ services }) => services)) {
    for (const { port, name } of service.ports) {
      const told = known.find((each) => each.service === service.name && each.remote === port);
      const local = told?.local ?? freePort(localPort(port), taken);
      taken.add(local);
      forwards.push({
        service: service.name,
        local,
        remote: port,
        ...(service.namespace === undefined || service.namespace === namespace
          ? {}
          : { namespace: service.namespace }),
        ...(name === undefined || service.ports.length === 1 ? {} : { portName: name }),
      });
    }
  }
  return forwards;
}

/** The namespace of all that runs, when the manifests name one and only one. */
export function chooseNamespace(facts: readonly DeployFacts[]): string | undefined {
  const names = new Set(facts.flatMap(({ namespaces }) => namespaces));
  return names.size === 1 ? [...names][0] : undefined;
}

/** Ports below 1024 are the system's: 80 becomes 8080, 443 becomes 8443. */
function localPort(port: number): number {
  if (port >= 1024) return port;
  return port === 80 ? 8080 : 8000 + port;
}

function freePort(wanted: number, taken: ReadonlySet<number>): number {
  let port = wanted;
  while (taken.has(port)) port = port === 65_535 ? 1024 : port + 1;
  return port;
}
