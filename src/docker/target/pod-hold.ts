import { setTimeout as sleep } from "node:timers/promises";
import { hashJson } from "../../lib/canonical-json.js";
import type { InspectedContainer } from "../engine-containers.js";
import { externalHosts } from "./external-names.js";
import { type PodHost, prefixOf } from "./host.js";
import type { PodFacts } from "./environment.js";
import { label } from "./labels.js";
import type { PodObject, ServiceObject } from "./objects.js";
import { headlessName, isHeadless, selects } from "./service-rules.js";
import { type PodVolume, podVolumes, type VolumePlace, volumesArchive } from "./volumes.js";

/** One run of the container that holds a pod's network and its volumes. */
export interface HoldRun {
  readonly id: string;
  readonly startedAt: string;
  readonly address: string;
}
export interface PodHold {
  readonly run: () => HoldRun | undefined;
  /** The run that is there now; where it is gone, it is made anew. Throws what the engine says. */
  ensure(): Promise<HoldRun>;
  /** Brings the files of its volumes up to what the ConfigMaps and Secrets say now. */
  refresh(): Promise<void>;
}

export interface HoldOptions {
  readonly pod: PodObject;
  readonly labels: Readonly<Record<string, string>>;
  /** Where each of its volumes is. */
  readonly places: ReadonlyMap<string, VolumePlace>;
  readonly facts: () => PodFacts;
  /** One of an earlier session, which runs. */
  readonly found: InspectedContainer | undefined;
  /** It has come, or has come back with another address. */
  readonly onRun: (run: HoldRun) => void;
  /** A run has ended, and with it the network of the containers that were started in it. */
  readonly onLost: (run: HoldRun) => void;
  readonly signal: AbortSignal;
}

/** Where the volumes stand in it: there they are filled. */
const volumesRoot = "/volumes";
/** Beside them, what they were filled with; no volume can have that name. */
const noteName = ".devloop";
const noteFile = "filled.json";
/** How long after the engine has failed it is asked again, in ms. */
const retryMs = 1_000;

