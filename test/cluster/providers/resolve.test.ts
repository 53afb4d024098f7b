import { KubeConfig } from "@kubernetes/client-node";
import { describe, expect, it } from "vitest";
import { chooseCluster, NoLocalClusterError } from "../../../src/cluster/providers/choose.js";
import type { EngineContainer } from "../../../src/engine/container-engine.js";
import type { ClusterSpec } from "../../../src/engine/project.js";
import { failure, fakeEngine, k3dNode, kindNode } from "../load/fake-nodes.js";

const signal = new AbortController().signal;

function contexts(servers: Readonly<Record<string, string>>, current?: string): KubeConfig {
  const names = Object.keys(servers);
  const config = new KubeConfig();
  config.loadFromOptions({
    clusters: names.map((name) => ({ name, server: servers[name], skipTLSVerify: false })),
    users: names.map((name) => ({ name })),
    contexts: names.map((name) => ({ name, cluster: name, user: name })),
    currentContext: current ?? names[0] ?? "",
  });
  return config;
}

async function choose(
  spec: Partial<ClusterSpec>,
  config: KubeConfig,
  containers: readonly EngineContainer[] | "no engine",
): Promise<{ readonly context: string; readonly notes: readonly string[]; readonly nodes: number }> {
  const notes: string[] = [];
  const engine = containers === "no engine" ? undefined : fakeEngine(() => containers);
  const full: ClusterSpec = { provider: "auto", create: false, allow: [], ...spec };
  const onNote = (note: string): void => void notes.push(note);
  const { context, local } = await chooseCluster(full, config, { engine, env: {}, signal, onNote });
  return { context, notes, nodes: local?.nodes.length ?? 0 };
}

const local = "https://127.0.0.1:40001";
const stopped = { running: false, ports: {} };

describe("auto", () => {
  it("takes the current context when it is local", async () => {
    const config = contexts({ "kind-dev": local, "k3d-dev": local });
    expect(await choose({}, config, [kindNode("dev"), k3dNode("dev")])).toEqual({
      context: "kind-dev",
      notes: [],
      nodes: 1,
    });
  });

  it("takes the only cluster that runs when the current context is somewhere else, and says so", async () => {
    const config = contexts({ production: "https://203.0.113.7" });
    const found = await choose({}, config, [k3dNode("dev"), kindNode("old", "control-plane", stopped)]);
    expect(found.context).toBe("k3d-dev");
    expect(found.notes).toEqual([expect.stringContaining("the current context is production")]);
  });

  it("needs no kubeconfig at all", async () => {
    expect((await choose({}, contexts({}), [kindNode("dev")])).context).toBe("kind-dev");
  });

  it("takes a current context that is allowed by name", async () => {
    const config = contexts({ staging: "https://203.0.113.7" });
    expect((await choose({ allow: ["staging"] }, config, [kindNode("dev")])).context).toBe("staging");
  });

  it("refuses to choose between two", async () => {
    expect(await failure(() => choose({}, contexts({}), [kindNode("a"), k3dNode("b")]))).toMatchObject({
      code: "CLUSTER_NOT_FOUND",
      message: "2 local clusters run: k3d-b, kind-a",
      hint: "name one in devloop.yaml, as in cluster: {provider: k3d, name: b}",
    });
  });

  it("takes the one that is named", async () => {
    expect((await choose({ name: "a" }, contexts({}), [kindNode("a"), k3dNode("b")])).context).toBe("kind-a");
  });

  it("says how to start the only cluster there is when it is stopped", async () => {
    const nodes = [kindNode("dev", "control-plane", stopped), kindNode("dev", "worker", stopped)];
    expect(await failure(() => choose({}, contexts({ "kind-dev": local }), nodes))).toMatchObject({
      code: "CLUSTER_NOT_FOUND",
      message: "kind cluster dev is stopped",
      hint: "docker start dev-control-plane dev-worker",
    });
  });

  it("says how to make one where there is none, and that the engine may do instead", async () => {
    const found = await failure(() => choose({}, contexts({}), []));
    expect(found).toBeInstanceOf(NoLocalClusterError);
    // Whoever names one means it, be it by a context that is not there any more.
    const meant: readonly [Partial<ClusterSpec>, KubeConfig][] = [
      [{ name: "dev" }, contexts({})],
      [{ allow: ["staging"] }, contexts({})],
      [{}, contexts({}, "staging")],
    ];
    for (const [spec, config] of meant) {
      const error = await failure(() => choose(spec, config, []));
      expect(error).toMatchObject({ code: "CLUSTER_NOT_FOUND" });
      expect(error).not.toBeInstanceOf(NoLocalClusterError);
    }
    expect(found).toMatchObject({
      code: "CLUSTER_NOT_FOUND",
      message: expect.stringContaining("no kind or k3d cluster is on unix:///var/run/docker.sock"),
      hint: expect.stringContaining("kind create cluster --name devloop"),
    });
  });

  it("says that the engine is missing where it is", async () => {
    expect(await failure(() => choose({}, contexts({}), "no engine"))).toMatchObject({
      code: "CLUSTER_NOT_FOUND",
      message: expect.stringContaining("no container engine answers"),
    });
  });
});

