import { addAbortListener, setMaxListeners } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { errorText } from "../../lib/errors.js";
import { containerBody } from "./container-body.js";
import {
  creating,
  endOf,
  isBeside,
  type Restart,
  runSlot,
  type Slot,
  type SlotWork,
} from "./container-slot.js";
import type { PodFacts } from "./environment.js";
import type { FoundPod } from "./found-pod.js";
import { type PodHost, prefixOf } from "./host.js";
import { label } from "./labels.js";
import { checkNonRoot } from "./non-root.js";
import type { ContainerSpec, PodObject } from "./objects.js";
import { type HoldRun, makeMs, podHold } from "./pod-hold.js";
import { removePod } from "./remove.js";
import { isDone, isOver, shownPod, slotsOf } from "./pod-status.js";
import { type ProbeTarget, runHook } from "./probe.js";
import { probeTargetOf } from "./probe-target.js";
import { serviceVariables } from "./service-links.js";
import { endingOf, graceOf, stopContainers } from "./stop-containers.js";
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

/** How long after the engine has failed it is asked again, in ms. */
const retryMs = 1_000;
/** How long handing over to the engine may take, in ms. */
const handOverMs = 5_000;

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
  const grace = graceOf(pod);
  const stop = new AbortController();
  setMaxListeners(0, stop.signal);
  const outer = addAbortListener(signal, () => {
    stop.abort();
  });
  const options = { signal: stop.signal };
  const found = there?.hold.state.running === true ? there.hold : undefined;
  const before = there?.slots ?? slotsOf(pod, [], false);
  const slots: Slot[] = isDone(before, restart) ? [...before] : before.map((slot) => anew(slot, restart));
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
    store.set(shownPod(pod, { slots, restart, createdAt, address, stopping }));
  }

  function workOf(index: number, signal: AbortSignal): SlotWork {
    const options = { signal };
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
      kill: (id, graceSeconds = grace) =>
        stopContainers(engine, [{ ...slot(), id, beside: false }], {
          ...{ graceSeconds, targetOf: probeTarget, signal },
        }),
      probeTarget: (id) => probeTarget({ ...slot(), id }),
      async afterStart(id) {
        const { postStart } = slot().spec.lifecycle ?? {};
        if (postStart) await runHook(postStart, probeTarget({ ...slot(), id }), options);
      },
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
        signal.throwIfAborted();
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

  const probeTarget = (of: { readonly id: string; readonly spec: ContainerSpec }): ProbeTarget =>
    probeTargetOf(host, of, () => hold.run());

  /** Has those that run end, or those beside them alone. */
  async function stopRunning(which: "all" | "beside", by: { readonly signal: AbortSignal }): Promise<void> {
    const running = endingOf(slots).filter(({ beside }) => which === "all" || beside);
    await stopContainers(engine, running, { graceSeconds: grace, targetOf: probeTarget, ...by });
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
    const begun: Promise<unknown>[] = [];
    const beside = new AbortController();
    const besideSignal = AbortSignal.any([stop.signal, beside.signal]);
    const startOne = (index: number, policy: Restart, signal = stop.signal): Promise<number> => {
      const ended = runSlot(() => slots[index] as Slot, workOf(index, signal), { restart: policy, signal });
      begun.push(ended.catch(() => undefined));
      return ended;
    };
    /** False where one has failed for good. */
    async function initialize(): Promise<boolean> {
      for (const [index, slot] of slots.entries()) {
        if (isBeside(slot)) {
          void startOne(index, "Always", besideSignal);
          await until(() => slots[index]?.started === true && slots[index].state.running !== undefined);
        } else if (slot.init && slot.state.terminated?.exitCode !== 0) {
          const code = await startOne(index, restart === "Never" ? "Never" : "OnFailure");
          if (code !== 0) return false;
        }
      }
      return true;
    }
    try {
      if (!isDone(slots, restart) && (await initialize()))
        await Promise.all(slots.flatMap(({ init }, index) => (init ? [] : [startOne(index, restart)])));
    } finally {
      // Those beside the others are there for them alone. What is on its way is waited for: else nobody would know of it.
      beside.abort();
      await Promise.all(begun);
    }
    await stopRunning("beside", options);
    for (const [index, slot] of slots.entries()) {
      if (!isBeside(slot) || !slot.state.running || slot.id === undefined) continue;
      const ended = endOf(slot.id, await engine.inspect(slot.id, options));
      slots[index] = { ...slot, state: { terminated: ended }, ready: false };
    }
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

  /** The engine is to start it anew when it ends; what waits for its next start has it now, since a policy starts nothing. */
  async function handOver(slot: Slot, policy: { readonly Name: string }): Promise<void> {
    const { id, init, state, lastState } = slot;
    if ((init && !isBeside(slot)) || isOver(slot, restart)) return;
    const last = state.waiting?.reason === creating ? lastState.terminated?.containerID : undefined;
    const run = id ?? last;
    if (run === undefined) return;
    await engine.setRestart(run, policy, { signal: AbortSignal.timeout(handOverMs) });
    if (!state.running) await engine.start(run, { signal: AbortSignal.timeout(makeMs) });
  }

  let stopped: Promise<void> | undefined;
  async function stopAll(): Promise<void> {
    stopping ??= new Date().toISOString();
    tell();
    stop.abort();
    await running;
    outer[Symbol.dispose]();
    // What stops is not held up by the session's own end.
    const whole = { signal: new AbortController().signal };
    await stopRunning("all", whole);
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
      if (stopping !== undefined || restart === "Never") return;
      const policy = { Name: restart === "Always" ? "unless-stopped" : "on-failure" };
      await Promise.all(slots.map((slot) => handOver(slot, policy).catch(() => undefined)));
    },
  };
}

/** One that has ended while nobody looked is started anew at once, and that is no failure of it: the engine may have stopped. */
function anew(slot: Slot, restart: Restart): Slot {
  const { id, state, restarts } = slot;
  if (state.running || isOver(slot, restart)) return slot;
  const waiting = { reason: slot.init ? "PodInitializing" : creating };
  return {
    ...{ ...slot, id: undefined, state: { waiting }, lastState: {} },
    restarts: id === undefined ? restarts : restarts + 1,
  };
}