export function podHold(
  host: PodHost,
  { pod, labels, places, facts, found, onRun, onLost, signal }: HoldOptions,
): PodHold {
  const { containers: engine, store } = host;
  const { name, namespace = "", uid = "" } = pod.metadata;
  const { spec } = pod;
  const base = `${prefixOf(host.project)}.${namespace}.${name}`;
  const options = { signal };
  let run: HoldRun | undefined;
  let filled: FilledWith | undefined;
  let ensuring: Promise<HoldRun> | undefined;
  if (found) take(found);

  function take(container: InspectedContainer): HoldRun {
    const { id, state } = container;
    if (run?.id === id && run.startedAt === state.startedAt) return run;
    run = { id, startedAt: state.startedAt, address: container.addresses[host.network] ?? "" };
    void watch(run);
    return run;
  }

  /** The engine starts it anew by itself, somebody may remove it: either way its network is another one. */
  async function watch(of: HoldRun): Promise<void> {
    while (!signal.aborted) {
      try {
        await engine.wait(of.id, options);
        const now = await engine.inspect(of.id, options);
        if (now?.state.running !== true || now.state.startedAt !== of.startedAt) {
          onLost(of);
          return;
        }
      } catch {
        await sleep(retryMs, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  async function look(): Promise<HoldRun> {
    const before = run;
    const there = before && (await engine.inspect(before.id, options));
    const now = take(there?.state.running === true ? there : await make());
    if (now !== before) onRun(now);
    return now;
  }

  async function make(): Promise<InspectedContainer> {
    const volumes = podVolumes(spec, facts(), host);
    for (const { name: volume, claim } of volumes) {
      const own = { [label.project]: host.project, [label.namespace]: namespace };
      const of = claim === undefined ? { ...own, [label.uid]: uid } : { ...own, [label.claim]: claim };
      await engine.ensureVolume(places.get(volume)?.source ?? "", of, options);
    }
    const files = filledWith(volumes);
    const external = await externalHosts(store, namespace);
    await engine.remove(base, options);
    signal.throwIfAborted();
    // What the engine has begun to make is waited for: else nobody would know of it.
    const whole = { signal: AbortSignal.timeout(makeMs) };
    const id = await engine.create(base, body(volumes, external), whole);
    if (volumes.length > 0) await fill(id, volumes, files, whole);
    await engine.start(id, whole);
    filled = files;
    const made = await engine.inspect(id, whole);
    if (!made) throw new Error(`the container of pod ${name} is gone again`);
    return made;
  }

  /** Says what it filled them with in the same go: a later session reads it. */
  async function fill(
    id: string,
    volumes: readonly PodVolume[],
    files: FilledWith,
    by: { readonly signal: AbortSignal },
  ): Promise<void> {
    const content = Buffer.from(JSON.stringify(files));
    const note = { name: noteName, shared: false, files: [{ path: noteFile, mode: 0o600, content }] };
    await engine.put(
      id,
      volumesRoot,
      await volumesArchive([...volumes, note], spec.securityContext?.fsGroup),
      by,
    );
  }

  async function filledBefore(id: string): Promise<FilledWith> {
    const text = await engine.readFile(id, `${volumesRoot}/${noteName}/${noteFile}`, options);
    return text === undefined ? { hash: "", paths: [] } : (JSON.parse(text.toString("utf8")) as FilledWith);
  }

  function body(volumes: readonly PodVolume[], external: readonly string[]): object {
    const { securityContext, hostAliases = [] } = spec;
    return {
      Image: host.podImage,
      Entrypoint: ["/pod", "hold"],
      Hostname: (spec.hostname ?? name).slice(0, 63),
      Labels: {
        ...labels,
        [label.role]: "hold",
        [label.pod]: JSON.stringify(pod),
      },
      HostConfig: {
        NetworkMode: host.network,
        IpcMode: "shareable",
        Dns: [],
        DnsSearch: [`${namespace}.svc.cluster.local`, "svc.cluster.local", "cluster.local"],
        DnsOptions: ["ndots:5"],
        ExtraHosts: [
          ...hostAliases.flatMap(({ ip, hostnames = [] }) => hostnames.map((each) => `${each}:${ip}`)),
          ...external,
        ],
        Sysctls: Object.fromEntries((securityContext?.sysctls ?? []).map((each) => [each.name, each.value])),
        // It comes back with the engine, before those that need its network.
        RestartPolicy: { Name: "unless-stopped" },
        Mounts: volumes.map(({ name: volume }) => ({
          Type: "volume",
          Source: places.get(volume)?.source,
          Target: `${volumesRoot}/${volume}`,
          VolumeOptions: { NoCopy: true },
        })),
      },
      NetworkingConfig: { EndpointsConfig: { [host.network]: { Aliases: aliases() } } },
    };
  }

  /** The names that lead to the pod itself: its own below its headless Service, and those of such Services. */
  function aliases(): string[] {
    const headless = (store.all("Service") as readonly ServiceObject[]).filter(
      (service) => service.metadata.namespace === namespace && isHeadless(service) && selects(service, pod),
    );
    const own = `${spec.hostname ?? name}.${spec.subdomain}.${namespace}.svc.cluster.local`;
    return [...(spec.subdomain ? [own] : []), ...headless.map(headlessName)];
  }

  return {
    run: () => run,
    ensure: () => (ensuring ??= look().finally(() => (ensuring = undefined))),
    async refresh() {
      if (!run) return;
      const volumes = podVolumes(spec, facts(), host);
      if (volumes.length === 0) return;
      const files = filledWith(volumes);
      const before = (filled ??= await filledBefore(run.id));
      if (files.hash === before.hash) return;
      const changed = volumes.filter(({ files: of }) => of.length > 0);
      await fill(run.id, changed, files, options);
      const gone = before.paths.filter((path) => !files.paths.includes(path));
      if (gone.length > 0)
        await host.programs.run(
          run.id,
          ["/pod", "remove", ...gone.map((path) => `${volumesRoot}/${path}`)],
          options,
        );
      filled = files;
    },
  };
}

/** How long the engine may take to make a container, in ms. */
export const makeMs = 60_000;

/** What the volumes were filled with: a hash of all files, and where they are. */
interface FilledWith {
  readonly hash: string;
  readonly paths: readonly string[];
}

function filledWith(volumes: readonly PodVolume[]): FilledWith {
  const files = volumes.flatMap(({ name, files: of }) =>
    of.map(({ path, mode, content }) => ({
      path: `${name}/${path}`,
      mode,
      content: content.toString("base64"),
    })),
  );
  return { hash: hashJson(files), paths: files.map(({ path }) => path) };
}
