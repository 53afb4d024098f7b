import { describe, expect, it } from "vitest";
import type { KubeObject } from "../../../src/cluster/kube.js";
import { type SyncedImage, withAgent } from "../../../src/cluster/sync/inject.js";

const ref = "web:devloop-1";
const where = { project: "shop", namespace: "dev", platform: "linux/amd64" };

function images(
  need: SyncedImage["need"],
  entrypoint: string[] = [],
  command: string[] = [],
  stopSignal?: string,
) {
  const starts = { entrypoint, command, ...(stopSignal ? { stopSignal } : {}) };
  return new Map<string, SyncedImage>([[ref, { need, starts }]]);
}

function deployment(container: object, spec: object = {}): KubeObject {
  const template = { spec: { containers: [{ name: "web", image: ref, ...container }], ...spec } };
  return { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "web" }, spec: { template } };
}

/** The pod's spec of the last object, after the agent was added. */
function podSpec(objects: readonly KubeObject[]) {
  const { template } = objects.at(-1)!["spec"] as { template: { spec: Record<string, unknown> } };
  return template.spec as {
    containers: Record<string, unknown>[];
    initContainers?: Record<string, unknown>[];
    volumes: { name: string; configMap: { name: string; defaultMode: number } }[];
  };
}

describe("the agent in the applied manifests", () => {
  it("is a read-only volume of a ConfigMap that comes with it, and leaves the process alone for files", () => {
    const objects = withAgent([deployment({ args: ["-v"] })], images("files"), where);
    expect(objects).toHaveLength(2);
    const [map] = objects;
    expect(map).toMatchObject({ kind: "ConfigMap", immutable: true, metadata: { namespace: "dev" } });
    expect(map?.metadata.name).toMatch(/^devloop-agent-[0-9a-f]{10}$/);
    const binary = Buffer.from((map?.["binaryData"] as { agent: string }).agent, "base64");
    expect(binary.subarray(0, 4).toString("latin1")).toBe("\x7fELF");
    expect(podSpec(objects)).toEqual({
      containers: [
        {
          name: "web",
          image: ref,
          args: ["-v"],
          volumeMounts: [{ name: "devloop-agent", mountPath: "/.devloop", readOnly: true }],
        },
      ],
      volumes: [{ name: "devloop-agent", configMap: { name: map?.metadata.name, defaultMode: 0o555 } }],
    });
  });

  it.each([
    {
      name: "the image's entrypoint and CMD",
      container: {},
      image: [["node"], ["server.js"]],
      command: ["--", "node"],
      args: ["server.js"],
    },
    {
      name: "the manifest's args for the image's entrypoint",
      container: { args: ["other.js", "$(PORT)"] },
      image: [["node"], ["server.js"]],
      command: ["--", "node"],
      args: ["other.js", "$(PORT)"],
    },
    {
      name: "the manifest's command, without the image's CMD",
      container: { command: ["sh", "-c", "exec $(APP)"] },
      image: [["node"], ["server.js"]],
      command: ["--", "sh", "-c", "exec $(APP)"],
      args: [],
    },
    {
      name: "the manifest's command and args",
      container: { command: ["a"], args: ["b"] },
      image: [["node"], ["server.js"]],
      command: ["--", "a"],
      args: ["b"],
    },
    {
      name: "a CMD alone, in which $ means nothing to Kubernetes",
      container: {},
      image: [[], ["sh", "-c", "echo $(date) $$ $HOME"]],
      command: ["--"],
      args: ["sh", "-c", "echo $$(date) $$$$ $$HOME"],
    },
  ])("starts $name as its child", ({ container, image: [entrypoint, command], command: own, args }) => {
    const objects = withAgent([deployment(container)], images("process", entrypoint, command), where);
    expect(podSpec(objects).containers[0]).toMatchObject({
      command: ["/.devloop/agent", "run", ...own],
      args,
    });
  });

  it.each([
    ["SIGTERM", []],
    ["15", []],
    ["SIGQUIT", ["--stop-signal", "3"]],
    ["winch", ["--stop-signal", "28"]],
    ["10", ["--stop-signal", "10"]],
    ["SIGRTMIN+3", ["--stop-signal", "37"]],
    ["SIGRTMAX-2", ["--stop-signal", "62"]],
    ["SIGNOTHING", []],
    ["99", []],
  ])("tells it how the image is asked to end: %s", (stopSignal, flags) => {
    const objects = withAgent([deployment({})], images("process", ["nginx"], [], stopSignal), where);
    expect(podSpec(objects).containers[0]?.["command"]).toEqual([
      "/.devloop/agent",
      "run",
      ...flags,
      "--",
      "nginx",
    ]);
  });

  it("lets what runs to its end wait for its files", () => {
    const job = {
      apiVersion: "batch/v1",
      kind: "Job",
      metadata: { name: "migrate" },
      spec: { template: { spec: { restartPolicy: "Never", containers: [{ image: ref, command: ["m"] }] } } },
    };
    expect(podSpec(withAgent([job], images("files"), where)).containers[0]).toMatchObject({
      command: ["/.devloop/agent", "run", "--once", "--hold", "15", "--", "m"],
    });
    const withInit = deployment({}, { initContainers: [{ image: ref }, { image: "other" }] });
    const [init, other] = podSpec(withAgent([withInit], images("files", ["e"]), where)).initContainers ?? [];
    expect(init?.["command"]).toEqual(["/.devloop/agent", "run", "--once", "--hold", "15", "--", "e"]);
    expect(other).toEqual({ image: "other" });
  });

  it("makes nothing wait that files only come back from", () => {
    const withInit = deployment({}, { initContainers: [{ image: ref }] });
    const [init] = podSpec(withAgent([withInit], images("pull", ["e"]), where)).initContainers ?? [];
    expect(init).not.toHaveProperty("command");
    expect(init).toHaveProperty("volumeMounts");
  });

  it("is an object of the project's own", () => {
    const name = (project: string) =>
      withAgent([deployment({})], images("files"), { ...where, project })[0]?.metadata.name;
    expect(name("shop")).not.toBe(name("other"));
  });

  it("leaves alone what runs none of the images, and everything on a platform without an agent", () => {
    const objects = [deployment({ image: "redis:7" })];
    expect(withAgent(objects, images("process"), where)).toEqual(objects);
    const web = [deployment({})];
    expect(withAgent(web, images("process"), { ...where, platform: "linux/s390x" })).toEqual(web);
  });

  it("does not change the rendered objects themselves", () => {
    const object = deployment({});
    const before = structuredClone(object);
    withAgent([object], images("process", ["node"]), where);
    expect(object).toEqual(before);
  });
});
