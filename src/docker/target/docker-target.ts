import type { ContainerEngine, FindCredential } from "../../engine/container-engine.js";
import type { KubeObject } from "../../engine/kube-object.js";
import type { AppliedWorkload, ClusterSpec, WorkloadState } from "../../engine/model.js";
import type { ApplyRequest, HealthOptions, HealthWatch, Target } from "../../engine/target.js";
import { DevloopError, errorText } from "../../lib/errors.js";
import { serverClock } from "../../lib/server-clock.js";
import type { EngineApi } from "../dial.js";
import { engineContainers, type InspectedContainer } from "../engine-containers.js";
import { openExec } from "../exec-stream.js";
import { encodeAuth, registryHost } from "../push.js";
import { ImagePullError } from "./container-slot.js";
import { podDialer, toTunnel } from "./dial.js";
import { showFound } from "./found.js";
import { type PodHost, prefixOf } from "./host.js";
import { label, labelled } from "./labels.js";
import { openRunLog } from "./logs.js";
import type { ServiceObject } from "./objects.js";
import { createObjectStore } from "./object-store.js";
import { ensurePodImage } from "./pod-image.js";
import type { RunningPod } from "./pod.js";
import { orRefused } from "./refused.js";
import { removeFound } from "./remove.js";
import { openServices, type Services } from "./services.js";
import { tcpPorts } from "./service-rules.js";
import { type RunningWorkload, startWorkload } from "./workload.js";

export interface DockerTargetOptions {
  readonly engine: ContainerEngine;
  readonly api: EngineApi;
  readonly credentials: FindCredential;
  readonly project: string;
  /** The names among the project's images that an object runs. */
  readonly usedImages: (object: KubeObject, names: readonly string[]) => readonly string[];
  /** A workload as it stands with what happened to it, in words. */
  readonly describe: (workload: WorkloadState, object: KubeObject, events: readonly KubeObject[]) => string;
  readonly watchHealth: (options: HealthOptions) => HealthWatch;
  readonly signal: AbortSignal;
}

