import { describe, expect, it } from "vitest";
import { groupClusters } from "../../../src/cluster/providers/nodes.js";
import { k3dNode, kindNode } from "../load/fake-nodes.js";

describe("clusters by the labels of their containers", () => {
  it("groups kind's nodes, control planes first, and takes the published port", () => {
    const [cluster, ...none] = groupClusters([kindNode("dev", "worker"), kindNode("dev")]);
    expect(none).toEqual([]);
    expect(cluster).toEqual({
      provider: "kind",
      name: "dev",
      nodes: [
        { name: "dev-control-plane", role: "control-plane", running: true },
        { name: "dev-worker", role: "worker", running: true },
      ],
      stopped: [],
      api: { host: "127.0.0.1", port: 40_001 },
    });
  });

  it("counts neither k3d's load balancer nor its registry as a node, and prefers the balancer's port", () => {
    const balancer = k3dNode("dev", "loadbalancer", {
      ports: { "6443/tcp": { host: "0.0.0.0", port: 7777 } },
    });
    const [cluster] = groupClusters([
      k3dNode("dev"),
      k3dNode("dev", "agent"),
      balancer,
      k3dNode("dev", "registry"),
    ]);
    expect(cluster?.nodes.map(({ name }) => name)).toEqual(["k3d-dev-server-0", "k3d-dev-agent-0"]);
    expect(cluster?.api?.port).toBe(7777);
  });

  it("leaves out a registry that belongs to no cluster, and what is not labelled at all", () => {
    const registry = { ...k3dNode("x", "registry"), labels: { app: "k3d", "k3d.role": "registry" } };
    expect(groupClusters([registry, { ...kindNode("x"), labels: {} }])).toEqual([]);
  });

  it("keeps clusters of one name apart by their tool, and lists what is stopped", () => {
    const clusters = groupClusters([kindNode("dev"), k3dNode("dev", "server", { running: false })]);
    expect(clusters.map(({ provider, stopped }) => [provider, stopped])).toEqual([
      ["k3d", ["k3d-dev-server-0"]],
      ["kind", []],
    ]);
  });

  it("uses the external load balancer of a highly available kind cluster", () => {
    const balancer = kindNode("ha", "external-load-balancer", {
      ports: { "6443/tcp": { host: "127.0.0.1", port: 5000 } },
    });
    const [cluster] = groupClusters([kindNode("ha"), balancer]);
    expect(cluster?.nodes).toHaveLength(1);
    expect(cluster?.api?.port).toBe(5000);
  });
});
