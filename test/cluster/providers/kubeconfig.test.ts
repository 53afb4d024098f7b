import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  findContext,
  nodeKubeconfig,
  pinContext,
  readKubeconfig,
} from "../../../src/cluster/providers/kubeconfig.js";
import { nodeAccess } from "../../../src/cluster/providers/local.js";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "devloop-kubeconfig-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

/** A kubeconfig of one context. */
export function kubeconfig(name: string, server: string, current = name): string {
  return `apiVersion: v1
kind: Config
clusters: [{name: ${name}, cluster: {server: "${server}"}}]
users: [{name: ${name}, user: {token: "token-of-${server}"}}]
contexts: [{name: ${name}, context: {cluster: ${name}, user: ${name}}}]
current-context: "${current}"
`;
}

async function file(name: string, text: string): Promise<string> {
  await writeFile(join(folder, name), text);
  return join(folder, name);
}

describe("reading the kubeconfig", () => {
  it("merges the files of KUBECONFIG as kubectl does: the first of a name wins, missing files count as empty", async () => {
    const first = await file("a", kubeconfig("dev", "https://127.0.0.1:1"));
    const second = await file("b", kubeconfig("dev", "https://127.0.0.1:2", "ignored"));
    const third = await file("c", kubeconfig("other", "https://127.0.0.1:3"));
    const config = readKubeconfig({ KUBECONFIG: [first, join(folder, "none"), second, third].join(":") });
    expect(config.currentContext).toBe("dev");
    expect(findContext(config, "dev")?.server).toBe("https://127.0.0.1:1");
    expect(findContext(config, "other")?.server).toBe("https://127.0.0.1:3");
  });

  it("keeps its copy when the file is edited afterwards", async () => {
    const path = await file("a", kubeconfig("dev", "https://127.0.0.1:1"));
    const pinned = pinContext(readKubeconfig({ KUBECONFIG: path }), "dev");
    await writeFile(path, kubeconfig("dev", "https://203.0.113.7:1"));
    expect(pinned.getCurrentCluster()?.server).toBe("https://127.0.0.1:1");
    expect(pinned.getCurrentUser()?.token).toBe("token-of-https://127.0.0.1:1");
  });

  it("is empty where there is no file at all", () => {
    const config = readKubeconfig({ HOME: folder });
    expect([config.currentContext, config.contexts]).toEqual(["", []]);
  });

  it("names the file that cannot be parsed", async () => {
    const path = await file("broken", "clusters: [\n");
    expect(() => readKubeconfig({ KUBECONFIG: path })).toThrow(`the kubeconfig ${path} cannot be read`);
  });

  it("has no context whose cluster is missing", async () => {
    const path = await file(
      "half",
      "contexts: [{name: a, context: {cluster: gone, user: a}}]\ncurrent-context: a\n",
    );
    expect(findContext(readKubeconfig({ KUBECONFIG: path }), "a")).toBeUndefined();
  });
});

describe("a node's own kubeconfig", () => {
  it("gets the published address and the context's name, and keeps its credentials", () => {
    const access = nodeAccess("kind-dev", { host: "0.0.0.0", port: 40_001 }, "unix:///var/run/docker.sock");
    const config = nodeKubeconfig(kubeconfig("kubernetes-admin", "https://dev-control-plane:6443"), access);
    expect(config.currentContext).toBe("kind-dev");
    expect(config.getCurrentCluster()?.server).toBe("https://127.0.0.1:40001");
    expect(config.getCurrentUser()?.token).toBe("token-of-https://dev-control-plane:6443");
  });

  it("leads to a remote engine's machine, with a name that the certificate has", () => {
    expect(nodeAccess("k3d-dev", { host: "::", port: 6443 }, "tcp://docker:2375")).toEqual({
      context: "k3d-dev",
      server: "https://docker:6443",
      tlsServerName: "localhost",
    });
  });

  it("is refused when it is not a kubeconfig", () => {
    expect(() => nodeKubeconfig("{}", { context: "kind-dev", server: "https://127.0.0.1:1" })).toThrow(
      "the kubeconfig inside the control-plane node of kind-dev cannot be used",
    );
  });
});
