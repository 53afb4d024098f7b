import { describe, expect, it } from "vitest";
import { podActivity } from "../../../src/cluster/observe/pod-activity.js";
import { event, pod, running, unready } from "./objects.js";

const httpGet = { path: "/ready", port: 80 };

describe("podActivity", () => {
  it("names what the readiness probe answers while the pod starts", () => {
    const subject = pod("web-1", {
      status: { ...unready, containerStatuses: [running({ ready: false })] },
      container: { readinessProbe: { httpGet } },
    });
    expect(podActivity(subject, [])).toBe("waiting for readiness");
    const failure = event("Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503");
    expect(podActivity(subject, [failure])).toBe("waiting for readiness: /ready answered 503");
  });

  it("names what the startup probe answers before readiness is asked for", () => {
    const probes = { readinessProbe: { httpGet }, startupProbe: { httpGet: { path: "/health", port: 80 } } };
    const failure = event("Unhealthy", "Startup probe failed: connect: connection refused");
    const of = (started: boolean) =>
      pod("web-1", {
        status: { ...unready, containerStatuses: [running({ ready: false, started })] },
        container: probes,
      });
    expect(podActivity(of(false), [failure])).toBe("waiting for readiness: nothing listens on port 80");
    expect(podActivity(of(true), [failure])).toBe("waiting for readiness");
  });
});
