import { setMaxListeners } from "node:events";
import type { KubeObject } from "../../engine/kube-object.js";
import type { AppliedWorkload } from "../../engine/task.js";
import type { ApplyRequest, Target, WorkOptions } from "../../engine/target.js";
import type { InspectedContainer } from "../engine-containers.js";
import type { AppliedObjects } from "./applied.js";
import { checkedObject } from "./checked.js";
import { type FoundOwner, foundOwners } from "./found-owners.js";
import { type FoundPod, lookAtPod } from "./found-pod.js";
import type { PodHost } from "./host.js";
import { type Ingresses, openIngresses } from "./ingress.js";
import { label } from "./labels.js";
import { passedOver, workloadKinds } from "./passed-over.js";
import type { ServiceObject } from "./objects.js";
import type { RunningPod } from "./pod.js";
import { removePod } from "./remove.js";
import { headlessName, isHeadless, selects } from "./service-rules.js";
import { openServices } from "./services.js";
import { type RunningWorkload, startWorkload } from "./workload.js";

/** What a project has on the engine: its workloads and Services, those of earlier sessions as well. */
export interface ProjectObjects extends AsyncDisposable {
  apply(request: ApplyRequest, options: WorkOptions): ReturnType<Target["apply"]>;
  /** Removes what belongs to other deploys than these. Returns `Kind/name`. */
  prune(keep: readonly string[], options: { readonly signal: AbortSignal }): Promise<readonly string[]>;
  workload(id: string): RunningWorkload | undefined;
  /** Throws for one that is gone. */
  pod(namespace: string, name: string): RunningPod;
}

export interface ProjectOptions {
  /** What was applied last. Pods are made with its ConfigMaps and Secrets. */
  readonly applied: AppliedObjects;
  /** The containers of earlier sessions: their workloads are taken up, and change once their deploy is applied. */
  readonly existing: readonly InspectedContainer[];
  /** The names among the project's images that an object runs. */
  readonly usedImages: (object: KubeObject, names: readonly string[]) => readonly string[];
  readonly signal: AbortSignal;
}

interface Owned {
  readonly deploy: string;
  readonly running: RunningWorkload;
}

