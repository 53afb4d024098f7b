import { expect, it } from "vitest";
import { externalHosts } from "../../src/docker/target/external-names.js";
import { createObjectStore } from "../../src/docker/target/object-store.js";

it("an ExternalName leads to a Service's address; one of a Service that has none is left out", async () => {
  const store = createObjectStore();
  const service = (name: string, spec: object): void => {
    store.set({ apiVersion: "v1", kind: "Service", metadata: { name, namespace: "dev" }, ...{ spec } });
  };
  service("web", { clusterIP: "10.0.0.9" });
  service("peers", { clusterIP: "None" });
  service("starting", {});
  for (const name of ["web", "peers", "starting"])
    service(`to-${name}`, { type: "ExternalName", externalName: `${name}.dev.svc.cluster.local` });
  expect(await externalHosts(store, "other")).toEqual([
    "to-web.dev:10.0.0.9",
    "to-web.dev.svc:10.0.0.9",
    "to-web.dev.svc.cluster.local:10.0.0.9",
  ]);
});
