import { describe, expect, it } from "vitest";
import { assess, type AssessInput } from "../../../src/cluster/observe/assess.js";
import type { Controller, Pod } from "../../../src/cluster/observe/objects.js";
import { controller, event, pod, running, unready } from "./objects.js";

function health(object: Controller | undefined, rest: Partial<AssessInput> = {}) {
  return assess({
    object,
    pods: [],
    replicaSets: [],
    eventsOf: () => [],
    lastLines: () => [],
    runningForMs: () => 60_000,
    ...rest,
  });
}
const replicaSet = (revision: number, available: number): Controller =>
  controller("ReplicaSet", {
    metadata: {
      name: `web-${revision}`,
      namespace: "dev",
      uid: `rs-${revision}`,
      annotations: { "deployment.kubernetes.io/revision": String(revision) },
    },
    status: { availableReplicas: available },
  });
const ofRevision = (name: string, revision: number, status: Record<string, unknown> = {}): Pod =>
  pod(name, {
    status,
    metadata: { ownerReferences: [{ kind: "ReplicaSet", name: `web-${revision}`, uid: `rs-${revision}` }] },
  });
const deployment = (spec: object, status: object): Controller => controller("Deployment", { spec, status });

describe("assess", () => {
  it("a deployment is ready when the newest ReplicaSet's pods are available", () => {
    const found = health(
      deployment({ replicas: 1 }, { observedGeneration: 2, updatedReplicas: 1, availableReplicas: 2 }),
      {
        pods: [ofRevision("old", 1), ofRevision("new", 2)],
        replicaSets: [replicaSet(1, 1), replicaSet(2, 1)],
      },
    );
    expect(found).toMatchObject({ status: "ready", ready: 1, desired: 1, generation: 2 });
    expect(found.pods.map((entry) => [entry.name, entry.current])).toEqual([
      ["old", false],
      ["new", true],
    ]);
  });

  it("is not ready with the old revision's pods while the new ReplicaSet has not reached us", () => {
    // The two are watched apart: after a lost connection the Deployment may be known seconds before its ReplicaSet.
    const ahead = controller("Deployment", {
      metadata: { name: "web", annotations: { "deployment.kubernetes.io/revision": "2" } },
      spec: { replicas: 1 },
      status: { observedGeneration: 2, updatedReplicas: 1, availableReplicas: 1 },
    });
    const found = health(ahead, { pods: [ofRevision("old", 1)], replicaSets: [replicaSet(1, 1)] });
    expect(found).toMatchObject({ status: "progressing", ready: 0, message: "waiting for its pod" });
    expect(found.pods).toMatchObject([{ name: "old", current: false }]);
  });

  it("pods of the old revision neither make it ready nor fail it", () => {
    const crashing = {
      ...unready,
      containerStatuses: [running({ ready: false, restartCount: 4, state: { terminated: { exitCode: 1 } } })],
    };
    const found = health(deployment({ replicas: 1 }, { observedGeneration: 2, updatedReplicas: 1 }), {
      pods: [ofRevision("old", 1, crashing), ofRevision("new", 2, { ...unready, containerStatuses: [] })],
      replicaSets: [replicaSet(1, 1), replicaSet(2, 0)],
    });
    expect(found).toMatchObject({
      status: "progressing",
      ready: 0,
      restarts: 0,
      message: "starting (creating containers)",
    });
  });

  it("a generation that the controller has not seen is not ready, whatever the counts say", () => {
    const found = health(deployment({ replicas: 1 }, { observedGeneration: 1, updatedReplicas: 1 }), {
      replicaSets: [replicaSet(1, 1)],
    });
    expect(found).toMatchObject({
      status: "progressing",
      generation: 1,
      message: "waiting for its controller",
    });
  });

  it("scaled to 0 is ready", () => {
    expect(health(deployment({ replicas: 0 }, { observedGeneration: 2 }))).toMatchObject({
      status: "ready",
      message: "scaled to 0",
    });
  });

  it("says how many pods are ready and what the next one waits for", () => {
    const pulling = ofRevision("b", 2, {
      ...unready,
      phase: "Pending",
      containerStatuses: [running({ ready: false, state: { waiting: { reason: "ContainerCreating" } } })],
    });
    const found = health(deployment({ replicas: 2 }, { observedGeneration: 2, updatedReplicas: 2 }), {
      pods: [ofRevision("a", 2), pulling],
      replicaSets: [replicaSet(2, 1)],
      eventsOf: (uid) => (uid === "uid-b" ? [event("Pulling", 'Pulling image "web:1"')] : []),
    });
    expect(found.message).toBe("1 of 2 pods ready: starting (pulling image)");
  });

  it("pods that a quota forbids", () => {
    const message = 'pods "web-2-x" is forbidden: exceeded quota: small, requested: pods=1';
    const set = {
      ...replicaSet(2, 0),
      status: { conditions: [{ type: "ReplicaFailure", status: "True", message }] },
    };
    const found = health(deployment({ replicas: 1 }, { observedGeneration: 2 }), { replicaSets: [set] });
    expect(found).toMatchObject({
      status: "failed",
      cause: { reason: "Quota", message: `its pods cannot be created: ${message}` },
    });
  });

  it("a deadline is only the cause when there is no better one", () => {
    const conditions = [
      { type: "Progressing", status: "False", reason: "ProgressDeadlineExceeded", message: "timed out" },
    ];
    const object = deployment({ replicas: 1 }, { observedGeneration: 2, conditions });
    expect(health(object, { replicaSets: [replicaSet(2, 0)] }).cause?.reason).toBe("Deadline");
    const pulling = {
      ...unready,
      containerStatuses: [
        running({ ready: false, state: { waiting: { reason: "ErrImagePull", message: "not found" } } }),
      ],
    };
    expect(
      health(object, { replicaSets: [replicaSet(2, 0)], pods: [ofRevision("a", 2, pulling)] }).cause?.reason,
    ).toBe("ImagePull");
  });

  it("a stateful set counts the pods of its update revision", () => {
    const object = controller("StatefulSet", {
      spec: { replicas: 2 },
      status: { observedGeneration: 2, updateRevision: "web-b" },
    });
    const labelled = (name: string, revision: string): Pod =>
      pod(name, { metadata: { labels: { "controller-revision-hash": revision } } });
    expect(health(object, { pods: [labelled("web-0", "web-a"), labelled("web-1", "web-b")] })).toMatchObject({
      status: "progressing",
      ready: 1,
    });
    expect(health(object, { pods: [labelled("web-0", "web-b"), labelled("web-1", "web-b")] }).status).toBe(
      "ready",
    );
  });

  it("a job that tries again is progressing; one that gave up has its exit code", () => {
    const exited = pod("web-1", {
      status: {
        phase: "Failed",
        ...unready,
        containerStatuses: [running({ ready: false, state: { terminated: { exitCode: 7 } } })],
      },
    });
    const trying = controller("Job", { spec: { backoffLimit: 3 }, status: { failed: 1 } });
    expect(health(trying, { pods: [exited] })).toMatchObject({
      status: "progressing",
      message: "attempt 2: waiting for its pod",
    });
    const failed = controller("Job", {
      status: {
        failed: 4,
        conditions: [
          { type: "Failed", status: "True", message: "Job has reached the specified backoff limit" },
        ],
      },
    });
    expect(health(failed, { pods: [exited] })).toMatchObject({
      status: "failed",
      cause: {
        reason: "Exited",
        message: "the job failed after 4 attempts: container main exited with code 7",
      },
    });
  });

  it("claims: bound, waiting for their first pod, and without a provisioner", () => {
    const claim = (phase: string): Controller => controller("PersistentVolumeClaim", { status: { phase } });
    expect(health(claim("Bound")).status).toBe("ready");
    const first = health(claim("Pending"), { eventsOf: () => [event("WaitForFirstConsumer", "waiting")] });
    expect(first).toMatchObject({ status: "ready", message: "waits for its first pod" });
    const broken = health(claim("Pending"), {
      eventsOf: () => [event("ProvisioningFailed", "no such class")],
    });
    expect(broken).toMatchObject({ status: "failed", cause: { reason: "Volume" } });
  });

  it.each([
    [[], "ready"],
    [[{ type: "Ready", status: "False", message: "syncing" }], "progressing"],
    [[{ type: "Ready", status: "True" }], "ready"],
    [[{ type: "Established", status: "True" }], "ready"],
    [
      [
        { type: "Ready", status: "False" },
        { type: "Stalled", status: "True", message: "no permission" },
      ],
      "failed",
    ],
  ])("another kind with conditions %j is %s", (conditions, status) => {
    expect(health(controller("Widget", { status: { conditions } })).status).toBe(status);
  });

  it("another kind whose controller is behind is progressing, also with the generation as text", () => {
    const conditions = [{ type: "Available", status: "True" }];
    expect(health(controller("Rollout", { status: { observedGeneration: "1", conditions } })).status).toBe(
      "progressing",
    );
    expect(health(controller("Rollout", { status: { observedGeneration: "2", conditions } })).status).toBe(
      "ready",
    );
  });

  it("what is not there any more is gone", () => {
    expect(health(undefined)).toMatchObject({ status: "gone", pods: [] });
  });

  describe("a readiness probe that fails", () => {
    const failing = ofRevision("new", 2, { ...unready, containerStatuses: [running({ ready: false })] });
    const probed: Pod = {
      ...failing,
      spec: {
        containers: [{ name: "main", readinessProbe: { httpGet: { path: "/ready" }, periodSeconds: 1 } }],
      },
    };
    const replies = [
      event("Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503", {
        count: 9,
        lastTimestamp: "2026-01-01T10:00:10Z",
      }),
    ];
    const after = (runningForMs: number, spec: object = {}, status: object = {}) =>
      health(deployment({ replicas: 1, ...spec }, { observedGeneration: 2, updatedReplicas: 1, ...status }), {
        ...{ pods: [probed], replicaSets: [replicaSet(2, 0)] },
        ...{ eventsOf: () => replies, runningForMs: () => runningForMs },
      });

    it("is part of the start at first, with its answer", () => {
      const found = after(9000);
      expect(found).toMatchObject({
        status: "progressing",
        message: "waiting for readiness: /ready answered 503",
      });
      expect(found.cause).toBeUndefined();
    });

    it.each([
      ["for half a minute", 30_000, {}, {}],
      ["beyond the deployment's own deadline", 9000, { progressDeadlineSeconds: 9 }, {}],
      [
        "when Kubernetes has given up",
        5000,
        { progressDeadlineSeconds: 9 },
        { conditions: [{ type: "Progressing", status: "False", reason: "ProgressDeadlineExceeded" }] },
      ],
    ])("is why it fails, %s", (_, ms, spec, status) => {
      expect(after(ms, spec, status)).toMatchObject({ status: "failed", cause: { reason: "Probe" } });
    });
  });
});
