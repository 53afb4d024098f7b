import { describe, expect, it } from "vitest";
import type { KubeObject } from "../../../src/cluster/kube.js";
import {
  imageName,
  imageNames,
  replaceImages,
  unusedImage,
  usedImages,
  waitingFor,
} from "../../../src/cluster/render/images.js";

function workload(kind: string, spec: unknown): KubeObject {
  return { apiVersion: "example.com/v1", kind, metadata: { name: kind.toLowerCase() }, spec };
}
const template = (...containers: unknown[]) => ({ template: { spec: { containers } } });

describe("image names", () => {
  it.each([
    ["redis", "redis"],
    ["redis:7", "redis"],
    ["docker.io/library/redis:7@sha256:ab", "redis"],
    ["index.docker.io/acme/web", "acme/web"],
    ["localhost:5000/acme/web:1", "localhost:5000/acme/web"],
    ["ghcr.io/acme/web@sha256:ab", "ghcr.io/acme/web"],
  ])("%s is %s", (reference, name) => {
    expect(imageName(reference)).toBe(name);
  });
});

describe("replacing images", () => {
  const refs = { web: "web:devloop-1", "ghcr.io/acme/api": "api:devloop-2" };

  it("replaces in containers of all sorts, image volumes, and custom kinds, wherever the pod template stands", () => {
    const objects = [
      workload("Rollout", {
        template: {
          spec: {
            initContainers: [{ name: "i", image: "ghcr.io/acme/api:old" }],
            containers: [{ name: "c", image: "docker.io/library/web:1" }],
            ephemeralContainers: [{ name: "e", image: "web@sha256:ab" }],
            volumes: [
              { name: "v", image: { reference: "web", pullPolicy: "Always" } },
              { name: "w", emptyDir: {} },
            ],
          },
        },
      }),
      workload("CronJob", { jobTemplate: { spec: template({ name: "c", image: "web" }) } }),
      workload("Group", { replicas: [{ worker: template({ name: "c", image: "ghcr.io/acme/api" }) }] }),
    ];
    const { objects: replaced, missing } = replaceImages(objects, refs);
    const found = [...JSON.stringify(replaced).matchAll(/"(?:image|reference)":"([^"]*)"/g)];
    expect(found.map((match) => match[1])).toEqual([
      "api:devloop-2",
      "web:devloop-1",
      "web:devloop-1",
      "web:devloop-1",
      "web:devloop-1",
      "api:devloop-2",
    ]);
    expect(JSON.stringify(replaced)).not.toContain("Always");
    expect(missing).toEqual([]);
  });

  it("leaves other images, other pull policies, and the given objects alone", () => {
    const object = workload(
      "Deployment",
      template(
        { name: "a", image: "web-extra:1", imagePullPolicy: "Always" },
        { name: "b", image: "web", imagePullPolicy: "Never" },
        { name: "c", image: "web" },
        { name: "d", image: "web", imagePullPolicy: "Always" },
      ),
    );
    const before = JSON.stringify(object);
    const { objects } = replaceImages([object], { web: "web:new", other: "other:new" });
    expect(objects[0]?.["spec"]).toEqual(
      template(
        { name: "a", image: "web-extra:1", imagePullPolicy: "Always" },
        { name: "b", image: "web:new", imagePullPolicy: "Never" },
        { name: "c", image: "web:new" },
        { name: "d", image: "web:new", imagePullPolicy: "IfNotPresent" },
      ),
    );
    expect(JSON.stringify(object)).toBe(before);
    expect(replaceImages([object], { web: "w", other: "o" }).missing).toEqual(["other"]);
  });

  it("takes text that only looks like an image for what it is", () => {
    const config = { ...workload("ConfigMap", undefined), data: { containers: "web", image: "web" } };
    expect(usedImages([config], ["web"])).toEqual([]);
  });
});

describe("images and the objects that need them", () => {
  const objects = [
    workload("Deployment", template({ name: "a", image: "monitor-agent:1" })),
    workload("Job", template({ name: "a", image: "redis:7" })),
  ];

  it("names the images that stand in the manifests, nearest first, when a declared one is not among them", () => {
    expect(usedImages(objects, ["monitor-agent", "monitor-agnt"])).toEqual(["monitor-agent"]);
    const error = unusedImage("monitor-agnt", imageNames(objects));
    expect(error).toMatchObject({
      code: "IMAGE_NOT_USED",
      message: "image monitor-agnt is declared but no manifest uses it",
      hint: "the manifests name monitor-agent, redis: use one of these under images",
    });
  });

  it("holds back what needs an image that is not built", () => {
    const { waiting, ready } = waitingFor(objects, ["monitor-agent"]);
    expect(waiting.map(({ kind }) => kind)).toEqual(["Deployment"]);
    expect(ready.map(({ kind }) => kind)).toEqual(["Job"]);
  });
});
