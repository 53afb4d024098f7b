import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { kubePods } from "../../../src/cluster/pod-access.js";
import { streamLogs } from "../../../src/cluster/observe/logs.js";
import { observeWorkloads, type WorkloadObserver } from "../../../src/cluster/observe/workloads.js";
import type { WorkloadHealth } from "../../../src/engine/state.js";
import { deployment, shell, testCluster, testNamespace, type TestNamespace } from "./test-cluster.js";

const kube = await testCluster();

describe.skipIf(!kube && !process.env["CI"])("health on a real cluster", () => {
  const stop = new AbortController();
  const health = new Map<string, WorkloadHealth[]>();
  const applied: Parameters<WorkloadObserver["setWorkloads"]>[0][number][] = [];
  let space: TestNamespace;
  let observer: WorkloadObserver;
  let logs: ReturnType<typeof streamLogs>;

  beforeAll(async () => {
    space = await testNamespace(kube!, "health");
    logs = streamLogs(kubePods(kube!), { onLines: () => undefined, signal: stop.signal });
    observer = observeWorkloads(kubePods(kube!), {
      onHealth: (id, next) => health.set(id, [...(health.get(id) ?? []), next]),
      onPods: (pods) => {
        logs.setPods(pods);
      },
      lastLines: (pod, container, previous) => logs.lastLines(pod, container, previous),
      signal: stop.signal,
    });
  });
  afterAll(async () => {
    stop.abort();
    await observer[Symbol.asyncDispose]();
    await logs[Symbol.asyncDispose]();
    await space[Symbol.asyncDispose]();
  });

  async function create(object: Record<string, unknown>): Promise<string> {
    const workload = await space.create(object);
    applied.push(workload);
    observer.setWorkloads(applied);
    return workload.id;
  }
  async function until(id: string, test: (health: WorkloadHealth) => boolean): Promise<WorkloadHealth> {
    const met = await vi.waitFor(
      () => {
        const last = health.get(id)?.at(-1);
        if (!last || !test(last)) throw new Error(`${id} is ${JSON.stringify(last)}`);
        return last;
      },
      { timeout: 200_000, interval: 20 },
    );
    return met;
  }

  it("a deployment becomes ready, and its rollout shows the new revision only", async () => {
    const id = await create(deployment("web", shell("sleep 1000"), { replicas: 2 }));
    const ready = await until(id, (next) => next.status === "ready");
    expect(ready).toMatchObject({ ready: 2, desired: 2, restarts: 0, message: "2 of 2 pods ready" });
    const patched = await space.patch("Deployment", "web", {
      spec: { template: { metadata: { annotations: { edit: "1" } } } },
    });
    const before = health.get(id)!.length;
    await until(id, (next) => next.status === "ready" && next.generation === patched.generation);
    const during = health.get(id)!.slice(before);
    expect(during.some((next) => next.status === "progressing")).toBe(true);
    expect(during.every((next) => next.status !== "failed")).toBe(true);
  });

  it("a crash loop is one line with the exit code and the last lines", async () => {
    const id = await create(deployment("crash", shell("echo one; echo 'cannot find config'; exit 3")));
    const failed = await until(
      id,
      ({ cause, restarts }) =>
        cause?.reason === "CrashLoop" && (cause.lines?.length ?? 0) >= 2 && restarts > 0,
    );
    expect(failed).toMatchObject({
      status: "failed",
      cause: { reason: "CrashLoop", container: "main", lines: ["one", "cannot find config"] },
    });
    expect(failed.cause?.message).toMatch(/^container main exited with code 3, restarted/);
    // It heals by itself: the next revision is judged, not the old one.
    await space.patch("Deployment", "crash", {
      spec: { template: { spec: { containers: [{ name: "main", command: ["sleep", "1000"] }] } } },
    });
    const ready = await until(id, (next) => next.status === "ready");
    expect(ready.cause).toBeUndefined();
  });

  it("an image that cannot be pulled is told with its name", async () => {
    const id = await create(deployment("pull", shell("true", { image: "localhost:1/nope:1" })));
    const failed = await until(id, (next) => next.status === "failed");
    expect(failed.cause).toMatchObject({ reason: "ImagePull" });
    expect(failed.message).toMatch(/^image localhost:1\/nope:1 cannot be pulled: /);
  });

  it("a readiness probe is waited for, then told with its reply", async () => {
    const probe = { httpGet: { path: "/nothing", port: 8080 }, periodSeconds: 1, failureThreshold: 5 };
    const server = shell("mkdir /www; cd /www; exec httpd -f -p 8080", { readinessProbe: probe });
    // Its own deadline spares us the half minute that a young container gets.
    const id = await create(deployment("probe", server, { progressDeadlineSeconds: 15 }));
    // The first of its probes may come before the server listens.
    await until(
      id,
      ({ status, cause }) =>
        status === "failed" &&
        cause?.reason === "Probe" &&
        cause.message === "container main is not ready: readiness probe failed: /nothing answered 404",
    );
    const waiting = health.get(id)!.filter((next) => next.message.startsWith("waiting for readiness"));
    expect(waiting.every((next) => next.status === "progressing")).toBe(true);
    expect(waiting.length).toBeGreaterThan(0);
  });

  it("liveness kills, missing secrets, impossible requests and memory limits each have their own words", async () => {
    const live = {
      exec: { command: ["sh", "-c", "echo no disk; exit 1"] },
      periodSeconds: 1,
      failureThreshold: 2,
    };
    const liveness = await create(deployment("live", shell("sleep 1000", { livenessProbe: live })));
    const env = [{ name: "X", valueFrom: { secretKeyRef: { name: "missing", key: "k" } } }];
    const config = await create(deployment("config", shell("true", { env })));
    const big = await create(deployment("big", shell("true", { resources: { requests: { cpu: "900" } } })));
    const oom = await create(
      deployment(
        "oom",
        shell("x=aaaaaaaaaaaaaaaa; while true; do x=$x$x; done", {
          resources: { limits: { memory: "16Mi" } },
        }),
      ),
    );
    await until(big, (next) => next.status === "failed" && next.message.includes("Insufficient cpu"));
    expect((await until(config, (next) => next.status === "failed")).cause).toMatchObject({
      reason: "Config",
      message: 'container main cannot be created: secret "missing" not found',
    });
    await until(
      liveness,
      ({ cause, message }) =>
        cause?.reason === "Probe" &&
        message === "container main is restarted: liveness probe failed: no disk",
    );
    const memory = await until(oom, (next) => next.status === "failed");
    expect(["OutOfMemory", "CrashLoop", "Exited"]).toContain(memory.cause?.reason);
  });

  it("jobs complete or fail with their exit code, stateful sets and daemon sets become ready", async () => {
    const job = (name: string, script: string): Record<string, unknown> => {
      const template = shell(script) as { metadata: unknown; spec: Record<string, unknown> };
      return {
        apiVersion: "batch/v1",
        kind: "Job",
        metadata: { name },
        spec: {
          backoffLimit: 0,
          template: { ...template, spec: { ...template.spec, restartPolicy: "Never" } },
        },
      };
    };
    const set = (kind: string): Record<string, unknown> => ({
      ...deployment("set", shell("sleep 1000")),
      kind,
      spec: {
        selector: { matchLabels: { app: kind } },
        template: { ...shell("sleep 1000"), metadata: { labels: { app: kind } } },
        ...(kind === "StatefulSet" ? { replicas: 2, serviceName: "set" } : {}),
      },
    });
    const good = await create(job("good", "echo done"));
    const bad = await create(job("bad", "echo no database; exit 7"));
    const stateful = await create(set("StatefulSet"));
    const daemon = await create(set("DaemonSet"));
    expect(await until(good, (next) => next.status === "ready")).toMatchObject({ message: "completed" });
    const failed = await until(
      bad,
      (next) => next.status === "failed" && (next.cause?.lines?.length ?? 0) > 0,
    );
    expect(failed.cause).toMatchObject({ reason: "Exited", lines: ["no database"] });
    expect(failed.message).toContain("exited with code 7");
    expect(await until(stateful, (next) => next.status === "ready")).toMatchObject({ ready: 2, desired: 2 });
    await until(daemon, (next) => next.status === "ready" && next.desired > 0);
  });

  it("an object that is deleted is gone", async () => {
    const id = await create(deployment("short", shell("sleep 1000")));
    await until(id, (next) => next.status === "ready");
    await space.remove("Deployment", "short");
    await until(id, (next) => next.status === "gone");
  });
});
