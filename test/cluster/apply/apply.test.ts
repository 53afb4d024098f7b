import { describe, expect, it } from "vitest";
import { applyDeploy } from "../../../src/cluster/apply/apply.js";
import { KubeStatusError, type Kube, type KubeObject } from "../../../src/cluster/kube.js";
import { DevloopError } from "../../../src/lib/errors.js";
import { fakeApi, type Answer } from "./fake-api.js";
import { configMap, customResourceDefinition, deployment, service } from "./objects.js";

const discovery: Readonly<Record<string, unknown>> = {
  "/api/v1": {
    resources: [
      { name: "configmaps", kind: "ConfigMap", namespaced: true },
      { name: "namespaces", kind: "Namespace", namespaced: false },
      { name: "services", kind: "Service", namespaced: true },
      { name: "namespaces/status", kind: "Namespace", namespaced: false },
    ],
  },
  "/apis/apps/v1": { resources: [{ name: "deployments", kind: "Deployment", namespaced: true }] },
  "/apis/apiextensions.k8s.io/v1": {
    resources: [{ name: "customresourcedefinitions", kind: "CustomResourceDefinition", namespaced: false }],
  },
};
const withDiscovery =
  (answer: Answer): Answer =>
  (method, path) =>
    discovery[path] ?? answer(method, path);

function apply(answer: Answer, objects: readonly KubeObject[]) {
  const { kube, requests } = fakeApi(withDiscovery(answer));
  return { output: applyTo(kube, objects), requests };
}

function applyTo(kube: Kube, objects: readonly KubeObject[]): ReturnType<typeof applyDeploy> {
  return applyDeploy(
    kube,
    {
      project: "p",
      deploy: "d",
      namespace: "dev",
      objects,
      imageNames: ["busybox"],
      waiting: [],
      later: [],
    },
    { signal: AbortSignal.timeout(60_000), onNote: () => undefined },
  );
}
const nothing: Answer = () => undefined;

describe("an apply", () => {
  it("applies a custom object after its definition, also when the kind is not served at once", async () => {
    let refused = 0;
    const widget = { apiVersion: "example.com/v1", kind: "Widget", metadata: { name: "w" } };
    const path = "/apis/example.com/v1/namespaces/dev/widgets/w";
    const { output, requests } = apply(
      (method, target) =>
        method === "PATCH" && target === path && refused++ < 2
          ? new KubeStatusError(404, "NotFound", "the server could not find the requested resource")
          : undefined,
      [widget, customResourceDefinition("example.com")],
    );
    expect(await output).toMatchObject({ created: 2 });
    const sent = requests.filter((line) => line.startsWith("PATCH") && !line.includes("inventory"));
    expect(sent).toEqual([
      "PATCH /apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.com",
      ...Array.from({ length: 3 }, () => `PATCH ${path}`),
    ]);
  });

  it("makes a Service anew that a server leaves without the address it is to have", async () => {
    const headless = { ...service("web"), spec: { clusterIP: "None", ports: [] } };
    const path = "/api/v1/namespaces/dev/services/web";
    let left = true;
    const { kube, requests } = fakeApi(
      withDiscovery((method, target) => {
        if (target !== path) return undefined;
        if (method === "DELETE") left = false;
        const asked = requests.filter((line) => line === `PATCH ${path}`).length;
        const kept = { ...headless, metadata: { name: "web", uid: "uid-2", resourceVersion: "9" } };
        return method === "PATCH" && left && asked > 1 ? kept : undefined;
      }),
    );
    expect(await applyTo(kube, [headless])).toMatchObject({ created: 1, replaced: [] });
    const { replaced } = await applyTo(kube, [service("web")]);
    expect(replaced).toEqual(["Service/web (spec.clusterIP)"]);
    expect(requests.filter((line) => line.endsWith(path) && !line.startsWith("GET"))).toEqual(
      ["PATCH", "PATCH", "DELETE", "PATCH"].map((method) => `${method} ${path}`),
    );
  });

  it("writes the inventory before it creates, and again when it knows the uids", async () => {
    const { output, requests } = apply(nothing, [configMap("a")]);
    await output;
    expect(requests.filter((line) => !line.startsWith("GET"))).toEqual([
      "PATCH /api/v1/namespaces/dev/configmaps/devloop-inventory-p",
      "POST /api/v1/namespaces/dev/configmaps",
      "PATCH /api/v1/namespaces/dev/configmaps/a",
      "PATCH /api/v1/namespaces/dev/configmaps/devloop-inventory-p",
    ]);
  });

  it.each([
    ["the server is busy", new KubeStatusError(429, "TooManyRequests", "busy")],
    ["the database times out", new KubeStatusError(500, "InternalError", "etcdserver: request timed out")],
    ["an update came between", new KubeStatusError(409, "Conflict", "the object has been modified")],
    [
      "the connection is cut",
      new DevloopError("CLUSTER_UNREACHABLE", "x", {
        cause: Object.assign(new Error("socket hang up"), { code: "ECONNRESET" }),
      }),
    ],
  ])("tries again when %s", async (_name, error) => {
    let failed = 0;
    const { output } = apply(
      (method, path) => (method === "PATCH" && path.endsWith("/a") && failed++ < 2 ? error : undefined),
      [configMap("a")],
    );
    expect(await output).toMatchObject({ created: 1 });
    expect(failed).toBe(3);
  });

  it("passes on that the cluster does not answer", async () => {
    const error = new DevloopError("CLUSTER_UNREACHABLE", "gone", {
      cause: Object.assign(new Error("refused"), { code: "ECONNREFUSED" }),
    });
    const { output } = apply((method) => (method === "PATCH" ? error : undefined), [configMap("a")]);
    await expect(output).rejects.toBe(error);
  });

  it("gives an admission webhook's reason in one line", async () => {
    const denied = new KubeStatusError(
      400,
      "BadRequest",
      'admission webhook "policy.example.com" denied the request:\n\n  no latest tag\n',
    );
    const { output } = apply(
      (method, path) => (method === "PATCH" && path.includes("deployments") ? denied : undefined),
      [deployment("web"), configMap("a")],
    );
    await expect(output).rejects.toMatchObject({
      code: "APPLY_FAILED",
      message:
        'Deployment/web is refused: admission webhook "policy.example.com" denied the request: no latest tag',
    });
  });

  it("refuses an object that stands twice before anything is sent", async () => {
    const { output, requests } = apply(nothing, [configMap("a"), configMap("a")]);
    await expect(output).rejects.toMatchObject({
      message: "ConfigMap/a in dev stands twice in the manifests",
    });
    expect(requests).toEqual(["GET /api/v1"]);
  });
});
