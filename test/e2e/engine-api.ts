import { execFile } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import type { KubeObject } from "../../src/cluster/kube.js";
import type { ClusterApi } from "./clusters.js";

const run = promisify(execFile);

/** What `docker inspect` says of a container, as far as it is asked for. */
interface Inspected {
  readonly Id: string;
  readonly RestartCount: number;
  readonly Config: { readonly Image: string; readonly Labels: Readonly<Record<string, string>> };
  readonly State: {
    readonly Running: boolean;
    readonly Status: string;
    readonly ExitCode: number;
    readonly StartedAt: string;
    readonly FinishedAt: string;
  };
  readonly NetworkSettings: {
    readonly Networks: Readonly<Record<string, { readonly IPAddress: string }>>;
  };
}
interface ContainerSpec {
  readonly name: string;
  readonly image: string;
  readonly ports?: readonly { readonly name?: string; readonly containerPort: number }[];
  readonly readinessProbe?: {
    readonly httpGet?: { readonly path?: string; readonly port: number | string };
  };
}
interface Pod extends KubeObject {
  readonly spec: {
    readonly restartPolicy?: string;
    readonly initContainers?: readonly ContainerSpec[];
    readonly containers: readonly ContainerSpec[];
  };
}

/**
 * What the tests ask a cluster's API server for, of the engine: by its containers and their labels, and by asking a pod's own probes.
 * devloop has no part in it but that it wrote the labels. There is nothing but pods.
 */
export function engineApi(): ClusterApi {
  const absent = (): Promise<never> => Promise.reject(new Error("there is no API server"));
  return {
    list: absent,
    get: absent,
    create: absent,
    patch: absent,
    async remove(path) {
      const [, namespace = "", pod] = /\/namespaces\/([^/]+)(?:\/pods\/([^/]+))?$/.exec(path) ?? [];
      await (pod === undefined ? removeProject(namespace) : removePod(namespace, pod));
    },
    /** One that goes while it is looked at is one that is not there: all are looked at again. One on its way out cannot be told from one that stays. */
    async pods(namespace) {
      for (let left = 100; ; left -= 1) {
        const found = await podsNow(namespace).catch((error: unknown) => {
          if (left === 0) throw error;
        });
        if (found) return found;
        await sleep(100);
      }
    },
  };
}

/** As whoever uses the engine takes a pod away: what holds its network first, as it goes when a machine does. */
async function removePod(namespace: string, name: string): Promise<void> {
  const all = await containersWith(`devloop.dev/namespace=${namespace}`);
  const of = (role: string): readonly string[] =>
    all
      .filter(({ Config: { Labels } }) => Labels["devloop.dev/role"] === role)
      .filter(({ Config: { Labels } }) => Labels["devloop.dev/pod-uid"] === uid)
      .map(({ Id }) => Id);
  const uid = all
    .flatMap(({ Config: { Labels } }) => Labels["devloop.dev/pod"] ?? [])
    .map((text) => JSON.parse(text) as Pod)
    .find(({ metadata }) => metadata.name === name)?.metadata.uid;
  if (uid === undefined) throw new Error(`there is no pod ${name}`);
  await removeContainers(of("hold"));
  await removeContainers(of("container"));
}

/** All that a project has there: it is named as its namespace. */
async function removeProject(namespace: string): Promise<void> {
  const own = `label=devloop.dev/project=${namespace}`;
  await removeContainers(lines(await docker("ps", "-aq", "--filter", own)));
  for (const kind of ["network", "volume"])
    for (const id of lines(await docker(kind, "ls", "-q", "--filter", own)))
      await docker(kind, "rm", id).catch(() => undefined);
}

/** Some may be gone by then. */
async function removeContainers(ids: readonly string[]): Promise<void> {
  if (ids.length > 0) await docker("rm", "-f", "-v", ...ids).catch(() => undefined);
}

async function podsNow(namespace: string): Promise<readonly KubeObject[]> {
  const all = await containersWith(`devloop.dev/namespace=${namespace}`);
  return Promise.all(
    all
      .filter(({ Config: { Labels } }) => Labels["devloop.dev/role"] === "hold")
      .map((hold) => {
        const { "devloop.dev/pod": pod = "", "devloop.dev/pod-uid": uid } = hold.Config.Labels;
        const own = all.filter(({ Config: { Labels } }) => Labels["devloop.dev/pod-uid"] === uid);
        return withStatus(JSON.parse(pod) as Pod, hold, own);
      }),
  );
}

