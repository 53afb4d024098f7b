import { setMaxListeners } from "node:events";
import { networkInterfaces } from "node:os";
import type { ContainerEngine, FindCredential } from "../../engine/container-engine.js";
import type { KubeObject } from "../../engine/kube-object.js";
import type { ClusterSpec } from "../../engine/project.js";
import type { WorkloadState } from "../../engine/state.js";
import type { HealthOptions, HealthWatch, Target } from "../../engine/target.js";
import { DevloopError } from "../../lib/errors.js";
import { serverClock } from "../../lib/server-clock.js";
import type { EngineApi } from "../dial.js";
import { engineContainers } from "../engine-containers.js";
import { openExec } from "../exec-stream.js";
import { appliedObjects } from "./applied.js";
import { hasGateway, podDialer, type Programs, toTunnel } from "./dial.js";
import { showFound } from "./found.js";
import { type PodHost, prefixOf } from "./host.js";
import { label, labelled } from "./labels.js";
import { openRunLog } from "./logs.js";
import { createObjectStore } from "./object-store.js";
import { ensurePodImage } from "./pod-image.js";
import { type ProjectObjects, openProjectObjects } from "./project-objects.js";
import { imagePuller } from "./pull.js";
import { orRefused } from "./refused.js";
import { removeFound } from "./remove.js";

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

interface ContainerStatus {
  readonly name: string;
  readonly containerID?: string;
  readonly state?: { readonly running?: object };
}

/** Kinds whose pods are not replaced by others. */
const withoutRollout = new Set(["Job", "PersistentVolumeClaim"]);

/** Since which minor version of the engine's API, 1.45 of Docker 26, `VolumeOptions.Subpath` is known. */
const subpathMinor = 45;

/** The container engine itself as what the loop drives: the manifests' pods as plain containers. Throws ENGINE_UNREACHABLE. */
export async function dockerTarget(spec: ClusterSpec, options: DockerTargetOptions): Promise<Target> {
  const { engine, api, credentials, project, usedImages } = options;
  const { platform, apiVersion } = await engine.ping({ signal: options.signal });
  const containers = engineContainers(api);
  const store = createObjectStore();
  const life = new AbortController();
  // Every pod listens to it.
  setMaxListeners(0, life.signal);
  const network = prefixOf(project);
  const programs: Programs = {
    open: (container, argv, by) => openExec(api, container, argv, by),
    async run(container, argv, by) {
      const { exitCode, stdout, stderr } = await engine.exec(container, argv, by);
      return { exitCode, output: stdout + stderr };
    },
  };
  const dialer = podDialer(programs, async () =>
    hasGateway(await containers.gateways(network, life), networkInterfaces()),
  );
  const applied = appliedObjects();
  let opened: Promise<ProjectObjects> | undefined;

  /** What is made once, when something is applied first. */
  function open(): Promise<ProjectObjects> {
    opened ??= make().catch((error: unknown) => {
      opened = undefined;
      throw error;
    });
    return opened;
  }
  async function make(): Promise<ProjectObjects> {
    const { signal } = life;
    const podImage = await ensurePodImage(engine, containers, platform, { signal });
    await containers.ensureNetwork(network, { [label.project]: project }, { signal });
    const [{ cpus, memory }, [address = ""], existing] = await Promise.all([
      containers.machine({ signal }),
      containers.gateways(network, { signal }),
      containers.list([labelled(label.project, project)], { signal }),
    ]);
    const host: PodHost = {
      project,
      network,
      machine: { cpus, memory, address },
      podImage,
      containers,
      store,
      find: applied.find,
      findFormer: applied.findFormer,
      hostPaths: spec.hostPaths ?? [],
      mountsParts: Number(apiVersion.split(".")[1]) >= subpathMinor,
      ensureImage: imagePuller(engine, containers, credentials),
      programs,
      dialer,
    };
    return openProjectObjects(host, { applied, existing, usedImages, signal });
  }

  /** The id of a container's present run. Throws where it does not run. */
  function runId(home: string, pod: string, container: string): string {
    const status = (store.get("Pod", home, pod)?.["status"] ?? {}) as Readonly<
      Record<"initContainerStatuses" | "containerStatuses", readonly ContainerStatus[] | undefined>
    >;
    const all = [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])];
    const id = all.find(({ name, state }) => name === container && state?.running)?.containerID;
    if (id === undefined) throw new Error(`container ${container} of pod ${pod} does not run`);
    return id;
  }

  return {
    cluster: {
      provider: "docker",
      context: "docker",
      name: "docker",
      namespace: spec.namespace ?? "default",
      uid: engine.address,
      nodes: [],
      platform,
    },
    address: engine.address,
    load: (image) => Promise.resolve({ kind: "load", ref: image.ref, nodes: [], present: [], bytes: 0 }),
    apply: (request, work) => orRefused(open().then((objects) => objects.apply(request, work))),
    prune: ({ keep }, { signal }) => orRefused(open().then((objects) => objects.prune(keep, { signal }))),
    async restart({ kind, namespace, name }) {
      const running = (await opened)?.workload(`${kind}/${namespace}/${name}`);
      if (!running || withoutRollout.has(kind))
        throw new DevloopError("APPLY_FAILED", `${kind}/${name} cannot be restarted: it has no rollout`, {
          hint: "devloop trigger builds and applies it again",
        });
      running.restart();
    },
    describe(workload) {
      const { kind, namespace, name } = workload;
      const object = store.get(kind, namespace, name);
      if (!object) throw new DevloopError("NOT_FOUND", `${kind}/${name} does not run`);
      const events = store.all("Event").filter(({ metadata }) => metadata.namespace === namespace);
      return Promise.resolve(options.describe(workload, object, events));
    },
    remove: (request, { signal }) => {
      const ways = { network: prefixOf(request.project), dialer, programs };
      return orRefused(removeFound(containers, ways, request, { signal }));
    },
    async deployed(name, { signal }) {
      const found = await containers.list([labelled(label.project, name)], { signal });
      const shown = await showFound(
        { store, project: name, network: prefixOf(name), dialer, programs },
        found,
        { signal },
      );
      return { workloads: [...shown].sort((a, b) => a.id.localeCompare(b.id)), missing: [] };
    },
    watchHealth: options.watchHealth,
    watch: (by) => store.watch(by),
    openLog: ({ run }, query) => openRunLog(containers, run, query),
    clock: ({ signal }) => serverClock(api.stream("GET", "/_ping", { signal }), { signal }),
    async openTunnel({ namespace, name }, port, by) {
      const pod = (await opened)?.pod(namespace, name);
      if (!pod) throw new Error(`pod ${name} is gone`);
      const to = { hold: pod.hold() ?? "", address: pod.address() ?? "", port };
      const stream = await dialer.dial(to, by).catch((error: unknown) => {
        by.signal.throwIfAborted();
        if ((error as NodeJS.ErrnoException).code !== "ECONNREFUSED") throw error;
        return dialer.dialInside(to, by);
      });
      return toTunnel(stream, by);
    },
    openExec: async ({ namespace, pod, container }, argv, { signal }) =>
      await programs.open(runId(namespace, pod, container), argv, { signal }),
    async [Symbol.asyncDispose]() {
      const objects = await opened?.catch(() => undefined);
      await objects?.[Symbol.asyncDispose]();
      life.abort();
    },
  };
}
