import { homedir } from "node:os";
import { connectEngine } from "../../src/docker/connect.js";
import { findEngine } from "../../src/docker/endpoint.js";
import { api, type TestCluster } from "../e2e/clusters.js";
import { runToEnd, until, type Running } from "../e2e/devloop.js";

const { engine, docker } = connectEngine(findEngine(process.env, { home: homedir() }));
const { signal } = new AbortController();
const built = new Map<string, Set<string>>();

/** Remembers the images that a devloop built for a project at `root`, by their exact names, to remove them at the end. */
export function noteImages(root: string, { events }: Running): void {
  const refs = built.get(root) ?? new Set();
  built.set(root, refs);
  for (const event of events) {
    if (event.type === "task.succeeded" && event.output.kind === "build") refs.add(event.output.ref);
  }
}

/** Removes what a project deployed, its namespace, and every image that was noted: from the engine and from the node. */
export async function leaveNothing(
  cluster: TestCluster,
  { root, namespace }: { readonly root: string; readonly namespace: string },
): Promise<void> {
  await emptyCluster(cluster, { root, namespace });
  for (const ref of built.get(root) ?? []) {
    await removeFromNode(cluster, ref);
    await removeFromEngine(ref);
  }
  built.delete(root);
}

/** Takes down what is deployed and waits until the namespace is gone. */
export async function emptyCluster(
  cluster: TestCluster,
  { root, namespace }: { readonly root: string; readonly namespace: string },
): Promise<void> {
  await runToEnd({ cluster, cwd: root, args: ["down", "--namespaces", "--volumes"] });
  const path = `/api/v1/namespaces/${namespace}`;
  await api(cluster).remove(path);
  await until(async () => (await api(cluster).get(path)) === undefined, `the end of ${namespace}`);
}

/** One that is not there, or that a stopping container still holds, is no reason to fail a measurement. */
export async function removeFromEngine(ref: string): Promise<void> {
  await docker
    .getImage(ref)
    .remove()
    .catch(() => undefined);
}

export async function removeFromNode({ node }: TestCluster, ref: string): Promise<void> {
  await engine.exec(node, ["crictl", "rmi", ref], { signal }).catch(() => undefined);
}
