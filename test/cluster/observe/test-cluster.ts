import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { KubeConfig } from "@kubernetes/client-node";
import { type Kube, type KubeObject, KubeStatusError, openKube } from "../../../src/cluster/kube.js";
import { nodeLoader } from "../../../src/cluster/load/nodes.js";
import { findLocalClusters } from "../../../src/cluster/providers/nodes.js";
import { connectEngine } from "../../../src/docker/connect.js";
import { findEngine } from "../../../src/docker/endpoint.js";
import type { AppliedWorkload } from "../../../src/engine/task.js";

const clusterName = "devloop-test";
const shellImage = "busybox:1";

/** The test cluster, with the images of the tests' pods in its nodes; undefined when no cluster answers. */
export async function testCluster(...images: readonly string[]): Promise<Kube | undefined> {
  const kube = await connect();
  if (kube) await loadImages([shellImage, ...images]);
  return kube;
}

async function connect(): Promise<Kube | undefined> {
  const file = `${homedir()}/.cache/devloop-test-cluster/kind-${clusterName}.kubeconfig`;
  try {
    const config = new KubeConfig();
    config.loadFromString(await readFile(file, "utf8"));
    const kube = openKube(config);
    await kube.request("/version", { signal: AbortSignal.timeout(30_000) });
    return kube;
  } catch {
    return undefined;
  }
}

async function loadImages(refs: readonly string[]): Promise<void> {
  const { signal } = new AbortController();
  const { engine } = connectEngine(findEngine(process.env, { home: homedir() }));
  const clusters = await findLocalClusters(engine, { signal });
  const { nodes = [] } =
    clusters.find(({ provider, name }) => provider === "kind" && name === clusterName) ?? {};
  await using loader = nodeLoader(engine, nodes);
  for (const ref of refs) {
    const image = { ref, imageId: (await engine.image(ref, { signal }))?.id ?? "" };
    await loader.load(image, { signal, onProgress: () => undefined, onNote: () => undefined });
  }
}

const collections: Readonly<Record<string, string>> = {
  Namespace: "/api/v1/namespaces",
  Pod: "/api/v1/namespaces/*/pods",
  Service: "/api/v1/namespaces/*/services",
  Deployment: "/apis/apps/v1/namespaces/*/deployments",
  StatefulSet: "/apis/apps/v1/namespaces/*/statefulsets",
  DaemonSet: "/apis/apps/v1/namespaces/*/daemonsets",
  Job: "/apis/batch/v1/namespaces/*/jobs",
  PersistentVolumeClaim: "/api/v1/namespaces/*/persistentvolumeclaims",
  ResourceQuota: "/api/v1/namespaces/*/resourcequotas",
};

/** A namespace of its own for one test file; disposing deletes it. */
export async function testNamespace(kube: Kube, name: string): Promise<TestNamespace> {
  const namespace = `observe-${name}-${Math.random().toString(36).slice(2, 7)}`;
  const send = (
    method: "POST" | "PATCH" | "DELETE",
    path: string,
    body?: unknown,
    contentType = "application/json",
  ): Promise<unknown> =>
    kube.request(path, { method, body, contentType, signal: AbortSignal.timeout(60_000) });
  await send("POST", "/api/v1/namespaces", { metadata: { name: namespace } });
  const path = (kind: string): string => collections[kind]!.replace("*", namespace);
  return {
    namespace,
    async create(object) {
      // The namespace's service account is made a moment after the namespace.
      for (let attempt = 0; ; attempt += 1) {
        try {
          const made = (await send("POST", path(object["kind"] as string), object)) as KubeObject;
          return applied(made, object["kind"] as string);
        } catch (error) {
          const early =
            error instanceof KubeStatusError && /service account|serviceaccount/.test(error.message);
          if (!early || attempt > 600) throw error;
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
      }
    },
    async patch(kind, object, body) {
      const made = await send(
        "PATCH",
        `${path(kind)}/${object}`,
        body,
        "application/strategic-merge-patch+json",
      );
      return applied(made as KubeObject, kind);
    },
    async remove(kind, object) {
      await send("DELETE", `${path(kind)}/${object}`, { gracePeriodSeconds: 0 });
    },
    async [Symbol.asyncDispose]() {
      await send("DELETE", `/api/v1/namespaces/${namespace}`);
    },
  };
}
export interface TestNamespace extends AsyncDisposable {
  readonly namespace: string;
  create(object: Record<string, unknown>): Promise<AppliedWorkload>;
  patch(kind: string, name: string, body: unknown): Promise<AppliedWorkload>;
  remove(kind: string, name: string): Promise<void>;
}

function applied(object: KubeObject, kind: string): AppliedWorkload {
  const { namespace = "", name, uid = "", generation = 0 } = object.metadata;
  return { id: `${kind}/${namespace}/${name}`, kind, namespace, name, uid, generation, images: [] };
}

/** A pod template with one container from a shell script. */
export function shell(script: string, container: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    metadata: { labels: { app: "test" } },
    spec: {
      terminationGracePeriodSeconds: 1,
      containers: [
        {
          name: "main",
          image: shellImage,
          imagePullPolicy: "IfNotPresent",
          command: ["sh", "-c", script],
          ...container,
        },
      ],
    },
  };
}

export function deployment(
  name: string,
  template: Record<string, unknown>,
  spec: Record<string, unknown> = {},
): Record<string, unknown> {
  const labelled = { ...template, metadata: { labels: { app: name } } };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name },
    spec: { replicas: 1, selector: { matchLabels: { app: name } }, template: labelled, ...spec },
  };
}
