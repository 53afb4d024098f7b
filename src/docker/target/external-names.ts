import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { ObjectStore } from "./object-store.js";
import type { ServiceObject } from "./objects.js";

/** How long a name is looked up, in ms: the pod starts without it then. */
const lookupMs = 2_000;

/**
 * Lines of /etc/hosts, as the engine takes them (`name:address`), for the Services that are only other names (ExternalName): looked up
 * now, since the engine's own DNS has no aliases. Of this namespace by their short names too. A name that is nowhere has no line.
 */
export async function externalHosts(store: ObjectStore, namespace: string): Promise<readonly string[]> {
  const services = store.all("Service") as readonly ServiceObject[];
  const external = services.filter(({ spec }) => spec?.type === "ExternalName");
  const lines = await Promise.all(
    external.map(async ({ metadata, spec }) => {
      const { name, namespace: home = "" } = metadata;
      const address = await addressOf(spec?.externalName ?? "", services);
      if (address === undefined) return [];
      const full = [`${name}.${home}`, `${name}.${home}.svc`, `${name}.${home}.svc.cluster.local`];
      const names = home === namespace ? [name, ...full] : full;
      return names.map((each) => `${each}:${address}`);
    }),
  );
  return lines.flat();
}

/** Of a Service of the project by its name, of the machine itself, or of any other host. */
async function addressOf(name: string, services: readonly ServiceObject[]): Promise<string | undefined> {
  if (name === "host.docker.internal") return "host-gateway";
  const [service = "", home = "", kind = "svc"] = name.split(".");
  const own = services.find(({ metadata }) => metadata.name === service && metadata.namespace === home);
  if (own && kind === "svc") {
    // A headless one has none: the engine would refuse the whole pod.
    const { clusterIP = "" } = own.spec ?? {};
    return isIP(clusterIP) === 0 ? undefined : clusterIP;
  }
  const late = new AbortController();
  try {
    const found = lookup(name, { family: 4 }).then(
      ({ address }) => address,
      () => undefined,
    );
    return await Promise.race([found, sleep(lookupMs, undefined, { signal: late.signal, ref: false })]);
  } finally {
    late.abort();
  }
}
