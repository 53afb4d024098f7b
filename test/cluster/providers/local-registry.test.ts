import { describe, expect, it } from "vitest";
import { inRegistry, registryLoader } from "../../../src/cluster/load/registry.js";
import { parseRegistry } from "../../../src/cluster/providers/local-registry.js";
import { failure, fakeEngine } from "../load/fake-nodes.js";

const signal = new AbortController().signal;

describe("localRegistryHosting.v1", () => {
  it("reads all four fields and lets new ones pass", () => {
    const text = `host: "localhost:5001"\nhostFromContainerRuntime: "registry:5000"\nhostFromClusterNetwork: "registry.local:5000"\nhelp: "https://kind.sigs.k8s.io/docs/user/local-registry/"\nnewer: 1\n`;
    expect(parseRegistry(text)).toEqual({
      host: "localhost:5001",
      hostFromContainerRuntime: "registry:5000",
      hostFromClusterNetwork: "registry.local:5000",
      help: "https://kind.sigs.k8s.io/docs/user/local-registry/",
    });
  });
  it.each(["", "host: ''", "hostFromContainerRuntime: a:5000", "[", "just text"])("%j is none", (text) => {
    expect(parseRegistry(text)).toBeUndefined();
  });
});

describe("pushing to the cluster's registry", () => {
  it.each([
    ["monitor-agent:devloop-1", "localhost:5001/monitor-agent:devloop-1"],
    ["ghcr.io/acme/web:devloop-1", "localhost:5001/ghcr.io/acme/web:devloop-1"],
    ["other:5000/web:devloop-1", "localhost:5001/other-5000/web:devloop-1"],
    ["localhost:5001/web:devloop-1", "localhost:5001/web:devloop-1"],
  ])("%s becomes %s", (ref, pushed) => {
    expect(inRegistry("localhost:5001", ref)).toBe(pushed);
  });

  it("pushes to the host's name and answers with the nodes' name", async () => {
    const calls: string[][] = [];
    const engine = fakeEngine(() => [], {
      tagImage: (id, ref) => Promise.resolve(void calls.push(["tag", id, ref])),
      pushImage: (ref) => Promise.resolve(void calls.push(["push", ref])),
    });
    const loader = registryLoader(engine, {
      host: "localhost:5001",
      hostFromContainerRuntime: "registry:5000",
    });
    const options = { signal, onProgress: () => undefined, onNote: () => undefined };
    const output = await loader.load({ ref: "web:devloop-1", imageId: "sha256:1" }, options);
    expect(calls).toEqual([
      ["tag", "sha256:1", "localhost:5001/web:devloop-1"],
      ["push", "localhost:5001/web:devloop-1"],
    ]);
    expect(output).toMatchObject({ ref: "registry:5000/web:devloop-1", nodes: [] });
  });

  it("says which registry failed and where it was advertised", async () => {
    const engine = fakeEngine(() => [], {
      tagImage: () => Promise.resolve(),
      pushImage: () => Promise.reject(new Error("connection refused")),
    });
    const options = { signal, onProgress: () => undefined, onNote: () => undefined };
    const loader = registryLoader(engine, { host: "localhost:5001" });
    expect(await failure(() => loader.load({ ref: "web:1", imageId: "sha256:1" }, options))).toMatchObject({
      code: "LOAD_FAILED",
      message: "could not push localhost:5001/web:1: connection refused",
      hint: expect.stringContaining("local-registry-hosting"),
    });
  });
});