describe("contexts that are not local", () => {
  it("are refused with the line that allows them", async () => {
    const config = contexts({ "kind-prod": "https://203.0.113.7:6443" });
    for (const spec of [{}, { provider: "context" as const }, { context: "kind-prod" }]) {
      expect(await failure(() => choose(spec, config, []))).toMatchObject({
        code: "CLUSTER_NOT_ALLOWED",
        message: expect.stringContaining("context kind-prod (https://203.0.113.7:6443) is refused"),
        hint: expect.stringContaining("cluster: {allow: [kind-prod]}"),
      });
    }
  });

  it("with YAML's own characters in their names are quoted in that line", async () => {
    const name = "arn:aws:eks:eu-west-1:123:cluster/prod";
    expect(await failure(() => choose({}, contexts({ [name]: "https://x.example.com" }), []))).toMatchObject({
      hint: expect.stringContaining(`cluster: {allow: ["${name}"]}`),
    });
  });

  it("are taken when allowed by their exact name", async () => {
    const config = contexts({ staging: "https://203.0.113.7" });
    expect((await choose({ provider: "context", allow: ["staging"] }, config, [])).context).toBe("staging");
    await expect(choose({ provider: "context", allow: ["stag"] }, config, [])).rejects.toThrow("is refused");
  });

  it("that do not exist are answered with those that do", async () => {
    const config = contexts({ a: local, b: local });
    expect(await failure(() => choose({ provider: "context", context: "c" }, config, []))).toMatchObject({
      code: "CLUSTER_NOT_FOUND",
      message: expect.stringContaining("there is no context c in"),
      hint: expect.stringContaining("a, b"),
    });
  });
});

describe("kind and k3d", () => {
  it("take the named cluster, else the only one, else the current context's", async () => {
    const both = [kindNode("a"), kindNode("b")];
    expect((await choose({ provider: "kind", name: "b" }, contexts({}), both)).context).toBe("kind-b");
    expect((await choose({ provider: "k3d" }, contexts({}), [...both, k3dNode("c")])).context).toBe("k3d-c");
    expect((await choose({ provider: "kind" }, contexts({ "kind-b": local }), both)).context).toBe("kind-b");
    await expect(choose({ provider: "kind" }, contexts({}), both)).rejects.toThrow(
      "2 kind clusters could be meant",
    );
  });

  it("name those that are there when the named one is not", async () => {
    expect(
      await failure(() => choose({ provider: "k3d", name: "x" }, contexts({}), [k3dNode("c")])),
    ).toMatchObject({
      message: "no k3d cluster is named x (there are: c)",
      hint: expect.stringContaining("k3d cluster create x"),
    });
  });

  it("need the engine", async () => {
    expect(await failure(() => choose({ provider: "kind" }, contexts({}), "no engine"))).toMatchObject({
      code: "ENGINE_UNREACHABLE",
    });
  });
});
