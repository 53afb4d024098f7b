import type {
  ContainerEngine,
  EngineContainer,
  ExecOptions,
  ExecResult,
} from "../../../src/engine/container-engine.js";

/** A node container as kind labels it. */
export function kindNode(
  cluster: string,
  role = "control-plane",
  rest: Partial<EngineContainer> = {},
): EngineContainer {
  return {
    id: `${cluster}-${role}`,
    name: `${cluster}-${role}`,
    labels: { "io.x-k8s.kind.cluster": cluster, "io.x-k8s.kind.role": role },
    running: true,
    ports: role === "control-plane" ? { "6443/tcp": { host: "127.0.0.1", port: 40_001 } } : {},
    ...rest,
  };
}

/** A container as k3d labels it. */
export function k3dNode(
  cluster: string,
  role = "server",
  rest: Partial<EngineContainer> = {},
): EngineContainer {
  return {
    id: `k3d-${cluster}-${role}-0`,
    name: `k3d-${cluster}-${role}-0`,
    labels: { app: "k3d", "k3d.cluster": cluster, "k3d.role": role },
    running: true,
    ports: role === "server" ? { "6443/tcp": { host: "0.0.0.0", port: 40_002 } } : {},
    ...rest,
  };
}

export type FakeExec = (
  container: string,
  argv: readonly string[],
  options: ExecOptions,
) => ExecResult | Promise<ExecResult>;

/** An engine that holds containers and answers what a test tells it to; anything else fails the test. */
export function fakeEngine(
  containers: () => readonly EngineContainer[],
  parts: Partial<Omit<ContainerEngine, "exec">> & { readonly exec?: FakeExec } = {},
): ContainerEngine {
  const missing = (name: string) => () => Promise.reject(new Error(`${name} was not expected`));
  const { exec, ...rest } = parts;
  return {
    address: "unix:///var/run/docker.sock",
    ping: () => Promise.resolve({ version: "27.0.0", apiVersion: "1.46", platform: "linux/amd64" }),
    imageStore: () => Promise.resolve("classic"),
    containers: (labels, { all = false }) =>
      Promise.resolve(
        containers().filter(
          (one) =>
            (all || one.running) &&
            labels.every((label) => {
              const [key = "", value] = label.split("=");
              return key in one.labels && (value === undefined || one.labels[key] === value);
            }),
        ),
      ),
    exec: exec ? async (...args) => await exec(...args) : missing("exec"),
    image: missing("image"),
    images: missing("images"),
    saveImage: missing("saveImage"),
    tagImage: missing("tagImage"),
    untagImage: missing("untagImage"),
    pushImage: missing("pushImage"),
    ...rest,
  };
}

/** Runs what is expected to fail and returns what it failed with. */
export async function failure(work: () => Promise<unknown>): Promise<unknown> {
  try {
    await work();
  } catch (error) {
    return error;
  }
  throw new Error("it was expected to fail");
}
