import { setMaxListeners } from "node:events";
import { homedir } from "node:os";
import { watchEngineHealth } from "../../src/cluster/monitor.js";
import { resolveCluster } from "../../src/cluster/providers/resolve.js";
import { kubernetesTarget } from "../../src/cluster/target.js";
import { connectEngine } from "../../src/docker/connect.js";
import { findEngine } from "../../src/docker/endpoint.js";
import { dockerTarget } from "../../src/docker/target/docker-target.js";
import type { KubeObject } from "../../src/engine/kube-object.js";
import type { ClusterSpec } from "../../src/engine/project.js";
import type { Target } from "../../src/engine/target.js";

// A cluster and the engine itself, by the same interface, for tests that compare them.

export const image = "busybox:1";
export const never = new AbortController().signal;
// All that runs on both targets listens to it.
setMaxListeners(0, never);
const kubeconfig = process.env["DEVLOOP_TEST_KUBECONFIG_KIND"];
export const { engine, api } = connectEngine(findEngine(process.env, { home: homedir() }));
export const work = { signal: never, onProgress: () => undefined, onNote: () => undefined };

/** Whether the engine answers and has the image that all pods of these tests run. On CI it must. */
export async function hasImage(): Promise<boolean> {
  const found = await engine.image(image, { signal: never }).catch(() => undefined);
  if (!found && process.env["CI"]) throw new Error(`this needs ${image} in the engine`);
  return found !== undefined;
}

/** The engine as a target, for a project of a test's own. */
export async function openDocker(project: string, spec: Partial<ClusterSpec> = {}): Promise<Target> {
  return await dockerTarget(
    { provider: "docker", namespace: project, create: false, allow: [], ...spec },
    {
      engine,
      api,
      credentials: () => Promise.resolve(undefined),
      project,
      usedImages: () => [],
      describe: () => "",
      watchHealth: (health) => watchEngineHealth(engine, health),
      signal: never,
    },
  );
}

export interface Both {
  readonly targets: readonly [cluster: Target, docker: Target];
  /** Applies the objects to both, in a namespace that is made where there are such. */
  readonly apply: (objects: readonly KubeObject[]) => Promise<void>;
  /** Removes all of it; nobody waits for the kubelet, which takes its time. */
  readonly leave: () => Promise<void>;
}

/** Undefined where there is no cluster or no image, except on CI, where both must be. */
export async function openBoth(namespace: string): Promise<Both | undefined> {
  const found = await engine.image(image, { signal: never }).catch(() => undefined);
  if (!kubeconfig || !found) {
    if (process.env["CI"])
      throw new Error(`this needs ${image} in the engine, and the kind cluster's kubeconfig`);
    return undefined;
  }
  const options = { engine, env: { ...process.env, KUBECONFIG: kubeconfig }, signal: never };
  const resolved = await resolveCluster({ provider: "auto", namespace, create: false, allow: [] }, options);
  const cluster = kubernetesTarget(resolved, engine);
  await cluster.load({ ref: image, imageId: found.id }, work);
  const docker = await openDocker(namespace);
  const home: KubeObject = { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } };
  return {
    targets: [cluster, docker],
    async apply(objects) {
      await Promise.all([
        applyTo(cluster, namespace, [home, ...objects]),
        applyTo(docker, namespace, objects),
      ]);
    },
    async leave() {
      await docker[Symbol.asyncDispose]();
      await docker.remove(everything(namespace), work);
      await resolved.kube.request(`/api/v1/namespaces/${namespace}`, { method: "DELETE", signal: never });
      await cluster[Symbol.asyncDispose]();
    },
  };
}

export const everything = (project: string) => ({
  project,
  dryRun: false,
  includeNamespaces: true,
  includeVolumes: true,
});

/** Applies objects as the one deploy of a project that has the namespace's name. */
export async function applyTo(
  target: Target,
  namespace: string,
  objects: readonly KubeObject[],
  deploy = "specs",
): ReturnType<Target["apply"]> {
  const request = { project: namespace, deploy, namespace, objects, imageNames: [], waiting: [], later: [] };
  return await target.apply(request, work);
}

export interface Status {
  readonly phase?: string;
  readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  readonly containerStatuses?: readonly ContainerStatus[];
  readonly initContainerStatuses?: readonly ContainerStatus[];
}
export interface ContainerStatus {
  readonly name: string;
  readonly restartCount: number;
  readonly containerID?: string;
  readonly ready: boolean;
  readonly state?: State;
  readonly lastState?: State;
}
interface State {
  readonly waiting?: { readonly reason?: string };
  readonly terminated?: {
    readonly exitCode: number;
    readonly reason?: string;
    readonly containerID?: string;
  };
}

/** Follows the pods of the namespace. */
export function follow(target: Target, namespace: string) {
  const listeners = new Set<() => void>();
  const seen = target.watch({
    onObject: () => {
      listeners.forEach((listener) => {
        listener();
      });
    },
    onSync: () => undefined,
    onState: () => undefined,
    signal: never,
  });
  seen.set([{ kind: "Pod", namespace }]);
  const status = (name: string): Status | undefined => {
    const found = [...(seen.get("Pod", namespace)?.objects.values() ?? [])].find(
      ({ metadata }) => metadata.name === name,
    );
    return found && (found as { readonly status?: Status }).status;
  };
  return {
    status,
    all: (): readonly Status[] =>
      [...(seen.get("Pod", namespace)?.objects.values() ?? [])].map(
        (found) => (found as { readonly status?: Status }).status ?? {},
      ),
    until: (name: string, is: (status: Status) => boolean) =>
      new Promise<Status>((resolve, reject) => {
        const timer = setTimeout(() => {
          listeners.delete(look);
          reject(new Error(`${name} is not so far: ${JSON.stringify(status(name))}`));
        }, 290_000);
        const look = (): void => {
          const now = status(name);
          if (!now || !is(now)) return;
          clearTimeout(timer);
          listeners.delete(look);
          resolve(now);
        };
        listeners.add(look);
        look();
      }),
    [Symbol.asyncDispose]: () => seen[Symbol.asyncDispose](),
  };
}
