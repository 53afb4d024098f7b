import type { Controller, KubeEvent, Pod } from "../../../src/cluster/observe/objects.js";

/** A running, ready pod with one container, as the API server would list it; `change` goes over its status. */
export function pod(
  name: string,
  {
    status = {},
    container = {},
    metadata = {},
  }: {
    readonly status?: Record<string, unknown>;
    readonly container?: Record<string, unknown>;
    readonly metadata?: Record<string, unknown>;
  } = {},
): Pod {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      namespace: "dev",
      uid: `uid-${name}`,
      creationTimestamp: "2026-01-01T10:00:00Z",
      ...metadata,
    },
    spec: { nodeName: "node-1", containers: [{ name: "main", image: "web:1", ...container }] },
    status: {
      phase: "Running",
      conditions: [
        { type: "PodScheduled", status: "True" },
        { type: "Ready", status: "True" },
      ],
      containerStatuses: [running()],
      ...status,
    },
  };
}

export function running(fields: Record<string, unknown> = {}) {
  return {
    name: "main",
    ready: true,
    restartCount: 0,
    containerID: "containerd://a",
    state: { running: { startedAt: "2026-01-01T10:00:01Z" } },
    ...fields,
  };
}

export const unready = {
  conditions: [
    { type: "PodScheduled", status: "True" },
    { type: "Ready", status: "False" },
  ],
};

export function event(reason: string, message: string, fields: Record<string, unknown> = {}): KubeEvent {
  return {
    apiVersion: "v1",
    kind: "Event",
    metadata: { name: reason },
    involvedObject: { kind: "Pod", uid: "uid-web-1", fieldPath: "spec.containers{main}" },
    reason,
    message,
    count: 1,
    lastTimestamp: "2026-01-01T10:00:30Z",
    ...fields,
  };
}

export function controller(kind: string, fields: Partial<Controller> = {}): Controller {
  return {
    apiVersion: "apps/v1",
    kind,
    metadata: {
      name: "web",
      namespace: "dev",
      uid: "uid-web",
      generation: 2,
      creationTimestamp: "2026-01-01T09:00:00Z",
    },
    ...fields,
  };
}
