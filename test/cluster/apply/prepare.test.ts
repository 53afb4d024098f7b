import { describe, expect, it } from "vitest";
import { appliedHash, objectKey, readyToSend } from "../../../src/cluster/apply/prepare.js";
import type { KubeObject } from "../../../src/cluster/kube.js";
import { deployment, secret, service } from "./objects.js";

const place = { project: "monitor", namespace: "dev" };

describe("an object made ready to be sent", () => {
  it("carries namespace and project, on itself and not on its pods", () => {
    const ready = readyToSend(deployment("web"), place);
    expect(ready.metadata).toEqual({
      name: "web",
      namespace: "dev",
      labels: { "devloop.dev/project": "monitor" },
    });
    const given = deployment("web")["spec"] as { template: { metadata: unknown } };
    expect((ready["spec"] as { template: { metadata: unknown } }).template.metadata).toEqual(
      given.template.metadata,
    );
  });

  it("spells the protocol of ports out, which old servers need", () => {
    expect(JSON.stringify(readyToSend(service("web"), place)["spec"])).toContain('"protocol":"TCP"');
    expect(JSON.stringify(readyToSend(deployment("web"), place)["spec"])).toContain('"protocol":"TCP"');
    const udp = { ...service("web"), spec: { ports: [{ port: 53, protocol: "UDP" }] } };
    expect(readyToSend(udp, place)["spec"]).toEqual(udp.spec);
    const custom: KubeObject = { ...service("web"), apiVersion: "example.com/v1" };
    expect(readyToSend(custom, place)["spec"]).toEqual(custom["spec"]);
  });

  it("has no status, no creation time, and no write-only data", () => {
    const object = {
      ...secret("s", { word: "sesame" }),
      status: {},
      data: { other: "eA==", word: "b2xk" },
      metadata: { name: "s", creationTimestamp: null },
    } as unknown as KubeObject;
    expect(readyToSend(object, place)).toEqual({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "s", namespace: "dev", labels: { "devloop.dev/project": "monitor" } },
      data: { other: "eA==", word: Buffer.from("sesame").toString("base64") },
    });
  });

  it("loses a namespace that its kind does not have", () => {
    const role = {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRole",
      metadata: { name: "r", namespace: "dev" },
    };
    expect(readyToSend(role, { ...place, namespace: undefined }).metadata.namespace).toBeUndefined();
  });
});

describe("what identifies an object", () => {
  it("is group, kind, namespace and name, not the version of its API", () => {
    const ingress = { kind: "Ingress", namespace: "dev", name: "web" };
    expect(objectKey({ ...ingress, apiVersion: "networking.k8s.io/v1beta1" })).toBe(
      objectKey({ ...ingress, apiVersion: "networking.k8s.io/v1" }),
    );
    expect(objectKey({ ...ingress, apiVersion: "extensions/v1beta1" })).not.toBe(
      objectKey({ ...ingress, apiVersion: "networking.k8s.io/v1" }),
    );
  });

  it("has a hash that differs by contents and by inventory", () => {
    const one = deployment("web");
    const reordered = Object.fromEntries(Object.entries(one).reverse()) as unknown as KubeObject;
    expect(appliedHash(one, "a")).toBe(appliedHash(reordered, "a"));
    expect(appliedHash(one, "a")).not.toBe(appliedHash(one, "b"));
    expect(appliedHash(one, "a")).not.toBe(appliedHash(deployment("web", { replicas: 1 }), "a"));
  });
});
