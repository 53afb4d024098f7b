import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { appliedObjects } from "../../src/docker/target/applied.js";
import { showFound } from "../../src/docker/target/found.js";
import type { PodHost } from "../../src/docker/target/host.js";
import { label } from "../../src/docker/target/labels.js";
import type { PodObject } from "../../src/docker/target/objects.js";
import { createObjectStore } from "../../src/docker/target/object-store.js";
import { openProjectObjects, type ProjectObjects } from "../../src/docker/target/project-objects.js";
import { podOf } from "../../src/docker/target/templates.js";
import type { KubeObject } from "../../src/engine/kube-object.js";
import { memoryEngine } from "./memory-engine.js";

// What the docker target does when the engine fails, and with what it finds there.

const signal = new AbortController().signal;
const work = { signal, onProgress: () => undefined, onNote: () => undefined };
const home = "dev";

async function until<T>(look: () => T | undefined | false): Promise<T> {
  for (;;) {
    const found = look();
    if (found !== undefined && found !== false) return found;
    await sleep(5);
  }
}

function workload(kind: string, spec: object = {}, container: object = {}): KubeObject {
  const template = { spec: { containers: [{ name: "main", image: "i", ...container }] } };
  const metadata = { name: "web", namespace: home };
  return { apiVersion: "v1", kind, metadata, ...{ spec: { template, ...spec } } };
}

interface Status {
  readonly observedGeneration?: number;
  readonly replicas?: number;
  readonly readyReplicas?: number;
  readonly succeeded?: number;
  readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  readonly containerStatuses?: readonly {
    readonly ready: boolean;
    readonly restartCount: number;
    readonly containerID?: string;
    readonly state?: { readonly terminated?: object };
    readonly lastState?: { readonly terminated?: object };
  }[];
}

