import { describe, expect, it } from "vitest";
import { applySteps, removalSteps } from "../../../src/cluster/apply/order.js";
import type { KubeObject } from "../../../src/cluster/kube.js";

function object(
  kind: string,
  { apiVersion = "v1", wave }: { apiVersion?: string; wave?: string } = {},
): KubeObject {
  const annotations = wave === undefined ? {} : { annotations: { "argocd.argoproj.io/sync-wave": wave } };
  return { apiVersion, kind, metadata: { name: kind.toLowerCase(), ...annotations } };
}
function kinds(objects: readonly KubeObject[]): string[][] {
  return applySteps(objects, (each) => each).map((step) => step.map(({ kind }) => kind));
}

describe("the order of an apply", () => {
  it("is namespaces, definitions, then what others need before what needs it", () => {
    const objects = [
      object("Ingress"),
      object("Deployment"),
      object("Widget", { apiVersion: "example.com/v1" }),
      object("Service"),
      object("HorizontalPodAutoscaler"),
      object("ConfigMap"),
      object("Secret"),
      object("CustomResourceDefinition", { apiVersion: "apiextensions.k8s.io/v1" }),
      object("RoleBinding"),
      object("Role"),
      object("ServiceAccount"),
      object("Namespace"),
    ];
    expect(kinds(objects)).toEqual([
      ["Namespace"],
      ["CustomResourceDefinition"],
      ["ServiceAccount"],
      ["Role"],
      ["RoleBinding"],
      ["ConfigMap", "Secret"],
      ["Service"],
      ["Deployment", "Widget"],
      ["Ingress"],
      ["HorizontalPodAutoscaler"],
    ]);
  });

  it("is by sync wave before kind, but for namespaces and definitions; a wave that is no number is 0", () => {
    const objects = [
      object("ConfigMap", { wave: "2" }),
      object("Job", { wave: "-1" }),
      object("Deployment", { wave: "soon" }),
      object("Namespace", { wave: "9" }),
      object("Service"),
    ];
    expect(kinds(objects)).toEqual([["Namespace"], ["Job"], ["Service"], ["Deployment"], ["ConfigMap"]]);
  });

  it("is turned round for removing", () => {
    const entries = ["Namespace", "ConfigMap", "Deployment"].map((kind) => ({ apiVersion: "v1", kind }));
    expect(removalSteps(entries).map((step) => step.map(({ kind }) => kind))).toEqual([
      ["Deployment"],
      ["ConfigMap"],
      ["Namespace"],
    ]);
  });
});
