import { expect, it } from "vitest";
import type { EngineContainers, InspectedContainer } from "../../src/docker/engine-containers.js";
import { label } from "../../src/docker/target/labels.js";
import { createObjectStore } from "../../src/docker/target/object-store.js";
import { openServices } from "../../src/docker/target/services.js";

const signal = new AbortController().signal;
const service = {
  ...{ apiVersion: "v1", kind: "Service", metadata: { name: "web", namespace: "dev" } },
  spec: { ports: [{ port: 80 }], selector: { app: "web" } },
};

/** An engine's containers by their names, which makes one only once it is let. */
function slowEngine() {
  const names = new Set<string>();
  let tell = (): void => undefined;
  const asked = new Promise<void>((resolve) => (tell = resolve));
  let go = (): void => undefined;
  const allowed = new Promise<void>((resolve) => (go = resolve));
  const engine: Partial<EngineContainers> = {
    inspect: () => Promise.resolve(undefined),
    async create(name) {
      tell();
      await allowed;
      if (names.has(name)) throw new Error(`${name} is there already`);
      names.add(name);
      return name;
    },
    start: () => Promise.resolve(),
    remove(id) {
      names.delete(id);
      return Promise.resolve();
    },
    put: () => Promise.resolve(),
  };
  return { engine: engine as EngineContainers, names, asked, go };
}

it.each(["removed", "applied again and removed"])(
  "a forwarder that is made anew while its Service is %s does not outlive it",
  async (what) => {
    const { engine, names, asked, go } = slowEngine();
    const store = createObjectStore();
    const host = { project: "p", network: "devloop-p", podImage: "pod", containers: engine, store };
    const labels = { [label.object]: JSON.stringify(service) };
    const gone = { id: "old", labels, addresses: {} } as unknown as InspectedContainer;
    const services = openServices(host as Parameters<typeof openServices>[0], [gone]);
    // It is told of a pod, and is not there.
    store.set({ apiVersion: "v1", kind: "Pod", metadata: { name: "web", namespace: "dev" } });
    await asked;
    const applied = what === "removed" ? undefined : services.apply(service, "web", { signal });
    const removed = services.remove("dev", "web", { signal });
    go();
    await applied;
    await removed;
    await services[Symbol.asyncDispose]();
    expect([...names]).toEqual([]);
    expect(store.all("Service")).toEqual([]);
  },
);
