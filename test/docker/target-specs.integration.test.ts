import { homedir } from "node:os";
import { afterAll, describe, expect, it } from "vitest";
import { watchEngineHealth } from "../../src/cluster/monitor.js";
import { resolveCluster } from "../../src/cluster/providers/resolve.js";
import { kubernetesTarget } from "../../src/cluster/target.js";
import { connectEngine } from "../../src/docker/connect.js";
import { findEngine } from "../../src/docker/endpoint.js";
import { dockerTarget } from "../../src/docker/target/docker-target.js";
import type { KubeObject } from "../../src/engine/kube-object.js";
import type { Target } from "../../src/engine/target.js";
import { type PodCase, specObjects } from "./target-specs.js";

// The same pods, by the same interface, in a cluster and without one: what they do is compared.

const image = "busybox:1";
const never = new AbortController().signal;
const kubeconfig = process.env["DEVLOOP_TEST_KUBECONFIG_KIND"];
const { engine, api } = connectEngine(findEngine(process.env, { home: homedir() }));
const namespace = `specs-${Math.random().toString(36).slice(2, 7)}`;
const spec = { provider: "auto", namespace, create: false, allow: [] } as const;
const work = { signal: never, onProgress: () => undefined, onNote: () => undefined };

interface Both {
  readonly targets: readonly [cluster: Target, docker: Target];
  /** Lets the namespace go; nobody waits for the kubelet, which takes its time. */
  readonly leaveCluster: () => Promise<void>;
}

async function openBoth(): Promise<Both | undefined> {
  const found = await engine.image(image, { signal: never }).catch(() => undefined);
  if (!kubeconfig || !found) {
    if (process.env["CI"])
      throw new Error(`this needs ${image} in the engine, and the kind cluster's kubeconfig`);
    return undefined;
  }
  const options = { engine, env: { ...process.env, KUBECONFIG: kubeconfig }, signal: never };
  const resolved = await resolveCluster(spec, options);
  const cluster = kubernetesTarget(resolved, engine);
  await cluster.load({ ref: image, imageId: found.id }, work);
  const docker = await dockerTarget(spec, {
    engine,
    api,
    credentials: () => Promise.resolve(undefined),
    project: namespace,
    usedImages: () => [],
    describe: () => "",
    watchHealth: (health) => watchEngineHealth(engine, health),
    signal: never,
  });
  return {
    targets: [cluster, docker],
    async leaveCluster() {
      await resolved.kube.request(`/api/v1/namespaces/${namespace}`, { method: "DELETE", signal: never });
      await cluster[Symbol.asyncDispose]();
    },
  };
}

interface Status {
  readonly phase?: string;
  readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  readonly containerStatuses?: readonly ContainerStatus[];
  readonly initContainerStatuses?: readonly ContainerStatus[];
}
interface ContainerStatus {
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
function follow(target: Target) {
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
    until: (name: string, is: (status: Status) => boolean) =>
      new Promise<Status>((resolve, reject) => {
        const timer = setTimeout(() => {
          listeners.delete(look);
          reject(new Error(`${name} is not so far: ${JSON.stringify(status(name))}`));
        }, 150_000);
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

const isThere: Readonly<Record<PodCase["until"], (status: Status) => boolean>> = {
  ended: ({ phase }) => phase === "Succeeded" || phase === "Failed",
  ready: ({ conditions = [] }) =>
    conditions.some(({ type, status }) => type === "Ready" && status === "True"),
  restarted: ({ containerStatuses = [] }) => containerStatuses.some(({ restartCount }) => restartCount > 0),
  waiting: ({ containerStatuses = [] }) =>
    containerStatuses.some(({ state }) => (state?.waiting?.reason ?? "").endsWith("Error")),
};

const containersOf = ({ initContainerStatuses = [], containerStatuses = [] }: Status) => [
  ...initContainerStatuses,
  ...containerStatuses,
];

/** A container among others is looked at once it has ended, whatever the others do. */
function isSoFar({ until, container }: PodCase, status: Status): boolean {
  if (container === undefined) return isThere[until](status);
  return containersOf(status).some(
    ({ name, state }) => name === container && state?.terminated !== undefined,
  );
}

/** What there is to see of a pod, without what is the platform's own. */
async function observed(target: Target, { until, pod, container }: PodCase, status: Status): Promise<object> {
  const statuses = containersOf(status).filter(({ name }) => container === undefined || name === container);
  const containers = await Promise.all(
    statuses.map(async (each) => {
      const run = each.containerID ?? each.state?.terminated?.containerID;
      const log =
        run !== undefined && until === "ended"
          ? await target.openLog(
              { namespace, pod, container: each.name, run },
              { previous: false, follow: false, signal: never },
            )
          : undefined;
      let text = "";
      for await (const chunk of log ?? []) text += String(chunk);
      return {
        name: each.name,
        // A container that is started again and again is ready in between, or not.
        ready: until === "restarted" ? "either" : each.ready,
        restarts: until === "restarted" ? "some" : each.restartCount,
        exit: each.state?.terminated?.exitCode,
        reason: until === "waiting" ? each.state?.waiting?.reason : each.state?.terminated?.reason,
        // Which of two outputs comes first is chance.
        lines: text
          .split("\n")
          .filter((line) => line !== "")
          .map((line) => line.replace(/^\S+ /, ""))
          .sort(),
      };
    }),
  );
  return { phase: until === "restarted" || container !== undefined ? "any" : status.phase, containers };
}

const both = await openBoth();
const { objects, cases } = specObjects(namespace);

describe.skipIf(!both)("a pod on the docker target is as in a cluster:", () => {
  const { targets, leaveCluster } = both ?? ({ targets: [] } as unknown as Both);
  const [cluster, docker] = targets;
  const followed = targets.map(follow);
  const remove = { project: namespace, dryRun: false, includeNamespaces: true, includeVolumes: true };
  let applied: Promise<unknown> | undefined;
  const apply = (): Promise<unknown> =>
    (applied ??= Promise.all(
      [cluster, docker].map((target) =>
        target.apply(
          {
            project: namespace,
            deploy: "specs",
            namespace,
            objects: [...namespaceFor(target), ...objects],
            imageNames: [],
            waiting: [],
            later: [],
          },
          work,
        ),
      ),
    ));
  const namespaceFor = (target: Target): readonly KubeObject[] =>
    target === cluster ? [{ apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } }] : [];

  afterAll(async () => {
    for (const each of followed) await each[Symbol.asyncDispose]();
    await docker[Symbol.asyncDispose]();
    await docker.remove(remove, work);
    await leaveCluster();
  }, 120_000);

  it.each(cases.map((each) => [each.what, each] as const))(
    "%s",
    async (_what, each) => {
      await apply();
      const [there, here] = await Promise.all(
        [cluster, docker].map(async (target, index) => {
          const status = await followed[index]!.until(each.pod, (now) => isSoFar(each, now));
          return observed(target, each, status);
        }),
      );
      expect(here).toEqual(there);
    },
    180_000,
  );
});
