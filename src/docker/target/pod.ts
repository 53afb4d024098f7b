import { addAbortListener, setMaxListeners } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { startDeadline } from "../../lib/deadline.js";
import { errorText } from "../../lib/errors.js";
import { containerBody } from "./container-body.js";
import { endOf, type Restart, runSlot, type Slot, type SlotWork } from "./container-slot.js";
import type { PodFacts } from "./environment.js";
import type { FoundPod } from "./found-pod.js";
import { type PodHost, prefixOf } from "./host.js";
import { label } from "./labels.js";
import { checkNonRoot } from "./non-root.js";
import type { Action, ContainerSpec, PodObject } from "./objects.js";
import { type HoldRun, makeMs, podHold } from "./pod-hold.js";
import { removePod } from "./remove.js";
import { isOver, shownPod, slotsOf } from "./pod-status.js";
import { askProbe, type ProbeTarget } from "./probe.js";
import { probeTargetOf } from "./probe-target.js";
import { serviceVariables } from "./service-links.js";
import { volumePlaces } from "./volumes.js";

/** A pod that is run here, as the kubelet would. */
export interface RunningPod {
  /** As it was made, without its status. */
  readonly pod: PodObject;
  readonly hold: () => string | undefined;
  readonly address: () => string | undefined;
  /** Brings the files of its ConfigMaps and Secrets up to what those say now. */
  refresh(): Promise<void>;
  /** Tells its containers to stop, and removes all that is its own. Throws what the engine says, and can be called again then. */
  stop(): Promise<void>;
  /** Lets go of it: it runs on, and the engine starts what ends anew. */
  leave(): Promise<void>;
}

export interface PodOptions {
  readonly pod: PodObject;
  /** Labels that all its containers carry. */
  readonly labels: Readonly<Record<string, string>>;
  /** What an earlier session left of it. */
  readonly there?: FoundPod | undefined;
  readonly signal: AbortSignal;
}

const defaultGraceSeconds = 30;
/** How long after the engine has failed it is asked again, in ms. */
const retryMs = 1_000;
/** What a container has to end in although its hook has taken all of the grace, as with the kubelet. */
const leastGraceSeconds = 2;