describe("the docker target and its engine", () => {
  let engine = memoryEngine();
  let life = new AbortController();
  let store = createObjectStore();
  let applied = appliedObjects();
  let objects: ProjectObjects | undefined;
  let answer = 0;

  beforeEach(() => {
    engine = memoryEngine();
    life = new AbortController();
    store = createObjectStore();
    applied = appliedObjects();
    answer = 0;
  });
  afterEach(async () => {
    await objects?.[Symbol.asyncDispose]();
    objects = undefined;
    life.abort();
  });

  const host = (): PodHost => ({
    ...{ project: "p", network: "devloop-p", podImage: "pod", containers: engine.containers, store },
    ...{ find: applied.find, findFormer: applied.findFormer, hostPaths: [], mountsParts: true },
    machine: { cpus: 1, memory: 1, address: "" },
    ensureImage: () => Promise.resolve({ user: "" }),
    programs: {
      open: () => Promise.reject(new Error("not here")),
      run: () => Promise.resolve({ exitCode: answer, output: "" }),
    },
    dialer: {
      dial: () => Promise.reject(new Error("not here")),
      dialInside: () => Promise.reject(new Error("not here")),
      check: () => Promise.resolve(),
    },
  });
  async function open(): Promise<ProjectObjects> {
    const existing = await engine.containers.list([], { signal });
    objects = await openProjectObjects(host(), {
      ...{ applied, existing, usedImages: () => [], signal: life.signal },
    });
    return objects;
  }
  const apply = (to: ProjectObjects, given: readonly KubeObject[]) =>
    to.apply(
      {
        ...{ project: "p", deploy: "d", namespace: home, objects: given },
        ...{ imageNames: [], waiting: [], later: [] },
      },
      work,
    );
  const status = (kind: string, name: string): Status => store.get(kind, home, name)?.["status"] ?? {};
  const runs = () => engine.all().filter(({ labels }) => labels[label.role] === "container");
  const shownPods = () => store.all("Pod").filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  const isReady = (pod: KubeObject): boolean =>
    ((pod["status"] ?? {}) as Status).conditions?.some(
      ({ type, status: is }) => type === "Ready" && is === "True",
    ) === true;

  /** A pod's containers, as an earlier session left them. */
  function leave(
    object: KubeObject,
    attempts: readonly number[],
    { held = true, running = true, hold = true } = {},
  ) {
    const pod: PodObject = podOf(object, "u", undefined);
    const { uid = "" } = pod.metadata;
    const labels = {
      [label.project]: "p",
      [label.namespace]: home,
      [label.deploy]: "d",
      [label.owner]: `${object.kind}/${home}/web`,
      [label.workload]: JSON.stringify(object),
      [label.uid]: uid,
    };
    if (hold)
      engine.add({
        name: `devloop-p.${home}.${pod.metadata.name}`,
        labels: { ...labels, [label.role]: "hold", [label.pod]: JSON.stringify(pod) },
        running: held,
      });
    for (const attempt of attempts)
      engine.add({
        name: `devloop-p.${home}.${pod.metadata.name}.main.${attempt}`,
        labels: {
          ...labels,
          ...{ [label.role]: "container", [label.container]: "main", [label.attempt]: String(attempt) },
        },
        running: running && attempt === Math.max(...attempts),
      });
    return pod;
  }

  it("stops a pod again that the engine failed to stop", async () => {
    const to = await open();
    await apply(to, [workload("Deployment")]);
    await until(() => shownPods().some(isReady));
    engine.failNext("stop");
    await to.prune([], { signal });
    await until(() => engine.all().length === 0);
  });

  it("does not wait for an engine that is gone when it ends", async () => {
    const to = await open();
    await apply(to, [workload("Deployment")]);
    await until(() => shownPods().some(isReady));
    engine.failNext("stop");
    await to.prune([], { signal });
    await to[Symbol.asyncDispose]();
    objects = undefined;
    expect(runs()).toHaveLength(1);
  });

  it("brings what is applied again while it goes, once it is gone", async () => {
    const to = await open();
    const web = workload("StatefulSet");
    await apply(to, [web]);
    await until(() => shownPods().some(isReady));
    const [first] = runs();
    let letStop = (): void => undefined;
    engine.holdStops(new Promise((resolve) => (letStop = resolve)));
    await to.prune([], { signal });
    expect(store.get("StatefulSet", home, "web")).toBeUndefined();
    await apply(to, [web]);
    await until(() => status("StatefulSet", "web").replicas === 0);
    expect(runs()).toEqual([first]);
    letStop();
    await until(() => status("StatefulSet", "web").readyReplicas === 1);
    expect(runs().map(({ id }) => id)).not.toContain(first?.id);
    expect(runs()).toHaveLength(1);
  });

  it("takes up a pod although the engine fails at first, and starts its container anew when that ends", async () => {
    leave(workload("Deployment"), [0]);
    engine.failNext("setRestart");
    await apply(await open(), [workload("Deployment")]);
    await until(() => store.all("Event").some((event) => event["reason"] === "Failed"));
    const [found] = runs();
    engine.end(found!.id, 1);
    await until(() => runs().some(({ labels }) => labels[label.attempt] === "1"));
  });

  it("hands over a container that the engine has just started", async () => {
    const to = await open();
    const left = new Promise<void>((resolve) => {
      engine.onStart(({ labels }) => {
        if (labels[label.role] !== "container") return;
        life.abort();
        resolve(to[Symbol.asyncDispose]());
      });
    });
    await apply(to, [workload("Deployment")]);
    await left;
    objects = undefined;
    expect(runs().map(({ id }) => engine.restartOf(id))).toEqual(["unless-stopped"]);
  });

  it("gives a container that a probe ends the probe's own grace", async () => {
    answer = 1;
    const asked = { exec: { command: ["ask"] }, failureThreshold: 1 };
    const startupProbe = { ...asked, terminationGracePeriodSeconds: 7 };
    await apply(await open(), [workload("Deployment", {}, { startupProbe })]);
    const first = await until(() => runs().find(({ state }) => !state.running));
    expect(engine.graceOf(first.id)).toBe(7);
  });

  it("brings back what somebody removes again and again, without the wait of what fails", async () => {
    const ends: unknown[] = [];
    store.subscribe((_type, object) => {
      const { containerStatuses: [shown] = [] } = (object["status"] ?? {}) as Status;
      if (object.kind === "Pod" && shown?.state?.terminated !== undefined) ends.push(shown);
    });
    await apply(await open(), [workload("Deployment")]);
    for (const attempt of ["0", "1", "2"]) {
      const run = await until(() => runs().find(({ labels }) => labels[label.attempt] === attempt));
      await until(() => shownPods().some(isReady));
      await engine.containers.remove(run.id, { signal });
    }
    await until(() => runs().some(({ labels }) => labels[label.attempt] === "3"));
    // Nor is it shown as one that has failed.
    expect(ends).toEqual([]);
    expect(store.all("Event").map((event) => event["reason"])).not.toContain("BackOff");
  });

  it("brings a container back whose network goes as it is started", async () => {
    const to = await open();
    const holds = () => engine.all().filter(({ labels }) => labels[label.role] === "hold");
    const ended: string[] = [];
    engine.onStart(({ labels }) => {
      if (labels[label.role] === "hold" || ended.length > 0) return;
      for (const { id } of holds()) {
        ended.push(id);
        engine.end(id, 137);
      }
    });
    await apply(to, [workload("Deployment")]);
    await until(() => holds().some(({ id, state }) => state.running && !ended.includes(id)));
    await until(() => shownPods().some(isReady));
    expect(ended).toHaveLength(1);
    expect(runs().filter(({ state }) => state.running)).toHaveLength(1);
    expect(store.all("Event").map((event) => event["reason"])).not.toContain("BackOff");
  });

  it("starts the containers of a pod without a network anew, under new numbers", async () => {
    leave(workload("Deployment"), [0, 1], { held: false, running: false });
    await apply(await open(), [workload("Deployment")]);
    await until(() => shownPods().some(isReady));
    expect(runs().map(({ labels }) => labels[label.attempt])).toEqual(["2"]);
    expect(status("Pod", shownPods()[0]!.metadata.name).containerStatuses?.[0]?.restartCount).toBe(2);
  });

  it.each(["Never", "OnFailure"])(
    "runs no Job again that has completed, though its pod's network does not run (%s)",
    async (restartPolicy) => {
      const containers = [{ name: "main", image: "i" }];
      const job = workload("Job", { template: { spec: { restartPolicy, containers } } });
      leave(job, [0], { held: false, running: false });
      const before = engine.all();
      await apply(await open(), [job]);
      await until(() => status("Job", "web").succeeded === 1);
      await until(() => (shownPods()[0]?.["status"] as { phase?: string }).phase === "Succeeded");
      await objects?.[Symbol.asyncDispose]();
      expect(engine.all()).toEqual(before);
    },
  );

  it("starts a container anew that ended while nobody looked, and does not blame it", async () => {
    const pod = leave(workload("Deployment"), [0]);
    for (const { id } of runs()) engine.end(id, 128);
    const blamed: unknown[] = [];
    store.subscribe((_type, { kind, status: now }) => {
      const [shown] = kind === "Pod" ? ((now as Status).containerStatuses ?? []) : [];
      if (shown?.state?.terminated ?? shown?.lastState?.terminated) blamed.push(shown);
    });
    await apply(await open(), [workload("Deployment")]);
    await until(() => shownPods().some(isReady));
    expect(shownPods().map(({ metadata }) => metadata.name)).toEqual([pod.metadata.name]);
    expect(status("Pod", pod.metadata.name).containerStatuses?.[0]?.restartCount).toBe(1);
    expect(blamed).toEqual([]);
  });

  it("starts nothing anew before its deploy is applied where that may bring what need not be there", async () => {
    const envFrom = [{ configMapRef: { name: "settings", optional: true } }];
    const web = workload("Deployment", {}, { envFrom });
    const { metadata } = leave(web, [0], { running: false });
    const to = await open();
    await until(() => store.all("Event").some(({ message }) => message === "deploy d is not applied yet"));
    expect(runs()).toHaveLength(1);
    await apply(to, [web]);
    await until(() => shownPods().some(isReady));
    expect(status("Pod", metadata.name).containerStatuses?.[0]?.restartCount).toBe(1);
  });

  it("makes a Service's forwarder anew that somebody stops or removes", async () => {
    const service = {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "web" },
      ...{ spec: { ports: [] } },
    };
    await apply(await open(), [service]);
    const forwarder = () =>
      engine.all().find(({ labels, state }) => labels[label.role] === "service" && state.running);
    const first = forwarder()?.id ?? "";
    engine.end(first, 0);
    const second = await until(() => forwarder()?.id);
    expect(second).not.toBe(first);
    await engine.containers.remove(second, { signal });
    expect(await until(() => forwarder()?.id)).not.toBe(second);
  });

  it("removes the containers of a pod that nothing tells of", async () => {
    leave(workload("Deployment"), [0], { hold: false });
    const [lost] = runs();
    await apply(await open(), [workload("Deployment")]);
    await until(() => shownPods().some(isReady));
    expect(runs().map(({ id }) => id)).not.toContain(lost?.id);
  });

  it("takes up a pod as its probes say", async () => {
    const probed = workload(
      "Deployment",
      {},
      { readinessProbe: { exec: { command: ["ask"] }, periodSeconds: 60 } },
    );
    leave(probed, [0]);
    answer = 1;
    const told: boolean[] = [];
    store.subscribe((_type, object) => {
      if (object.kind === "Pod") told.push(isReady(object));
    });
    await apply(await open(), [probed]);
    await until(() => status("Deployment", "web").replicas === 1);
    expect(told).not.toContain(true);
    expect(status("Deployment", "web").readyReplicas).toBe(0);
  });

  it("takes up a pod that answers without a moment in which it is not ready", async () => {
    const probe = { exec: { command: ["ask"] }, periodSeconds: 60, initialDelaySeconds: 60 };
    const probed = workload("Deployment", {}, { readinessProbe: probe, startupProbe: probe });
    leave(probed, [0]);
    const told: boolean[] = [];
    store.subscribe((_type, object) => {
      if (object.kind === "Pod") told.push(isReady(object));
    });
    await apply(await open(), [probed]);
    await until(() => status("Deployment", "web").readyReplicas === 1);
    expect(told).not.toContain(false);
  });

  it("shows a Job that another session runs as far as it is", async () => {
    const job = workload("Job", { completions: 2 });
    leave(job, [0], { running: false });
    const look = async () => {
      const ways = { ...host(), project: "p", network: "devloop-p" };
      await showFound(ways, await engine.containers.list([], { signal }), { signal });
      return status("Job", "web");
    };
    expect(await look()).toMatchObject({ succeeded: 1, conditions: [] });
    leave(job, [0], { running: false });
    expect(await look()).toMatchObject({ succeeded: 2, conditions: [{ type: "Complete", status: "True" }] });
  });
});

describe("what was applied", () => {
  const settings = (name: string): KubeObject => ({
    ...{ apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace: home } },
  });
  const reader = (name: string) =>
    podOf(workload("Deployment", {}, { envFrom: [{ configMapRef: { name } }] }), "u", undefined);

  it("is kept under its old name for as long as a pod names it", () => {
    const applied = appliedObjects();
    applied.set("d", [settings("s-1")], []);
    applied.set("d", [settings("s-2")], [reader("s-1")]);
    expect(applied.find("ConfigMap", home, "s-1")).toBeUndefined();
    expect(applied.findFormer("ConfigMap", home, "s-1")).toBeDefined();
    applied.set("d", [settings("s-3")], [reader("s-1"), reader("s-2")]);
    expect(applied.findFormer("ConfigMap", home, "s-1")).toBeDefined();
    applied.set("d", [settings("s-3")], [reader("s-3")]);
    expect(applied.findFormer("ConfigMap", home, "s-1")).toBeUndefined();
  });
});
