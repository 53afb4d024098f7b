import { describe, expect, it } from "vitest";
import { engineHost, locateContext } from "../../../src/cluster/providers/locality.js";
import { groupClusters } from "../../../src/cluster/providers/nodes.js";
import { isPrivateHost } from "../../../src/lib/private-host.js";
import { k3dNode, kindNode } from "../load/fake-nodes.js";

const clusters = groupClusters([kindNode("dev"), k3dNode("dev")]);
const socket = "unix:///var/run/docker.sock";

describe("whether a context is local", () => {
  it.each([
    ["kind-dev", "https://127.0.0.1:40001", "nodes"],
    ["k3d-dev", "https://0.0.0.0:40002", "nodes"],
    ["minikube", "https://192.168.49.2:8443", "product"],
    ["docker-desktop", "https://kubernetes.docker.internal:6443", "product"],
    ["rancher-desktop", "https://127.0.0.1:6443", "product"],
    ["colima", "https://127.0.0.1:6443", "product"],
    ["colima-work", "https://127.0.0.1:6443", "product"],
    ["orbstack", "https://127.0.0.1:26443", "product"],
    ["microk8s", "https://10.0.2.15:16443", "product"],
    ["k3s-default", "https://[::1]:6443", "product"],
    // Named alike, but elsewhere.
    ["kind-prod", "https://203.0.113.7:6443", "foreign"],
    ["kind-prod", "https://127.0.0.1:6443", "foreign"],
    ["kind-dev", "https://203.0.113.7:6443", "foreign"],
    ["k3d-other", "https://0.0.0.0:6443", "foreign"],
    ["minikube", "https://prod.example.com", "foreign"],
    ["docker-desktop", "https://8.8.8.8:6443", "foreign"],
    ["my-minikube", "https://127.0.0.1:8443", "foreign"],
    ["production", "https://10.0.0.1:6443", "foreign"],
    ["minikube", "not a url", "foreign"],
  ])("%s at %s is %s", (context, server, kind) => {
    expect(locateContext({ context, server }, clusters, socket).kind).toBe(kind);
  });

  it("takes a remote engine's own host for near, and no other", () => {
    const remote = "tcp://docker:2376";
    expect(locateContext({ context: "kind-dev", server: "https://docker:6443" }, clusters, remote).kind).toBe(
      "nodes",
    );
    expect(locateContext({ context: "kind-dev", server: "https://docker:6443" }, clusters, socket).kind).toBe(
      "foreign",
    );
    expect(engineHost("ssh://me@box")).toBe("box");
  });

  it("says that no engine answers where that is why", () => {
    const found = locateContext({ context: "kind-dev", server: "https://127.0.0.1:1" }, [], undefined);
    expect(found).toMatchObject({
      kind: "foreign",
      reason: expect.stringContaining("no container engine answers"),
    });
  });
});

describe("private hosts", () => {
  it.each([
    "localhost",
    "a.localhost",
    "127.9.9.9",
    "10.1.2.3",
    "172.31.255.255",
    "192.168.0.1",
    "[::1]",
    "fd00::1",
  ])("%s is private", (host) => {
    expect(isPrivateHost(host)).toBe(true);
  });
  it.each([
    "8.8.8.8",
    "172.32.0.1",
    "192.169.0.1",
    "100.64.0.1",
    "localhost.example.com",
    "2001:db8::1",
    "prod",
    "",
  ])("%s is not", (host) => {
    expect(isPrivateHost(host)).toBe(false);
  });
});
