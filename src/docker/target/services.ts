import { pack } from "tar-stream";
import { throttle } from "../../lib/throttle.js";
import type { InspectedContainer } from "../engine-containers.js";
import { type PodHost, prefixOf } from "./host.js";
import { label } from "./labels.js";
import type { ServiceObject } from "./objects.js";
import { endpointsFile, isHeadless } from "./service-rules.js";

/** The Services of a project: a small forwarder for each, which leads to the pods that are ready. */
export interface Services extends AsyncDisposable {
  /** Makes the forwarder, or leaves the one that is there. Returns whether one was made. */
  apply(service: ServiceObject, deploy: string, options: { readonly signal: AbortSignal }): Promise<boolean>;
  remove(namespace: string, name: string, options: { readonly signal: AbortSignal }): Promise<void>;
}

/** Changes of pods are passed on at most so often, in ms. */
const coalesceMs = 10;
const endpointsPath = "/endpoints";

interface Forwarder {
  readonly service: ServiceObject;
  readonly id: string;
  /** What it was told last. */
  told: string;
  /** What is on its way to it. */
  telling: Promise<void>;
}

export function openServices(host: PodHost, existing: readonly InspectedContainer[]): Services {
  const { containers: engine, store, project } = host;
  const known = new Map<string, Forwarder>();
  for (const { id, labels } of existing) {
    const service = JSON.parse(labels[label.object] ?? "{}") as ServiceObject;
    known.set(keyOf(service), { service, id, told: "", telling: Promise.resolve() });
    store.set(service);
  }
  const life = new AbortController();
  const update = throttle(() => {
    for (const forwarder of known.values()) tell(forwarder);
  }, coalesceMs);
  const unsubscribe = store.subscribe((_type, { kind }) => {
    if (kind === "Pod") update();
  });

  function tell(forwarder: Forwarder): void {
    const text = endpointsFile(forwarder.service, store.all("Pod"));
    if (text === forwarder.told) return;
    forwarder.told = text;
    forwarder.telling = forwarder.telling.then(async () => {
      // Another may have come since.
      if (forwarder.told !== text || life.signal.aborted) return;
      try {
        await write(forwarder.id, text, life);
      } catch {
        // It is told again with the next change, or made anew with the next apply.
        forwarder.told = "";
      }
    });
  }

  async function write(
    id: string,
    text: string,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<void> {
    const archive = pack();
    archive.entry({ name: endpointsPath.slice(1), mtime: new Date() }, text);
    archive.finalize();
    const chunks: Buffer[] = [];
    for await (const chunk of archive) chunks.push(chunk as Buffer);
    await engine.put(id, "/", Buffer.concat(chunks), { signal });
  }

  return {
    async apply(service, deploy, options) {
      const { name, namespace = "" } = service.metadata;
      const key = keyOf(service);
      store.set(service);
      const before = known.get(key);
      if (isHeadless(service) || service.spec?.type === "ExternalName") {
        if (before) await engine.remove(before.id, options);
        known.delete(key);
        return false;
      }
      if (before && (await engine.inspect(before.id, options))?.state.running === true) {
        // Its ports and pods are told to it; only its name is fixed.
        known.set(key, { ...before, service });
        update();
        return false;
      }
      const base = `${prefixOf(project)}.${namespace}.service.${name}`;
      await engine.remove(base, options);
      const full = `${name}.${namespace}.svc`;
      const id = await engine.create(
        base,
        {
          Image: host.podImage,
          Entrypoint: ["/pod", "forward", endpointsPath],
          Labels: {
            [label.project]: project,
            [label.namespace]: namespace,
            [label.deploy]: deploy,
            [label.role]: "service",
            [label.service]: name,
            [label.object]: JSON.stringify(service),
          },
          HostConfig: { NetworkMode: host.network, RestartPolicy: { Name: "unless-stopped" } },
          NetworkingConfig: {
            EndpointsConfig: {
              // Pods look below these, as in a cluster; what looks nowhere finds the full names.
              [host.network]: { Aliases: [`${full}.cluster.local`, full, `${name}.${namespace}`] },
            },
          },
        },
        options,
      );
      await engine.start(id, options);
      known.set(key, { service, id, told: "", telling: Promise.resolve() });
      update();
      return true;
    },
    async remove(namespace, name, options) {
      const key = `${namespace}/${name}`;
      const forwarder = known.get(key);
      known.delete(key);
      store.remove("Service", namespace, name);
      if (forwarder) await engine.remove(forwarder.id, options);
    },
    async [Symbol.asyncDispose]() {
      unsubscribe();
      update[Symbol.dispose]();
      await Promise.all([...known.values()].map(({ telling }) => telling));
      life.abort();
    },
  };
}

function keyOf({ metadata }: ServiceObject): string {
  return `${metadata.namespace ?? ""}/${metadata.name}`;
}
