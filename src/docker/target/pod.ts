import { addAbortListener } from "node:events";
import type { KubeObject } from "../../engine/kube-object.js";
import { startDeadline } from "../../lib/deadline.js";
import type { InspectedContainer } from "../engine-containers.js";
import { containerBody } from "./container-body.js";
import { endOf, type Restart, runSlot, type RunState, type Slot, type SlotWork } from "./container-slot.js";
import type { PodFacts } from "./environment.js";
import { type PodHost, prefixOf } from "./host.js";
import { label } from "./labels.js";
import type { Action, ContainerSpec, PodObject, ServiceObject } from "./objects.js";
import { askProbe } from "./probe.js";
import { isHeadless, selects } from "./service-rules.js";
import { podVolumes, volumesArchive } from "./volumes.js";

/** A pod that is run here, as the kubelet would. */
export interface RunningPod {
  /** As it was made, without its status. */
  readonly pod: PodObject;
  readonly hold: () => string | undefined;
  readonly address: () => string | undefined;
  /** The engine's id of a container's present run. */
  containerId(container: string): string | undefined;
  /** Tells its containers to stop, and removes all that is its own. Never throws but for the engine's loss. */
  stop(): Promise<void>;
  /** Lets go of it: it runs on, and the engine starts what ends anew. */
  leave(): Promise<void>;
}

export interface PodOptions {
  readonly pod: PodObject;
  /** Labels that all its containers carry. */
  readonly labels: Readonly<Record<string, string>>;
  /** What is there of it already, of an earlier session. */
  readonly existing: readonly InspectedContainer[];
  readonly signal: AbortSignal;
}

/** Where the volumes stand in the container that holds a pod's network: there they are filled. */
const volumesRoot = "/volumes";
const defaultGraceSeconds = 30;

