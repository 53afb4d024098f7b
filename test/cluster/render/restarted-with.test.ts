import { describe, expect, it } from "vitest";
import type { KubeObject } from "../../../src/cluster/kube.js";
import { restartedWith, restartedWithAnnotation } from "../../../src/cluster/render/restarted-with.js";

const deployment = (name: string, image: string, annotations?: Record<string, string>): KubeObject => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name },
  spec: {
    replicas: 1,
    template: {
      metadata: { labels: { app: name }, ...(annotations ? { annotations } : {}) },
      spec: { containers: [{ name, image }] },
    },
  },
});
const service = (name: string): KubeObject => ({ apiVersion: "v1", kind: "Service", metadata: { name } });

interface Workload {
  readonly spec: {
    readonly template: { readonly metadata: { readonly annotations?: Readonly<Record<string, string>> } };
  };
}

function markOf(objects: readonly KubeObject[], name: string, restarts = { web: ["api"], api: ["db"] }) {
  const found = restartedWith(objects, restarts).find(
    ({ kind, metadata }) => kind === "Deployment" && metadata.name === name,
  );
  return (found as unknown as Workload).spec.template.metadata.annotations?.[restartedWithAnnotation];
}

describe("a workload that is started anew with another", () => {
  const objects = [
    service("db"),
    deployment("db", "db:1"),
    deployment("api", "api:1"),
    deployment("web", "web:1"),
  ];

  it("gets another template when the other's changes, and through it those that are started with it", () => {
    const newer = [deployment("db", "db:2"), ...objects.filter(({ metadata }) => metadata.name !== "db")];
    expect(markOf(objects, "api")).toMatch(/^[0-9a-f]{16}$/);
    expect(markOf(newer, "api")).not.toBe(markOf(objects, "api"));
    expect(markOf(newer, "web")).not.toBe(markOf(objects, "web"));
    expect(markOf(objects, "db")).toBeUndefined();
  });

  it("keeps its template when only other things change", () => {
    const scaled = objects.map((object) =>
      object.metadata.name === "db" && object.kind === "Deployment"
        ? { ...object, spec: { ...(object["spec"] as object), replicas: 3 } }
        : object,
    );
    const newer = [...objects.slice(0, 3), deployment("web", "web:2")];
    expect(markOf(scaled, "web")).toBe(markOf(objects, "web"));
    expect(markOf(newer, "api")).toBe(markOf(objects, "api"));
    expect(markOf(objects.toReversed(), "web")).toBe(markOf(objects, "web"));
  });

  it("keeps its own annotations, and is left alone where the other is not there", () => {
    const own = deployment("web", "web:1", { "example.com/a": "b" });
    const [marked] = restartedWith([own, deployment("api", "api:1")], { web: ["api"] });
    expect((marked as unknown as Workload).spec.template.metadata.annotations).toMatchObject({
      "example.com/a": "b",
    });
    expect(restartedWith([own], { web: ["api"] })).toEqual([own]);
  });
});