export async function openProjectObjects(
  host: PodHost,
  { applied, existing, usedImages, signal: life }: ProjectOptions,
): Promise<ProjectObjects> {
  const { store } = host;
  const found = existing.filter(({ labels }) => labels[label.role] === "service");
  const serviceOwners = new Map(
    found.map(({ labels }): [string, string] => [
      `${labels[label.namespace] ?? ""}/${labels[label.service] ?? ""}`,
      labels[label.deploy] ?? "",
    ]),
  );
  // Looked at before anything is told of it: what is not ready would be taken for a change.
  const owners = await Promise.all(
    foundOwners(existing).map(async (owner) => ({
      ...owner,
      pods: await takeUpPods(host, owner.pods, { signal: life }),
    })),
  );
  const services = openServices(host, found);
  const workloads = new Map<string, Owned>();
  const closing = new AbortController();
  setMaxListeners(0, closing.signal);
  const lives = { closing: closing.signal, signal: life };
  for (const { id, deploy, object, pods, recorded } of owners) {
    const options = { deploy, isApplied: isApplied(id), existing: pods, recorded, found: true, ...lives };
    workloads.set(id, { deploy, running: startWorkload(host, object, options) });
  }
  const ingresses: Ingresses = openIngresses({
    store,
    dialer: host.dialer,
    holdOf: ({ metadata }) => findPod(metadata.namespace ?? "", metadata.name).hold() ?? "",
  });
  /** By id: what is removed and not gone yet. */
  const leaving = new Map<string, Promise<unknown>>();
  const told = new Set<string>();

  /** It may have gone over to another deploy. */
  function isApplied(id: string): () => boolean {
    return () => applied.has(workloads.get(id)?.deploy ?? "");
  }

  function pods(of: (owned: Owned) => boolean = () => true): readonly RunningPod[] {
    return [...workloads.values()].filter(of).flatMap(({ running }) => running.pods());
  }

  function findPod(home: string, name: string): RunningPod {
    const pod = pods().find(({ pod: { metadata } }) => metadata.namespace === home && metadata.name === name);
    if (!pod) throw new Error(`pod ${name} is gone`);
    return pod;
  }

  function tellOnce(lines: readonly string[]): readonly string[] {
    const news = lines.filter((line) => !told.has(line));
    for (const line of news) told.add(line);
    return news;
  }

  async function apply(request: ApplyRequest, { signal, onNote }: WorkOptions) {
    const { deploy } = request;
    const at = (object: KubeObject): KubeObject => ({
      ...object,
      metadata: { ...object.metadata, namespace: object.metadata.namespace ?? request.namespace },
    });
    // One that is refused leaves all others as they are.
    const objects = request.objects.map(checkedObject).map(at);
    const ignored = tellOnce(objects.map(passedOver).filter((line) => line !== undefined));
    if (ignored.length > 0) onNote(`not honoured without a cluster: ${ignored.join(", ")}`);
    const isFirst = !applied.has(deploy);
    applied.set(
      deploy,
      objects,
      pods().map(({ pod }) => pod),
    );
    const counts = { created: 0, changed: 0, unchanged: 0 };
    const result: AppliedWorkload[] = [];
    const keep = new Set<string>();

    await Promise.all(
      objects
        .filter(({ kind }) => kind === "Service")
        .map(async (object) => {
          const key = `${object.metadata.namespace ?? ""}/${object.metadata.name}`;
          keep.add(`Service/${key}`);
          serviceOwners.set(key, deploy);
          const made = await services.apply(object, deploy, { signal });
          counts[made ? "created" : "unchanged"] += 1;
        }),
    );
    // Another session may have applied others.
    if (isFirst || objects.some(({ kind }) => kind === "ConfigMap" || kind === "Secret"))
      await refreshFiles();
    for (const object of objects) {
      const { kind, metadata } = object;
      const { name, namespace = "" } = metadata;
      const id = `${kind}/${namespace}/${name}`;
      keep.add(id);
      const images = [...usedImages(object, request.imageNames)];
      if (kind === "PersistentVolumeClaim") {
        store.set({ ...object, metadata: { ...metadata, uid: id }, status: { phase: "Bound" } });
        result.push({ id, kind, namespace, name, uid: id, generation: 0, images });
      }
      if (!workloadKinds.has(kind)) continue;
      const running = take(id, object, deploy, counts);
      // A pod has no controller that would see a generation.
      const generation = kind === "Pod" ? 0 : running.generation();
      result.push({ id, kind, namespace, name, uid: running.uid, generation, images });
    }
    await serveIngresses(onNote);
    for (const line of tellOnce(await unnamed(objects, signal))) onNote(line);
    for (const { kind, metadata } of [...request.waiting, ...request.later.map(({ object }) => object)].map(
      at,
    ))
      keep.add(`${kind}/${metadata.namespace ?? ""}/${metadata.name}`);
    const pruned = await pruneOthers((of, id) => of === deploy && !keep.has(id), signal);
    return {
      kind: "deploy" as const,
      ...counts,
      pruned,
      replaced: [],
      waiting: request.waiting.map(({ kind, metadata }) => `${kind}/${metadata.name}`),
      later: request.later.map(({ object: { kind, metadata }, until }) => ({
        title: `${kind}/${metadata.name}`,
        name: metadata.name,
        until,
      })),
      workloads: result,
    };
  }

  function take(
    id: string,
    object: KubeObject,
    deploy: string,
    counts: Record<"created" | "changed" | "unchanged", number>,
  ): RunningWorkload {
    const known = workloads.get(id);
    if (known) counts[known.running.set(object) ? "changed" : "unchanged"] += 1;
    else counts.created += 1;
    const running =
      known?.running ??
      startWorkload(host, object, {
        ...{ deploy, existing: [], recorded: false, found: false, after: leaving.get(id), ...lives },
        isApplied: isApplied(id),
      });
    workloads.set(id, { deploy, running });
    return running;
  }

  /** The files of pods that run follow a ConfigMap or Secret that has changed under its own name. */
  async function refreshFiles(): Promise<void> {
    // Of a deploy that is not applied yet, nothing would be found.
    const known = pods(({ deploy }) => applied.has(deploy));
    // One that is not to be had now leaves what is there, as in a cluster.
    await Promise.all(known.map((pod) => pod.refresh().catch(() => undefined)));
  }

  async function serveIngresses(onNote: (message: string) => void): Promise<void> {
    const all = applied.all().filter(({ kind }) => kind === "Ingress");
    const lines = (await ingresses.set(all)).map(({ name, url, foreignHost }) => {
      const first = foreignHost === undefined ? "" : `, once /etc/hosts has 127.0.0.1 ${foreignHost}`;
      return `Ingress/${name}: ${url}${first}`;
    });
    for (const line of tellOnce(lines)) onNote(line);
  }

  /** Lines on headless Services that came after pods of theirs: those cannot be given the name as they run. */
  async function unnamed(objects: readonly KubeObject[], signal: AbortSignal): Promise<readonly string[]> {
    const headless = (objects as readonly ServiceObject[]).filter(
      (object) => object.kind === "Service" && isHeadless(object),
    );
    const lacks = async (service: ServiceObject, { hold }: RunningPod): Promise<boolean> => {
      const container = await host.containers.inspect(hold() ?? "", { signal });
      return container !== undefined && !container.aliases.includes(headlessName(service));
    };
    const lines = headless.flatMap((service) =>
      [...workloads.values()].map(async ({ running }) => {
        const known = running.pods().filter(({ hold, pod }) => hold() !== undefined && selects(service, pod));
        if (!(await Promise.all(known.map((pod) => lacks(service, pod)))).includes(true)) return [];
        const { kind, metadata } = running.object();
        return [
          `Service/${service.metadata.name} is headless and newer than the pods of ${kind}/${metadata.name}: its name leads to pods that start from now on (devloop restart ${metadata.name})`,
        ];
      }),
    );
    return (await Promise.all(lines)).flat();
  }

  /** Removes workloads and Services that are to go. In the background: nobody waits for what leaves. */
  async function pruneOthers(
    goes: (deploy: string, id: string) => boolean,
    signal: AbortSignal,
  ): Promise<string[]> {
    const pruned: string[] = [];
    for (const [id, { deploy, running }] of [...workloads]) {
      if (!goes(deploy, id)) continue;
      workloads.delete(id);
      const gone = Promise.all([leaving.get(id), running.remove()]).finally(() => {
        if (leaving.get(id) === gone) leaving.delete(id);
      });
      leaving.set(id, gone);
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

  return {
    apply,
    async prune(keep, { signal }) {
      for (const deploy of applied.deploys()) if (!keep.includes(deploy)) applied.delete(deploy);
      await serveIngresses(() => undefined);
      return await pruneOthers((deploy) => !keep.includes(deploy), signal);
    },
    workload: (id) => workloads.get(id)?.running,
    pod: findPod,
    async [Symbol.asyncDispose]() {
      closing.abort();
      await ingresses[Symbol.asyncDispose]();
      await Promise.all([...workloads.values()].map(({ running }) => running.leave()));
      await Promise.all(leaving.values());
      await services[Symbol.asyncDispose]();
    },
  };
}

/** Those pods that can be taken up, as they are now; what is left of others is removed. Throws what the engine says. */
async function takeUpPods(
  host: PodHost,
  pods: FoundOwner["pods"],
  options: { readonly signal: AbortSignal },
): Promise<readonly FoundPod[]> {
  const looked = await Promise.all(
    [...pods].map(async ([uid, containers]) => {
      const pod = await lookAtPod(host, containers, options);
      if (!pod) await removePod(host.containers, uid, options);
      return pod;
    }),
  );
  return looked.filter((pod) => pod !== undefined);
}
