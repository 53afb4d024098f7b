import { describe, expect, it } from "vitest";
import type { KubeEvent, Pod } from "../../../src/cluster/observe/objects.js";
import { podCause, startingMs } from "../../../src/cluster/observe/root-cause.js";
import { event, pod, running, unready } from "./objects.js";

function cause(subject: Pod, events: readonly KubeEvent[] = [], lines: readonly string[] = [], ran = 0) {
  return podCause({ pod: subject, events, lastLines: () => lines, runningForMs: () => ran });
}
function waiting(reason: string, message: string, fields: Record<string, unknown> = {}): Pod {
  const state = { waiting: { reason, message } };
  return pod("web-1", {
    status: { ...unready, containerStatuses: [running({ ready: false, state, ...fields })] },
  });
}
const crashed = {
  terminated: {
    exitCode: 1,
    reason: "Error",
    startedAt: "2026-01-01T10:00:00Z",
    finishedAt: "2026-01-01T10:00:20Z",
    containerID: "containerd://z",
  },
};

describe("podCause", () => {
  it.each([
    [
      "ErrImagePull",
      'rpc error: code = NotFound desc = failed to pull and unpack image "docker.io/library/web:1": not found',
      "not found",
    ],
    [
      "ErrImagePull",
      "pull access denied, repository does not exist or may require authorization",
      "no such image, or no access to it",
    ],
    ["ErrImagePull", "dial tcp: lookup reg.local: no such host", "the registry's name cannot be resolved"],
    ["InvalidImageName", "couldn't parse image reference", "the name is not a valid image reference"],
  ])("%s says in short why: %s", (reason, message, why) => {
    expect(cause(waiting(reason, message))).toEqual({
      reason: "ImagePull",
      message: `image web:1 cannot be pulled: ${why}`,
      pod: "web-1",
      container: "main",
    });
  });

  it("a back-off takes its reason from the failed pull before it", () => {
    const failed = event("Failed", 'Failed to pull image "web:1": 401 unauthorized');
    const found = cause(waiting("ImagePullBackOff", 'Back-off pulling image "web:1"'), [failed]);
    expect(found?.message).toBe("image web:1 cannot be pulled: the registry asks for credentials");
  });

  it("a crash loop names the exit code and keeps the last lines", () => {
    const found = cause(
      waiting("CrashLoopBackOff", "back-off", { restartCount: 3, lastState: crashed }),
      [],
      ["no db"],
    );
    expect(found).toMatchObject({
      reason: "CrashLoop",
      message: "container main exited with code 1, restarted 3 times",
      lines: ["no db"],
    });
  });

  it("a container that ran out of memory names its limit", () => {
    const lastState = { terminated: { ...crashed.terminated, exitCode: 137, reason: "OOMKilled" } };
    const status = {
      ...unready,
      containerStatuses: [running({ ready: false, state: lastState, lastState: {} })],
    };
    const found = cause(pod("web-1", { status, container: { resources: { limits: { memory: "64Mi" } } } }));
    expect(found).toMatchObject({
      reason: "OutOfMemory",
      message: "container main ran out of memory (limit 64Mi)",
    });
  });

  it("137 without more is said to be a kill", () => {
    const state = { terminated: { ...crashed.terminated, exitCode: 137 } };
    const status = { ...unready, containerStatuses: [running({ ready: false, state })] };
    expect(cause(pod("web-1", { status }))?.message).toBe(
      "container main was killed (exit code 137, SIGKILL)",
    );
  });

  it("one that has ended is no loop while it is only started again", () => {
    const starting = waiting("ContainerCreating", "", { restartCount: 1, lastState: crashed });
    expect(cause(starting)?.reason).toBe("Exited");
  });

  it("a restarted container stays failed until it has run for a while, or its probe says ready", () => {
    const restarted = running({ restartCount: 1, lastState: crashed });
    const without = pod("web-1", { status: { containerStatuses: [restarted] } });
    expect(cause(without, [], [], 2000)?.reason).toBe("CrashLoop");
    expect(cause(without, [], [], 11_000)).toBeUndefined();
    const probed = pod("web-1", {
      status: { containerStatuses: [restarted] },
      container: { readinessProbe: {} },
    });
    expect(cause(probed, [], [], 2000)).toBeUndefined();
  });

  it("a container killed by its liveness probe is a probe's matter, whatever its exit code", () => {
    const subject = waiting("CrashLoopBackOff", "back-off", { restartCount: 1, lastState: crashed });
    const found = cause(
      pod("web-1", {
        status: subject.status!,
        container: { livenessProbe: { httpGet: { path: "/live", port: 80 } } },
      }),
      [
        event("Unhealthy", "Liveness probe failed: HTTP probe failed with statuscode: 500"),
        event("Killing", "Container main failed liveness probe, will be restarted"),
      ],
    );
    expect(found).toMatchObject({
      reason: "Probe",
      message: "container main is restarted: liveness probe failed: /live answered 500",
    });
  });

  describe("a failing readiness probe", () => {
    const container = {
      readinessProbe: { httpGet: { path: "/health", port: 80 }, periodSeconds: 10, failureThreshold: 3 },
    };
    const subject = pod("web-1", {
      status: { ...unready, containerStatuses: [running({ ready: false })] },
      container,
    });
    const unhealthy = (count: number, at: string, message = "HTTP probe failed with statuscode: 503") =>
      event("Unhealthy", `Readiness probe failed: ${message}`, {
        count,
        lastTimestamp: `2026-01-01T10:00:${at}Z`,
      });

    it("is part of a normal start while the container is young, however often it failed", () => {
      expect(cause(subject, [unhealthy(25, "15")], [], 15_000)).toBeUndefined();
    });
    it("is the cause after half a minute, with its reply", () => {
      expect(cause(subject, [unhealthy(3, "31")])).toMatchObject({
        reason: "Probe",
        message: "container main is not ready: readiness probe failed: /health answered 503",
      });
    });
    it("is the cause after half a minute by our own clock, when the kubelet tells of it no more", () => {
      expect(cause(subject, [unhealthy(25, "26")], [], startingMs)?.reason).toBe("Probe");
    });
    it("is no cause below its own threshold", () => {
      expect(cause(subject, [unhealthy(2, "31")], [], 60_000)).toBeUndefined();
    });
    it("may take as long as its threshold and period say", () => {
      const patient = pod("web-1", {
        status: { ...unready, containerStatuses: [running({ ready: false })] },
        container: { readinessProbe: { ...container.readinessProbe, failureThreshold: 6 } },
      });
      expect(cause(patient, [unhealthy(6, "45")], [], 45_000)).toBeUndefined();
      expect(cause(patient, [unhealthy(6, "51")], [], 51_000)?.reason).toBe("Probe");
    });
    it("is given up on earlier when the workload's own deadline is", () => {
      const found = podCause({
        pod: subject,
        events: [unhealthy(3, "12")],
        lastLines: () => [],
        runningForMs: () => 11_000,
        deadlineMs: 10_000,
      });
      expect(found?.reason).toBe("Probe");
    });
    it("is counted over all replies", () => {
      expect(
        cause(subject, [
          unhealthy(2, "12", "dial tcp 10.0.0.1:80: connect: connection refused"),
          unhealthy(1, "31"),
        ])?.reason,
      ).toBe("Probe");
    });
    it("of the run before this one says nothing", () => {
      expect(cause(subject, [unhealthy(9, "00")], [], 60_000)).toBeUndefined();
    });
  });

  it("a pod that no node takes says why; one that waits for its volume is no failure", () => {
    const unscheduled = (message: string): Pod =>
      pod("web-1", {
        status: {
          phase: "Pending",
          containerStatuses: [],
          conditions: [{ type: "PodScheduled", status: "False", reason: "Unschedulable", message }],
        },
      });
    expect(
      cause(unscheduled("0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available")),
    ).toMatchObject({
      reason: "Unschedulable",
      message: "no node takes pod web-1: 0/1 nodes are available: 1 Insufficient cpu",
    });
    expect(cause(unscheduled("pod has unbound immediate PersistentVolumeClaims."))).toBeUndefined();
  });

  it("a missing secret and a volume that cannot be mounted", () => {
    expect(cause(waiting("CreateContainerConfigError", 'secret "db" not found'))).toMatchObject({
      reason: "Config",
      message: 'container main cannot be created: secret "db" not found',
    });
    const mount = event(
      "FailedMount",
      'MountVolume.SetUp failed for volume "conf" : configmap "conf" not found',
    );
    expect(cause(waiting("ContainerCreating", ""), [mount])).toMatchObject({ reason: "Volume" });
  });

  it("a secret that the kubelet has not read yet is no failure, unless it stays so", () => {
    const message = 'MountVolume.SetUp failed for volume "token" : failed to sync secret cache: timed out';
    const starting = waiting("ContainerCreating", "");
    expect(cause(starting, [event("FailedMount", message)])).toBeUndefined();
    expect(cause(starting, [event("FailedMount", message, { count: 6 })])?.reason).toBe("Volume");
  });

  it("a pod that is being deleted has no cause", () => {
    const metadata = { deletionTimestamp: "2026-01-01T10:01:00Z" };
    const status = { ...unready, containerStatuses: [running({ state: crashed })] };
    expect(cause(pod("web-1", { status, metadata }))).toBeUndefined();
  });
});