/** Starts a pod, or takes up one that runs. Its status goes into the store, and it leaves that once it is gone. */
export function startPod(host: PodHost, { pod: given, labels, there, signal }: PodOptions): RunningPod {
  const { containers: engine, store } = host;
  const createdAt = given.metadata.creationTimestamp ?? new Date().toISOString();
  const pod: PodObject = { ...given, metadata: { ...given.metadata, creationTimestamp: createdAt } };
  const { name, namespace = "", uid = "" } = pod.metadata;
  const { spec } = pod;
  const prefix = prefixOf(host.project);
  const base = `${prefix}.${namespace}.${name}`;
  const restart: Restart = spec.restartPolicy ?? "Always";
  const grace = spec.terminationGracePeriodSeconds ?? defaultGraceSeconds;
  const stop = new AbortController();
  setMaxListeners(0, stop.signal);
  const outer = addAbortListener(signal, () => {
    stop.abort();
  });
  const options = { signal: stop.signal };
  const found = there?.hold.state.running === true ? there.hold : undefined;
  const slots: Slot[] = (there?.slots ?? slotsOf(pod, [], false)).map((slot) => anew(slot, restart));
  /** Runs whose network is gone: nobody takes them up. */
  const stale = found
    ? []
    : (there?.containers ?? []).filter(
        ({ id }) => id !== there?.hold.id && !slots.some((slot) => slot.id === id),
      );
  const places = volumePlaces(spec, { claims: `${prefix}.${namespace}.claim`, own: `${base}.volume` });
  /** By a run's id: the network that it was started in. */
  const networks = new Map<string, HoldRun>();
  const lostNetworks = new Set<HoldRun>();
  let stopping: string | undefined;
  let failed = false;
  const hold = podHold(host, {
    pod,
    labels,
    places,
    facts,
    found,
    onRun: () => {
      tell();
    },
    onLost: (lost) => {
      lostNetworks.add(lost);
      // They would run on without a network: each is started anew, as its policy says.
      for (const { id } of slots)
        if (id !== undefined && networks.get(id) === lost)
          void engine.stop(id, grace, options).catch(() => undefined);
    },
    signal: stop.signal,
  });
  const adopted = hold.run();
  if (adopted) for (const { id } of slots) if (id !== undefined) networks.set(id, adopted);

  function facts(): PodFacts {
    return {
      name,
      namespace,
      uid,
      labels: pod.metadata.labels ?? {},
      annotations: pod.metadata.annotations ?? {},
      podIP: hold.run()?.address ?? "",
      serviceAccount: spec.serviceAccountName ?? spec.serviceAccount ?? "default",
      machine: host.machine,
      nodeName: "docker",
    };
  }

  function tell(): void {
    const address = hold.run()?.address;
    store.set(shownPod(pod, { slots, restart, createdAt, address, stopping, failed }));
  }

  function workOf(index: number): SlotWork {
    const slot = (): Slot => slots[index] as Slot;
    const { name: container, image = "", imagePullPolicy: policy, securityContext } = slot().spec;
    const nameOf = (number: number): string => `${base}.${container}.${number}`;
    const isStranded = (id: string): boolean => {
      const network = networks.get(id);
      return network !== undefined && lostNetworks.has(network);
    };
    return {
      change: (fields) => {
        slots[index] = { ...slot(), ...fields };
        tell();
      },
      event: (reason, message) => {
        store.event(pod, container, reason, message);
      },
      inspect: (id) => engine.inspect(id, options),
      isStranded,
      wait: (id) => engine.wait(id, options),
      kill: (id) => engine.stop(id, grace, options),
      probeTarget: (id) => probeTarget(slot().spec, id),
      afterStart: (id) => runHook(slot().spec.lifecycle?.postStart, slot().spec, id, stop.signal),
      async begin(attempt) {
        const { user } = await host.ensureImage(image, policy, options);
        checkNonRoot({ ...spec.securityContext, ...securityContext }, user, { pod, container });
        const network = await hold.ensure();
        const of = {
          ...labels,
          [label.role]: "container",
          [label.container]: container,
          [label.attempt]: String(attempt),
        };
        const { body, parts } = containerBody(slot().spec, spec, facts(), {
          hold: network.id,
          imageUser: user,
          places,
          hostPaths: host.hostPaths,
          mountsParts: host.mountsParts,
          labels: of,
          find: host.find,
          links:
            spec.enableServiceLinks === false ? new Map() : serviceVariables(store.all("Service"), namespace),
        });
        if (attempt >= 2) await engine.remove(nameOf(attempt - 2), options);
        await engine.remove(nameOf(attempt), options);
        stop.signal.throwIfAborted();
        // What the engine has begun to make is waited for: else nobody would know of it.
        const whole = { signal: AbortSignal.timeout(makeMs) };
        try {
          await hold.makeParts(parts);
          const id = await engine.create(nameOf(attempt), body, whole);
          await engine.start(id, whole);
          networks.set(id, network);
          return id;
        } catch (error) {
          if ((await hold.ensure()) === network) throw error;
          // The network went meanwhile.
          return await this.begin(attempt);
        }
      },
    };
  }

  const probeTarget = (of: ContainerSpec, id: string): ProbeTarget =>
    probeTargetOf(host, { id, spec: of }, () => hold.run());

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
    await Promise.all(stale.map(({ id }) => engine.remove(id, options)));
    // While we are here, what ends is started anew by us, and the engine leaves it alone.
    await Promise.all(
      slots.map(async ({ id, state }) => {
        if (id !== undefined && state.running) await engine.setRestart(id, { Name: "no" }, options);
      }),
    );
    const background: Promise<unknown>[] = [];
    const beside = new AbortController();
    const startOne = (index: number, policy: Restart, until = stop.signal): Promise<number> =>
      runSlot(() => slots[index] as Slot, workOf(index), { restart: policy, signal: until });
    for (const [index, { spec: of, init, state }] of slots.entries()) {
      if (!init) continue;
      if (of.restartPolicy === "Always") {
        const besides = startOne(index, "Always", AbortSignal.any([stop.signal, beside.signal]));
        background.push(besides.catch(() => undefined));
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
    await Promise.all(main);
    // Those beside them are there for them alone.
    beside.abort();
    await Promise.all(background);
    await Promise.all(
      slots.map(async ({ id, init, state }, index) => {
        if (!init || !state.running || id === undefined) return;
        await engine.stop(id, grace, options);
        const ended = endOf(id, await engine.inspect(id, options));
        slots[index] = { ...(slots[index] as Slot), state: { terminated: ended }, ready: false };
      }),
    );
    tell();
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

  /** What the engine failed at is asked for again: what runs by then is taken up where it is. */
  async function keepRunning(): Promise<void> {
    try {
      await run();
    } catch (error) {
      if (stop.signal.aborted) return;
      store.event(pod, "", "Failed", errorText(error));
      await sleep(retryMs, undefined, options).catch(() => undefined);
      await keepRunning();
    }
  }
  const running = keepRunning();

  let stopped: Promise<void> | undefined;
  async function stopAll(): Promise<void> {
    stopping ??= new Date().toISOString();
    tell();
    stop.abort();
    await running;
    outer[Symbol.dispose]();
    // What stops is not held up by the session's own end.
    const whole = { signal: new AbortController().signal };
    await Promise.all(
      slots.map(async ({ id, spec: of, state }) => {
        if (id === undefined || !state.running) return;
        const { preStop } = of.lifecycle ?? {};
        const begun = Date.now();
        using limit = startDeadline(grace * 1000, whole.signal);
        await runHook(preStop, of, id, limit.signal).catch(() => undefined);
        const rest = Math.max(leastGraceSeconds, Math.ceil(grace - (Date.now() - begun) / 1000));
        await engine.stop(id, preStop ? rest : grace, whole);
      }),
    );
    await removePod(engine, uid, whole);
    store.remove("Pod", namespace, name);
  }

  return {
    pod,
    hold: () => hold.run()?.id,
    address: () => hold.run()?.address,
    refresh: () => hold.refresh(),
    stop: () =>
      (stopped ??= stopAll().catch((error: unknown) => {
        stopped = undefined;
        throw error;
      })),
    async leave() {
      stop.abort();
      await running;
      outer[Symbol.dispose]();
      const policy = restart === "Always" ? "unless-stopped" : "on-failure";
      const limited = { signal: AbortSignal.timeout(5_000) };
      await Promise.all(
        slots.map(async ({ id, init, spec: of, state }) => {
          const goes = restart !== "Never" && (!init || of.restartPolicy === "Always");
          if (id === undefined || !state.running || !goes || stopping !== undefined) return;
          await engine.setRestart(id, { Name: policy }, limited).catch(() => undefined);
        }),
      );
    },
  };
}

/** One that has ended while nobody looked is started anew at once, and that is no failure of it: the engine may have stopped. */
function anew(slot: Slot, restart: Restart): Slot {
  const { id, state, restarts } = slot;
  if (state.running || isOver(slot, restart)) return slot;
  const waiting = { reason: slot.init ? "PodInitializing" : "ContainerCreating" };
  return {
    ...{ ...slot, id: undefined, state: { waiting }, lastState: {} },
    restarts: id === undefined ? restarts : restarts + 1,
  };
}