async function withStatus(pod: Pod, hold: Inspected, own: readonly Inspected[]): Promise<KubeObject> {
  const address = Object.values(hold.NetworkSettings.Networks)[0]?.IPAddress ?? "";
  const { restartPolicy = "Always", initContainers = [], containers } = pod.spec;
  const statuses = (specs: readonly ContainerSpec[]) =>
    Promise.all(specs.map((spec) => statusOf(spec, address, own)));
  const [initContainerStatuses, containerStatuses] = await Promise.all([
    statuses(initContainers),
    statuses(containers),
  ]);
  const ends = containerStatuses.map(({ state }) => state.terminated?.exitCode);
  const failed = ends.some((code) => code !== undefined && code !== 0);
  const over =
    ends.every((code) => code !== undefined) &&
    restartPolicy !== "Always" &&
    !(failed && restartPolicy === "OnFailure");
  const begun = containerStatuses.some(({ state }) => !state.waiting);
  const ready = containerStatuses.every((status) => status.ready);
  return {
    ...pod,
    status: {
      phase: over ? (failed ? "Failed" : "Succeeded") : begun ? "Running" : "Pending",
      podIP: address,
      conditions: [{ type: "Ready", status: ready ? "True" : "False" }],
      initContainerStatuses,
      containerStatuses,
    },
  };
}

interface Status {
  readonly name: string;
  readonly image: string;
  readonly containerID?: string;
  readonly restartCount: number;
  readonly ready: boolean;
  readonly state: {
    readonly waiting?: object;
    readonly running?: { readonly startedAt: string };
    readonly terminated?: {
      readonly exitCode: number;
      readonly startedAt: string;
      readonly finishedAt: string;
    };
  };
}

/** Of its newest run. */
async function statusOf(spec: ContainerSpec, address: string, own: readonly Inspected[]): Promise<Status> {
  const attempt = ({ Config: { Labels } }: Inspected): number => Number(Labels["devloop.dev/attempt"]);
  const last = own
    .filter(({ Config: { Labels } }) => Labels["devloop.dev/container"] === spec.name)
    .sort((a, b) => attempt(a) - attempt(b))
    .at(-1);
  const { name, image } = spec;
  if (!last) return { name, image, restartCount: 0, ready: false, state: { waiting: {} } };
  const { Running, Status, ExitCode: exitCode, StartedAt: startedAt, FinishedAt: finishedAt } = last.State;
  return {
    name,
    image: last.Config.Image,
    containerID: `docker://${last.Id}`,
    restartCount: attempt(last) + last.RestartCount,
    ready: Running && (await answers(spec, address)),
    state: Running
      ? { running: { startedAt } }
      : Status === "created"
        ? { waiting: {} }
        : { terminated: { exitCode, startedAt, finishedAt } },
  };
}

/** Whether it answers its readiness probe, where that is one by HTTP; the tests have no others. */
async function answers({ readinessProbe, ports = [] }: ContainerSpec, address: string): Promise<boolean> {
  if (!readinessProbe?.httpGet) return true;
  const { path = "/", port } = readinessProbe.httpGet;
  const number = ports.find(({ name }) => name === port)?.containerPort ?? port;
  const asked = fetch(`http://${address}:${number}${path}`, { signal: AbortSignal.timeout(1_000) });
  return asked.then(
    ({ ok }) => ok,
    () => false,
  );
}

async function containersWith(label: string): Promise<readonly Inspected[]> {
  const ids = lines(await docker("ps", "-aq", "--filter", `label=${label}`));
  return ids.length === 0 ? [] : (JSON.parse(await docker("inspect", ...ids)) as Inspected[]);
}

async function docker(...args: string[]): Promise<string> {
  return (await run("docker", args, { maxBuffer: 64 << 20 })).stdout;
}

function lines(text: string): readonly string[] {
  return text.split("\n").filter((line) => line !== "");
}