/** Starts a pod, or takes up one that runs. Its status goes into the store, and it leaves that once it is gone. */
export function startPod(host: PodHost, { pod, labels, existing, signal }: PodOptions): RunningPod {
  const { containers: engine, store } = host;
  const { name, namespace = "", uid = "" } = pod.metadata;
  const { spec } = pod;
  const base = `${prefixOf(host.project)}.${namespace}.${name}`;
  const restart: Restart = spec.restartPolicy ?? "Always";
  const stop = new AbortController();
  const outer = addAbortListener(signal, () => {
    stop.abort();
  });
  const createdAt = pod.metadata.creationTimestamp ?? new Date().toISOString();
  let hold = existing.find(({ labels: of, state }) => of[label.role] === "hold" && state.running)?.id;
  let address = existing.find(({ id }) => id === hold)?.addresses[host.network];
  let stopping: string | undefined;
  let failed = false;
  const slots: Slot[] = [
    ...(spec.initContainers ?? []).map((container) => adopt(container, true)),
    ...spec.containers.map((container) => adopt(container, false)),
  ];

  function adopt(container: ContainerSpec, init: boolean): Slot {
    const runs = existing
      .filter(({ labels: of, state }) => of[label.container] === container.name && state.status !== "created")
      .sort((a, b) => Number(a.labels[label.attempt]) - Number(b.labels[label.attempt]));
    const last = hold === undefined ? undefined : runs.at(-1);
    const before = runs.at(-2);
    const running = last?.state.running === true;
    const state: RunState = !last
      ? { waiting: { reason: init ? "PodInitializing" : "ContainerCreating" } }
      : running
        ? { running: { startedAt: last.state.startedAt } }
        : { terminated: endOf(last.id, last) };
    return {
      spec: container,
      init,
      id: last?.id,
      state,
      lastState: before ? { terminated: endOf(before.id, before) } : {},
      restarts: Number(last?.labels[label.attempt] ?? 0) + (last?.restarts ?? 0),
      started: running,
      ready: running || (init && last?.state.exitCode === 0),
    };
  }

  // ---- its status -------------------------------------------------------------------------------------------------

  function tell(): void {
    const isInit = (slot: Slot): boolean => slot.init && slot.spec.restartPolicy !== "Always";
    const initialized = slots.filter(isInit).every(({ ready }) => ready);
    const main = slots.filter(({ init }) => !init);
    const ended = main.every(({ state }) => state.terminated !== undefined) && !willRestart(main);
    const bad = failed || (ended && main.some(({ state }) => state.terminated?.exitCode !== 0));
    const begun = main.some(
      ({ state, lastState }) => state.running ?? state.terminated ?? lastState.terminated,
    );
    const phase = bad ? "Failed" : ended ? "Succeeded" : initialized && begun ? "Running" : "Pending";
    const ready =
      !ended &&
      !bad &&
      stopping === undefined &&
      initialized &&
      slots.every((slot) => isInit(slot) || slot.ready);
    const condition = (type: string, status: boolean): object => ({
      type,
      status: status ? "True" : "False",
    });
    const object: KubeObject = {
      ...pod,
      metadata: {
        ...pod.metadata,
        creationTimestamp: createdAt,
        ...(stopping === undefined ? {} : { deletionTimestamp: stopping }),
      },
      spec: { ...spec, nodeName: "docker" },
      status: {
        phase,
        ...(address === undefined ? {} : { podIP: address, podIPs: [{ ip: address }] }),
        conditions: [
          condition("PodScheduled", true),
          condition("Initialized", initialized),
          condition("ContainersReady", ready),
          condition("Ready", ready),
        ],
        initContainerStatuses: slots.filter(({ init }) => init).map(statusOf),
        containerStatuses: main.map(statusOf),
      },
    };
    store.set(object);
  }

  function willRestart(main: readonly Slot[]): boolean {
    if (restart === "Always") return true;
    return restart === "OnFailure" && main.some(({ state }) => state.terminated?.exitCode !== 0);
  }

  function statusOf({ spec: of, id, state, lastState, restarts, ready, started }: Slot): object {
    return {
      name: of.name,
      image: of.image,
      ready,
      started: started && state.running !== undefined,
      restartCount: restarts,
      ...(id === undefined ? {} : { containerID: id }),
      state,
      lastState,
    };
  }

  // ---- its containers -----------------------------------------------------------------------------------------------

  const facts = (): PodFacts => ({
    name,
    namespace,
    uid,
    labels: pod.metadata.labels ?? {},
    annotations: pod.metadata.annotations ?? {},
    podIP: address ?? "",
    hostIP: "127.0.0.1",
    nodeName: "docker",
  });

  const volumeNames = new Map(
    (spec.volumes ?? []).map(({ name: volume, persistentVolumeClaim: claim }) => [
      volume,
      claim ? `${prefixOf(host.project)}.${namespace}.claim.${claim.claimName}` : `${base}.volume.${volume}`,
    ]),
  );

  /** The names that lead to the pod itself: its own below its headless Service, and those of such Services. */
  function aliasesOf(): string[] {
    const headless = (store.all("Service") as readonly ServiceObject[]).filter(
      (service) => service.metadata.namespace === namespace && isHeadless(service) && selects(service, pod),
    );
    const own = spec.subdomain ? [`${spec.hostname ?? name}.${spec.subdomain}`] : [];
    return [...own, ...headless.map(({ metadata }) => metadata.name)].map(
      (each) => `${each}.${namespace}.svc.cluster.local`,
    );
  }

  let holding: Promise<void> | undefined;
  /** All its containers start at the same time, and the first of them makes the network. */
  async function withNetwork(): Promise<void> {
    if (hold !== undefined) return;
    holding ??= holdNetwork().finally(() => (holding = undefined));
    await holding;
  }

  /** The container that holds the network, with all volumes in it, filled. */
  async function holdNetwork(): Promise<void> {
    const options = { signal: stop.signal };
    const volumes = podVolumes(spec, facts(), host.find);
    for (const { name: volume, claim } of volumes) {
      const own = { [label.project]: host.project, [label.namespace]: namespace };
      const of = claim === undefined ? { ...own, [label.uid]: uid } : { ...own, [label.claim]: claim };
      await engine.ensureVolume(volumeNames.get(volume) ?? "", of, options);
    }
    await engine.remove(base, options);
    const { securityContext, hostAliases = [] } = spec;
    const id = await engine.create(
      base,
      {
        Image: host.podImage,
        Entrypoint: ["/pod", "hold"],
        Hostname: (spec.hostname ?? name).slice(0, 63),
        Labels: {
          ...labels,
          [label.role]: "hold",
          [label.pod]: JSON.stringify({
            ...pod,
            metadata: { ...pod.metadata, creationTimestamp: createdAt },
          }),
        },
        HostConfig: {
          NetworkMode: host.network,
          IpcMode: "shareable",
          Dns: [],
          DnsSearch: [`${namespace}.svc.cluster.local`, "svc.cluster.local", "cluster.local"],
          DnsOptions: ["ndots:5"],
          ExtraHosts: hostAliases.flatMap(({ ip, hostnames = [] }) =>
            hostnames.map((each) => `${each}:${ip}`),
          ),
          Sysctls: Object.fromEntries(
            (securityContext?.sysctls ?? []).map((each) => [each.name, each.value]),
          ),
          // It comes back with the engine, before those that need its network.
          RestartPolicy: { Name: "unless-stopped" },
          Mounts: volumes.map(({ name: volume }) => ({
            Type: "volume",
            Source: volumeNames.get(volume),
            Target: `${volumesRoot}/${volume}`,
            VolumeOptions: { NoCopy: true },
          })),
        },
        NetworkingConfig: { EndpointsConfig: { [host.network]: { Aliases: aliasesOf() } } },
      },
      options,
    );
    if (volumes.length > 0)
      await engine.put(id, volumesRoot, await volumesArchive(volumes, securityContext?.fsGroup), options);
    await engine.start(id, options);
    address = (await engine.inspect(id, options))?.addresses[host.network];
    hold = id;
  }

  function workOf(index: number): SlotWork {
    const slot = (): Slot => slots[index] as Slot;
    const options = { signal: stop.signal };
    const { name: container, image = "" } = slot().spec;
    const change = (fields: Partial<Slot>): void => {
      slots[index] = { ...slot(), ...fields };
      tell();
    };
    return {
      change,
      event: (reason, message) => {
        store.event(pod, container, reason, message);
      },
      ensureImage: () => host.ensureImage(image, options),
      inspect: (id) => engine.inspect(id, options),
      wait: (id) => engine.wait(id, options),
      kill: (id) => engine.stop(id, spec.terminationGracePeriodSeconds ?? defaultGraceSeconds, options),
      probeTarget: (id) => probeTarget(slot().spec, id),
      afterStart: (id) => runHook(slot().spec.lifecycle?.postStart, slot().spec, id, stop.signal),
      async begin(attempt) {
        await withNetwork();
        const of = {
          ...labels,
          [label.role]: "container",
          [label.container]: container,
          [label.attempt]: String(attempt),
        };
        const body = containerBody(slot().spec, spec, facts(), {
          hold: hold ?? "",
          volumes: volumeNames,
          labels: of,
          find: host.find,
        });
        const nameOf = (number: number): string => `${base}.${container}.${number}`;
        if (attempt >= 2) await engine.remove(nameOf(attempt - 2), options);
        await engine.remove(nameOf(attempt), options);
        const id = await engine.create(nameOf(attempt), body, options);
        await engine.start(id, options);
        return id;
      },
    };
  }

  function probeTarget(of: ContainerSpec, id: string) {
    const ports = (of.ports ?? []).flatMap(({ name: port, containerPort }) =>
      port === undefined ? [] : [[port, containerPort]],
    );
    return {
      address: address ?? "",
      namedPorts: Object.fromEntries(ports) as Readonly<Record<string, number>>,
      dial: (port: number, options: { readonly signal: AbortSignal }) =>
        host.dial({ hold: hold ?? "", address: address ?? "", port }, options),
      exec: (argv: readonly string[], options: { readonly signal: AbortSignal }) =>
        host.exec(id, argv, options),
    };
  }

  async function runHook(
    hook: Action | undefined,
    of: ContainerSpec,
    id: string,
    until: AbortSignal,
  ): Promise<void> {
    if (!hook) return;
    const problem = await askProbe({ ...hook, timeoutSeconds: 3600 }, probeTarget(of, id), { signal: until });
    if (problem !== undefined) throw new Error(problem);
  }

  async function run(): Promise<void> {
    tell();
    // While we are here, what ends is started anew by us, and the engine leaves it alone.
    await Promise.all(
      slots.map(async ({ id, state }) => {
        if (id !== undefined && state.running)
          await engine.setRestart(id, { Name: "no" }, { signal: stop.signal });
      }),
    );
    const background: Promise<unknown>[] = [];
    const startOne = (index: number, policy: Restart): Promise<number> =>
      runSlot(() => slots[index] as Slot, workOf(index), { restart: policy, signal: stop.signal });
    for (const [index, { spec: of, init, state }] of slots.entries()) {
      if (!init) continue;
      if (of.restartPolicy === "Always") {
        background.push(startOne(index, "Always"));
        await until(() => slots[index]?.started === true && slots[index].state.running !== undefined);
        continue;
      }
      if (state.terminated?.exitCode === 0) continue;
      const code = await startOne(index, restart === "Never" ? "Never" : "OnFailure");
      if (code === 0) continue;
      failed = true;
      tell();
      return;
    }
    const main = slots.flatMap(({ init }, index) => (init ? [] : [startOne(index, restart)]));
    await Promise.all([...background, ...main]);
  }

  /** Resolves once a look at the slots is satisfied; rejects when it stops. */
  function until(satisfied: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const unsubscribe = store.subscribe((_type, { metadata }) => {
        if (metadata.uid === uid) look();
      });
      const aborted = addAbortListener(stop.signal, () => {
        unsubscribe();
        reject(stop.signal.reason as Error);
      });
      const look = (): void => {
        if (!satisfied()) return;
        unsubscribe();
        aborted[Symbol.dispose]();
        resolve();
      };
      look();
    });
  }

  const running = run().catch((error: unknown) => {
    if (!stop.signal.aborted) store.event(pod, "", "Failed", String(error));
  });

  let stopped: Promise<void> | undefined;
  async function stopAll(): Promise<void> {
    stopping = new Date().toISOString();
    tell();
    const grace = spec.terminationGracePeriodSeconds ?? defaultGraceSeconds;
    stop.abort();
    await running;
    outer[Symbol.dispose]();
    // What stops is not held up by the session's own end.
    const options = { signal: new AbortController().signal };
    await Promise.all(
      slots.map(async ({ id, spec: of, state }) => {
        if (id === undefined || !state.running) return;
        using limit = startDeadline(grace * 1000, options.signal);
        await runHook(of.lifecycle?.preStop, of, id, limit.signal).catch(() => undefined);
        await engine.stop(id, grace, options);
      }),
    );
    const known = await engine.list([`${label.uid}=${uid}`], options);
    await Promise.all(known.filter(({ id }) => id !== hold).map(({ id }) => engine.remove(id, options)));
    await engine.remove(base, options);
    for (const volume of await engine.volumes(`${label.uid}=${uid}`, options))
      await engine.removeVolume(volume.name, options);
    store.remove("Pod", namespace, name);
  }

  return {
    pod,
    hold: () => hold,
    address: () => address,
    containerId: (container) => slots.find(({ spec: of }) => of.name === container)?.id,
    stop: () => (stopped ??= stopAll()),
    async leave() {
      stop.abort();
      await running;
      outer[Symbol.dispose]();
      const policy = restart === "Always" ? "unless-stopped" : "on-failure";
      const options = { signal: AbortSignal.timeout(5_000) };
      await Promise.all(
        slots.map(async ({ id, init, spec: of, state }) => {
          const goes = restart !== "Never" && (!init || of.restartPolicy === "Always");
          if (id === undefined || !state.running || !goes || stopping !== undefined) return;
          await engine.setRestart(id, { Name: policy }, options).catch(() => undefined);
        }),
      );
    },
  };
}
