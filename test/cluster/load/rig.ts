import { randomBytes } from "node:crypto";
import { homedir } from "node:os";
import type { NodeRef } from "../../../src/cluster/providers/nodes.js";
import { connectEngine } from "../../../src/docker/connect.js";
import { findEngine } from "../../../src/docker/endpoint.js";
import type { ContainerEngine } from "../../../src/engine/container-engine.js";
import { runTool } from "../../../src/lib/run-tool.js";

export const signal = new AbortController().signal;
export const { engine } = connectEngine(findEngine(process.env, { home: homedir() }));
const answerTimeoutMs = 120_000;

/**
 * Nodes to load into, without Kubernetes: containers of a node image that run nothing but its containerd, with kind's or
 * k3d's labels. They are there within two seconds, and no cluster in use is disturbed.
 */
export interface Rig extends AsyncDisposable {
  readonly nodes: readonly NodeRef[];
  /** Runs containerd's client in a node and returns what it prints. Throws for a non-zero exit code. */
  readonly ctr: (node: NodeRef, ...args: readonly string[]) => Promise<string>;
}

export interface RigOptions {
  readonly flavour?: "kind" | "k3d";
  readonly count?: number;
  /** Of each node's disk, in bytes; it lies in memory then. */
  readonly diskBytes?: number;
}

/** A node image in the engine: that of a kind cluster which is there, else any of kind's. Undefined with the reason. */
export async function nodeImage(): Promise<{ readonly image?: string; readonly missing?: string }> {
  try {
    const label = ["--all", "--filter", "label=io.x-k8s.kind.role", "--format", "{{.Image}}"];
    const lists = [
      await runTool("docker", ["ps", ...label], { signal }),
      await runTool("docker", ["images", "--format", "{{.ID}}", "kindest/node"], { signal }),
    ];
    const [image] = lists.flatMap((list) => list.split("\n")).filter((line) => line !== "");
    return image === undefined ? { missing: "no node image of kind's is in the engine" } : { image };
  } catch (error) {
    return { missing: `no container engine: ${error instanceof Error ? error.message : String(error)}` };
  }
}

export async function startRig(
  image: string,
  { flavour = "kind", count = 3, diskBytes }: RigOptions = {},
): Promise<Rig> {
  const cluster = `rig-${randomBytes(4).toString("hex")}`;
  const socket =
    flavour === "k3d" ? "/run/k3s/containerd/containerd.sock" : "/run/containerd/containerd.sock";
  const disk =
    diskBytes === undefined ? ["--volume", "/var"] : ["--tmpfs", `/var:size=${diskBytes},exec,suid,dev`];
  const nodes = Array.from({ length: count }, (_, index) => nodeRef(flavour, cluster, index));
  const rig: Rig = {
    nodes,
    ctr: (node, ...args) =>
      runTool(
        "docker",
        ["exec", "-e", `CONTAINERD_ADDRESS=${socket}`, node.name, "ctr", "-n", "k8s.io", ...args],
        { signal },
      ),
    async [Symbol.asyncDispose]() {
      await runTool("docker", ["rm", "--force", "--volumes", ...nodes.map(({ name }) => name)], { signal });
    },
  };
  try {
    for (const { name, role } of nodes) {
      const options = ["--privileged", "--network", "none", "--tmpfs", "/run", ...disk];
      const labels = labelsOf(flavour, cluster, role).flatMap((label) => ["--label", label]);
      const argv = [...labels, ...options, "--entrypoint", "containerd", image, "--address", socket];
      await runTool("docker", ["run", "--detach", "--name", name, ...argv], { signal });
    }
    await Promise.all(nodes.map((node) => answers(() => rig.ctr(node, "version"))));
    return rig;
  } catch (error) {
    await rig[Symbol.asyncDispose]();
    throw error;
  }
}

/** The engine that has the images, with the nodes of another one. */
export function withNodesOf(nodes: ContainerEngine, images: ContainerEngine): ContainerEngine {
  return {
    ...images,
    exec: (...args) => nodes.exec(...args),
    containers: (...args) => nodes.containers(...args),
  };
}

/** Resolves once `ask` does. */
export async function answers(ask: () => Promise<unknown>): Promise<void> {
  const until = Date.now() + answerTimeoutMs;
  for (;;) {
    try {
      await ask();
      return;
    } catch (error) {
      if (Date.now() > until) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

function nodeRef(flavour: "kind" | "k3d", cluster: string, index: number): NodeRef {
  const role = index === 0 ? "control-plane" : "worker";
  if (flavour === "kind") return { name: `${cluster}-${role}${index || ""}`, role, running: true };
  const name = index === 0 ? `k3d-${cluster}-server-0` : `k3d-${cluster}-agent-${index - 1}`;
  return { name, role, running: true };
}

function labelsOf(flavour: "kind" | "k3d", cluster: string, role: NodeRef["role"]): readonly string[] {
  if (flavour === "kind") return [`io.x-k8s.kind.cluster=${cluster}`, `io.x-k8s.kind.role=${role}`];
  return ["app=k3d", `k3d.cluster=${cluster}`, `k3d.role=${role === "worker" ? "agent" : "server"}`];
}
