import { KubeConfig } from "@kubernetes/client-node";
import { KubeStatusError, type Kube, type KubeObject, type KubeRequest } from "../../../src/cluster/kube.js";

/** Answers a request in the API's place; undefined leaves it to the store. */
export type Answer = (method: string, path: string) => unknown;

/** An API server as far as applying needs one: a store of objects by path, and a list of what was asked. */
export function fakeApi(answer: Answer = () => undefined): { kube: Kube; requests: string[] } {
  const objects = new Map<string, KubeObject>([["/api/v1/namespaces/dev", named("Namespace", "dev")]]);
  const requests: string[] = [];
  let uid = 0;
  async function request(target: string, { method = "GET", body, signal }: KubeRequest): Promise<unknown> {
    await Promise.resolve();
    signal.throwIfAborted();
    const [path = ""] = target.split("?");
    requests.push(`${method} ${path}`);
    const given = answer(method, path);
    if (given instanceof Error) throw given;
    if (given !== undefined) return given;
    const live = objects.get(path);
    if (method === "PATCH" || method === "POST") {
      const sent = body as KubeObject;
      const key = method === "POST" ? `${path}/${sent.metadata.name}` : path;
      if (!live && (sent as { metadata?: unknown }).metadata === undefined) throw notFound(path);
      const metadata = live?.metadata ?? { ...sent.metadata, uid: `uid-${++uid}`, generation: 1 };
      const stored = {
        ...live,
        ...sent,
        metadata: { ...metadata, resourceVersion: `${requests.length}` },
        ...(sent.kind === "CustomResourceDefinition"
          ? { status: { conditions: [{ type: "Established", status: "True" }] } }
          : {}),
      };
      objects.set(key, stored);
      return stored;
    }
    if (!live) throw notFound(path);
    if (method === "DELETE") objects.delete(path);
    return live;
  }
  const kube: Kube = {
    context: "fake",
    server: "http://fake",
    config: new KubeConfig(),
    request,
    stream: () => Promise.reject(new Error("no streams")),
    [Symbol.dispose]: () => undefined,
  };
  return { kube, requests };
}

export function notFound(path: string): KubeStatusError {
  return new KubeStatusError(404, "NotFound", `${path} not found`);
}

function named(kind: string, name: string): KubeObject {
  return { apiVersion: "v1", kind, metadata: { name, uid: `uid-${name}` } };
}