const workloadKinds = new Set(["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "Pod"]);
/** Kinds that are taken up without anything running for them. */
const quietKinds = new Set(["Namespace", "ConfigMap", "Secret", "ServiceAccount"]);

/** The container engine itself as what the loop drives: the manifests' pods as plain containers. Throws ENGINE_UNREACHABLE. */
export async function dockerTarget(spec: ClusterSpec, options: DockerTargetOptions): Promise<Target> {
  const { engine, api, credentials, project, usedImages } = options;
  const { platform } = await engine.ping({ signal: options.signal });
  const containers = engineContainers(api);
  const store = createObjectStore();
  const life = new AbortController();
  const namespace = spec.namespace ?? "default";
  const network = prefixOf(project);
  const own = labelled(label.project, project);
  const exec = (container: string, argv: readonly string[], by: { readonly signal: AbortSignal }) =>
    openExec(api, container, argv, by);
  const dial = podDialer(exec);
  /** By deploy. */
  const applied = new Map<string, readonly KubeObject[]>();
  const workloads = new Map<string, { readonly deploy: string; readonly running: RunningWorkload }>();
  const serviceOwners = new Map<string, string>();
  const told = new Set<string>();
  let opened: Promise<{ readonly host: PodHost; readonly services: Services }> | undefined;

  /** What is made once, when something is applied first. */
  function open(): NonNullable<typeof opened> {
    opened ??= make().catch((error: unknown) => {
      opened = undefined;
      throw error;
    });
    return opened;
  }
  async function make(): Promise<{ readonly host: PodHost; readonly services: Services }> {
    const { signal } = life;
    const podImage = await ensurePodImage(engine, containers, platform, { signal });
    await containers.ensureNetwork(network, { [label.project]: project }, { signal });
    const existing = await containers.list([own, labelled(label.role, "service")], { signal });
    for (const { labels } of existing)
      serviceOwners.set(
        `${labels[label.namespace] ?? ""}/${labels[label.service] ?? ""}`,
        labels[label.deploy] ?? "",
      );
    const host: PodHost = {
      project,
      network,
      podImage,
      containers,
      store,
      find: (kind, home, name) =>
        [...applied.values()]
          .flat()
          .find(
            (object) =>
              object.kind === kind && object.metadata.namespace === home && object.metadata.name === name,
          ),
      ensureImage,
      dial,
      async exec(container, argv, by) {
        const { exitCode, stdout, stderr } = await engine.exec(container, argv, by);
        return { exitCode, output: stdout + stderr };
      },
    };
    return { host, services: openServices(host, existing) };
  }

  async function ensureImage(ref: string, { signal }: { readonly signal: AbortSignal }): Promise<void> {
    if (await engine.image(ref, { signal })) return;
    const name = registryHost(ref);
    const auth = encodeAuth(name, await credentials(name, { signal }));
    try {
      await containers.pull(/[:@][^/]*$/.test(ref) ? ref : `${ref}:latest`, auth, { signal });
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof DevloopError) throw error;
      throw new ImagePullError(errorText(error));
    }
  }

  function findPod(home: string, name: string): RunningPod {
    for (const { running } of workloads.values()) {
      const found = running
        .pods()
        .find(({ pod }) => pod.metadata.namespace === home && pod.metadata.name === name);
      if (found) return found;
    }
    throw new Error(`pod ${name} is gone`);
  }

  /** The id of a container's present run: of one that is run here, else as its labels tell. */
  async function runId(home: string, pod: string, container: string, signal: AbortSignal): Promise<string> {
    const object = store.get("Pod", home, pod) as
      | {
          readonly status?: {
            readonly containerStatuses?: readonly { name: string; containerID?: string }[];
          };
        }
      | undefined;
    signal.throwIfAborted();
    const id = object?.status?.containerStatuses?.find(({ name }) => name === container)?.containerID;
    if (id === undefined) throw new Error(`container ${container} of pod ${pod} does not run`);
    return Promise.resolve(id);
  }

  function noteIgnored(objects: readonly KubeObject[], onNote: (message: string) => void): void {
    const ignored = objects.flatMap((object) => {
      const title = `${object.kind}/${object.metadata.name}`;
      if (object.kind === "Service") {
        const { ports = [], type } = (object as ServiceObject).spec ?? {};
        if (type === "ExternalName") return [`${title} (ExternalName)`];
        return tcpPorts(object).length < ports.length ? [`${title} (ports that are not TCP)`] : [];
      }
      const isKnown =
        workloadKinds.has(object.kind) ||
        quietKinds.has(object.kind) ||
        object.kind === "PersistentVolumeClaim";
      return isKnown ? [] : [title];
    });
    const news = ignored.filter((title) => !told.has(title));
    for (const title of news) told.add(title);
    if (news.length > 0) onNote(`not honoured without a cluster: ${news.join(", ")}`);
  }

  async function apply(request: ApplyRequest, { signal, onNote }: Parameters<Target["apply"]>[1]) {
    const { host, services } = await open();
    const { deploy } = request;
    const at = (object: KubeObject): KubeObject => ({
      ...object,
      metadata: { ...object.metadata, namespace: object.metadata.namespace ?? request.namespace },
    });
    const objects = request.objects.map(at);
    noteIgnored(objects, onNote);
    applied.set(deploy, objects);
    const counts = { created: 0, changed: 0, unchanged: 0 };
    const result: AppliedWorkload[] = [];
    const existing = byOwner(await containers.list([own], { signal }));
    const keep = new Set<string>();

    for (const object of objects.filter(({ kind }) => kind === "Service")) {
      const key = `${object.metadata.namespace ?? ""}/${object.metadata.name}`;
      keep.add(`Service/${key}`);
      serviceOwners.set(key, deploy);
      if (await services.apply(object, deploy, { signal })) counts.created += 1;
      else counts.unchanged += 1;
    }
    for (const object of objects) {
      const { kind, metadata } = object;
      const home = metadata.namespace ?? "";
      const id = `${kind}/${home}/${metadata.name}`;
      keep.add(id);
      const images = [...usedImages(object, request.imageNames)];
      if (kind === "PersistentVolumeClaim") {
        store.set({ ...object, metadata: { ...metadata, uid: id }, status: { phase: "Bound" } });
        result.push({ id, kind, namespace: home, name: metadata.name, uid: id, generation: 0, images });
      }
      if (!workloadKinds.has(kind)) continue;
      const known = workloads.get(id);
      const before = existing.get(id);
      let running = known?.running;
      if (running) counts[running.set(object) ? "changed" : "unchanged"] += 1;
      else {
        running = startWorkload(host, object, {
          deploy,
          existing: before?.pods ?? new Map(),
          signal: life.signal,
        });
        counts[!before ? "created" : before.workload === JSON.stringify(object) ? "unchanged" : "changed"] +=
          1;
      }
      workloads.set(id, { deploy, running });
      // A pod has no controller that would see a generation.
      const generation = kind === "Pod" ? 0 : running.generation();
      result.push({
        ...{ id, kind, namespace: home, name: metadata.name, uid: running.uid, generation, images },
      });
    }
    const waiting = request.waiting.map(at);
    for (const { kind, metadata } of [...waiting, ...request.later.map(({ object }) => at(object))])
      keep.add(`${kind}/${metadata.namespace ?? ""}/${metadata.name}`);
    const pruned = await pruneOthers((of, id) => of === deploy && !keep.has(id), existing, signal);
    return {
      kind: "deploy" as const,
      ...counts,
      pruned,
      replaced: [],
      waiting: request.waiting.map(({ kind, metadata }) => `${kind}/${metadata.name}`),
      later: request.later.map(({ object, until }) => ({
        title: `${object.kind}/${object.metadata.name}`,
        name: object.metadata.name,
        until,
      })),
      workloads: result,
    };
  }

  /** Removes workloads and Services that are to go, those of an earlier session as well. In the background: nobody waits for what leaves. */
  async function pruneOthers(
    goes: (deploy: string, id: string) => boolean,
    existing: ReadonlyMap<string, FoundOwner>,
    signal: AbortSignal,
  ): Promise<string[]> {
    const { host, services } = await open();
    const pruned: string[] = [];
    for (const [id, { deploy, workload, pods }] of existing) {
      if (workloads.has(id) || !goes(deploy, id)) continue;
      const object = JSON.parse(workload) as KubeObject;
      const running = startWorkload(host, object, { deploy, existing: pods, signal: life.signal });
      workloads.set(id, { deploy, running });
    }
    for (const [id, { deploy, running }] of [...workloads]) {
      if (!goes(deploy, id)) continue;
      workloads.delete(id);
      leaving.add(running.remove().finally(() => undefined));
      pruned.push(`${running.object().kind}/${running.object().metadata.name}`);
    }
    for (const [key, deploy] of [...serviceOwners]) {
      if (!goes(deploy, `Service/${key}`)) continue;
      const [home = "", name = ""] = key.split("/");
      serviceOwners.delete(key);
      await services.remove(home, name, { signal });
      pruned.push(`Service/${name}`);
    }
    return pruned;
  }
  const leaving = new Set<Promise<void>>();

  const prune: Target["prune"] = async ({ keep }, { signal }) => {
    const existing = byOwner(await containers.list([own], { signal }));
    await open();
    return await pruneOthers((deploy) => !keep.includes(deploy), existing, signal);
  };

  return {
    cluster: {
      provider: "docker",
      context: "docker",
      name: "docker",
      namespace,
      uid: engine.address,
      nodes: [],
      platform,
    },
    address: engine.address,
    load: (image) => Promise.resolve({ kind: "load", ref: image.ref, nodes: [], present: [], bytes: 0 }),
    apply: (request, work) => orRefused(apply(request, work)),
    prune: (request, work) => orRefused(prune(request, work)),
    restart({ kind, namespace: home, name }) {
      const running = workloads.get(`${kind}/${home}/${name}`)?.running;
      if (!running || kind === "Job" || kind === "PersistentVolumeClaim")
        throw new DevloopError("APPLY_FAILED", `${kind}/${name} cannot be restarted: it has no rollout`, {
          hint: "devloop trigger builds and applies it again",
        });
      running.restart();
      return Promise.resolve();
    },
    describe(workload) {
      const { kind, namespace: home, name } = workload;
      const object = store.get(kind, home, name);
      if (!object) throw new DevloopError("NOT_FOUND", `${kind}/${name} does not run`);
      const events = store.all("Event").filter(({ metadata }) => metadata.namespace === home);
      return Promise.resolve(options.describe(workload, object, events));
    },
    remove: (request, { signal }) => orRefused(removeFound(containers, request, { signal })),
    async deployed(name, { signal }) {
      const found = await containers.list([labelled(label.project, name)], { signal });
      const shown = [...showFound(store, found)].sort((a, b) => a.id.localeCompare(b.id));
      return { workloads: shown, missing: [] };
    },
    watchHealth: options.watchHealth,
    watch: (by) => store.watch(by),
    openLog: ({ run }, query) => openRunLog(containers, run, query),
    clock: ({ signal }) => serverClock(api.stream("GET", "/_ping", { signal }), { signal }),
    async openTunnel({ namespace: home, name }, port, by) {
      const pod = findPod(home, name);
      const to = { hold: pod.hold() ?? "", address: pod.address() ?? "", port };
      const stream = await dial(to, by).catch((error: unknown) => {
        by.signal.throwIfAborted();
        if ((error as NodeJS.ErrnoException).code !== "ECONNREFUSED") throw error;
        return dial.inside(to, by);
      });
      return toTunnel(stream, by);
    },
    async openExec({ namespace: home, pod, container }, argv, { signal }) {
      return await exec(await runId(home, pod, container, signal), argv, { signal });
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...workloads.values()].map(({ running }) => running.leave()));
      await Promise.all(leaving);
      const made = await opened?.catch(() => undefined);
      await made?.services[Symbol.asyncDispose]();
      life.abort();
    },
  };
}

interface FoundOwner {
  readonly deploy: string;
  /** As JSON. */
  readonly workload: string;
  readonly pods: ReadonlyMap<string, readonly InspectedContainer[]>;
}

/** The containers of each workload, by the uids of its pods. */
function byOwner(found: readonly InspectedContainer[]): ReadonlyMap<string, FoundOwner> {
  const owners = new Map<
    string,
    { deploy: string; workload: string; pods: Map<string, InspectedContainer[]> }
  >();
  for (const container of found) {
    const { labels } = container;
    const id = labels[label.owner];
    if (id === undefined) continue;
    const owner = owners.get(id) ?? {
      deploy: labels[label.deploy] ?? "",
      workload: labels[label.workload] ?? "{}",
      pods: new Map<string, InspectedContainer[]>(),
    };
    const uid = labels[label.uid] ?? "";
    owner.pods.set(uid, [...(owner.pods.get(uid) ?? []), container]);
    owners.set(id, owner);
  }
  return owners;
}
