import { setMaxListeners } from "node:events";
import { buffer } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
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
/** How long after it could not be told what has changed a forwarder is told again, in ms. */
const retryMs = 1_000;
/** How long after the engine has failed it is asked for a forwarder again, in ms: sooner than pods ask, which are to start with its address. */
const lookMs = 500;
const endpointsPath = "/endpoints";

interface Forwarder {
  service: ServiceObject;
  deploy: string;
  readonly id: string;
  /** What it was told last. */
  told: string;
  /** What is on its way to it. */
  telling: Promise<void>;
}

export function openServices(host: PodHost, existing: readonly InspectedContainer[]): Services {
  const { containers: engine, store, project } = host;
  const known = new Map<string, Forwarder>();
  /** What is done for each Service, one thing after the other: else one that is made meanwhile would outlive its Service. */
  const turns = new Map<string, Promise<unknown>>();
  const life = new AbortController();
  setMaxListeners(0, life.signal);
  for (const { id, labels, addresses } of existing) {
    const service = JSON.parse(labels[label.object] ?? "{}") as ServiceObject;
    take({ service, deploy: labels[label.deploy] ?? "", id, told: "", telling: Promise.resolve() });
    show(service, addresses[host.network]);
  }
  const update = throttle(() => {
    for (const forwarder of known.values()) tell(forwarder);
  }, coalesceMs);
  const retry = throttle(update, retryMs);
  const unsubscribe = store.subscribe((_type, { kind }) => {
    if (kind === "Pod") update();
  });

  function inTurn<T>(key: string, work: () => Promise<T>): Promise<T> {
    const mine = (turns.get(key) ?? Promise.resolve()).then(work);
    const settled = mine
      .catch(() => undefined)
      .then(() => {
        if (turns.get(key) === settled) turns.delete(key);
      });
    turns.set(key, settled);
    return mine;
  }

  /** Its address is known to pods that start from now on. */
  function show(service: ServiceObject, clusterIP: string | undefined): void {
    store.set({ ...service, spec: { ...service.spec, clusterIP } });
  }

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
        forwarder.told = "";
        retry();
      }
    });
  }

  function take(forwarder: Forwarder): void {
    known.set(keyOf(forwarder.service), forwarder);
    void watch(forwarder);
  }

  /** The engine starts it anew by itself, with another address; one that somebody stops or removes is made anew. */
  async function watch(forwarder: Forwarder): Promise<void> {
    const key = keyOf(forwarder.service);
    while (!life.signal.aborted && known.get(key) === forwarder) {
      try {
        const now = await engine.inspect(forwarder.id, life);
        if (now?.state.running === true) {
          if (known.get(key) === forwarder) show(forwarder.service, now.addresses[host.network]);
          await engine.wait(forwarder.id, life);
        } else if (now?.state.status === "restarting") await sleep(lookMs, undefined, life);
        else await inTurn(key, () => replace(forwarder));
      } catch {
        await sleep(lookMs, undefined, life).catch(() => undefined);
      }
    }
  }

  async function replace(forwarder: Forwarder): Promise<void> {
    const { service, deploy } = forwarder;
    if (known.get(keyOf(service)) !== forwarder) return;
    const id = await make(service, deploy, life);
    take({ service, deploy, id, told: "", telling: Promise.resolve() });
    update();
  }

  async function write(
    id: string,
    text: string,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<void> {
    const archive = pack();
    archive.entry({ name: endpointsPath.slice(1), mtime: new Date() }, text);
    archive.finalize();
    await engine.put(id, "/", await buffer(archive), { signal });
  }

  function nameOf(namespace: string, name: string): string {
    return `${prefixOf(project)}.${namespace}.service.${name}`;
  }

  async function make(
    service: ServiceObject,
    deploy: string,
    options: { readonly signal: AbortSignal },
  ): Promise<string> {
    const { name, namespace = "" } = service.metadata;
    const base = nameOf(namespace, name);
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
    show(service, (await engine.inspect(id, options))?.addresses[host.network]);
    return id;
  }

  async function apply(
    service: ServiceObject,
    deploy: string,
    options: { readonly signal: AbortSignal },
  ): Promise<boolean> {
    const key = keyOf(service);
    const before = known.get(key);
    if (isHeadless(service) || service.spec?.type === "ExternalName") {
      known.delete(key);
      store.set(service);
      if (before) await engine.remove(before.id, options);
      return false;
    }
    const there = before && (await engine.inspect(before.id, options));
    if (before && there?.state.running === true) {
      // Its ports and pods are told to it; only its name is fixed.
      before.service = service;
      before.deploy = deploy;
      show(service, there.addresses[host.network]);
      update();
      return false;
    }
    const id = await make(service, deploy, options);
    take({ service, deploy, id, told: "", telling: Promise.resolve() });
    update();
    return true;
  }

  return {
    apply: (service, deploy, options) => inTurn(keyOf(service), () => apply(service, deploy, options)),
    remove: (namespace, name, options) =>
      inTurn(`${namespace}/${name}`, async () => {
        known.delete(`${namespace}/${name}`);
        store.remove("Service", namespace, name);
        // By its name: one that could not be started is nobody's yet.
        await engine.remove(nameOf(namespace, name), options);
      }),
    async [Symbol.asyncDispose]() {
      unsubscribe();
      update[Symbol.dispose]();
      retry[Symbol.dispose]();
      await Promise.all([...known.values()].map(({ telling }) => telling));
      life.abort();
    },
  };
}

function keyOf({ metadata }: ServiceObject): string {
  return `${metadata.namespace ?? ""}/${metadata.name}`;
}
