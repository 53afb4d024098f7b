import { join } from "node:path";
import { homedir, tmpdir } from "node:os";
import { PassThrough } from "node:stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { WorkOptions } from "../../../src/engine/target.js";
import { checkIdentity } from "../../../src/cluster/providers/identity.js";
import { containerdName } from "../../../src/cluster/load/containerd.js";
import { nodeLoader } from "../../../src/cluster/load/nodes.js";
import { findLocalClusters, type LocalCluster } from "../../../src/cluster/providers/nodes.js";
import { resolveCluster } from "../../../src/cluster/providers/resolve.js";
import { connectEngine } from "../../../src/docker/connect.js";
import { findEngine } from "../../../src/docker/endpoint.js";
import { runTool } from "../../../src/lib/run-tool.js";
import { failure } from "../load/fake-nodes.js";

const { signal } = new AbortController();
const { engine } = connectEngine(findEngine(process.env, { home: homedir() }));
const clusters = await findLocalClusters(engine, { signal }).catch((): readonly LocalCluster[] => []);
const real = clusters.find(({ api, stopped }) => api && stopped.length === 0);
const options: WorkOptions = { signal, onProgress: () => undefined, onNote: () => undefined };
const base = await engine.image("busybox:1", { signal }).catch(() => undefined);
const available = real !== undefined && base !== undefined;

const docker = async (...args: string[]): Promise<string> =>
  (await runTool("docker", args, { signal })).trim();

describe.skipIf(!available && !process.env["CI"])("a real local cluster", () => {
  const cluster = real!;
  const node = real?.nodes[0]?.name ?? "";
  const ref = `devloop-load-test:${process.pid}`;
  let imageId = "";

  beforeAll(async () => {
    // An image of its own, so that no node can have it: busybox with a label.
    const container = await docker("create", "busybox:1");
    imageId = await docker("commit", "--change", `LABEL made=${process.pid}`, container, ref);
    await docker("rm", container);
  });
  afterAll(async () => {
    await docker("rmi", ref);
    for (const name of [containerdName(ref), imageId]) {
      await engine.exec(node, ["ctr", "--namespace", "k8s.io", "images", "rm", name], { signal });
    }
  });

  it("is found without any kubeconfig: it is read out of the node", async () => {
    const spec = { provider: cluster.provider, name: cluster.name, create: false, allow: [] };
    const found = await resolveCluster(spec, {
      engine,
      env: { KUBECONFIG: join(tmpdir(), `no-kubeconfig-${process.pid}`) },
      signal,
    });
    using kube = found.kube;
    expect(found.cluster).toMatchObject({
      provider: cluster.provider,
      context: `${cluster.provider}-${cluster.name}`,
      name: cluster.name,
      namespace: "default",
      uid: expect.stringMatching(/^[0-9a-f-]{36}$/),
      platform: expect.stringMatching(/^linux\//),
    });
    expect(found.nodes.map(({ name }) => name)).toContain(node);
    await checkIdentity(kube, found.cluster.uid, { signal });
    expect(await failure(() => checkIdentity(kube, "another", { signal }))).toMatchObject({
      code: "CLUSTER_CHANGED",
    });
  });

  it("gets an image into each node, verified, and the second time nothing is sent", async () => {
    const loader = nodeLoader(engine, cluster.nodes);
    const first = await loader.load({ ref, imageId }, options);
    expect(first.bytes).toBeGreaterThan(1_000_000);
    expect(first.present).toEqual([]);
    const again = await loader.load({ ref, imageId }, options);
    expect(again).toMatchObject({ bytes: 0, present: cluster.nodes.map(({ name }) => name) });
  });

  it("is not fooled by the name: another id under it does not count as there", async () => {
    const other = `sha256:${"0".repeat(64)}`;
    // The engine's image is not the one asked for either, which is what the load then says.
    expect(
      await failure(() => nodeLoader(engine, cluster.nodes).load({ ref, imageId: other }, options)),
    ).toMatchObject({
      code: "LOAD_FAILED",
      detail: expect.stringContaining(`built: ${other}`),
    });
  });

  it("fails the load when the node has another digest under the name after the import", async () => {
    const other = `sha256:${"2".repeat(64)}`;
    const lying = { ...engine, image: () => Promise.resolve({ ...base!, id: other }) };
    const error = await failure(() =>
      nodeLoader(lying, cluster.nodes).load({ ref, imageId: other }, options),
    );
    expect(error).toMatchObject({
      code: "LOAD_FAILED",
      message: expect.stringContaining("has something else under that name"),
      detail: expect.stringMatching(new RegExp(`^expected ${other}\n${node}: sha256:[0-9a-f]{64}`)),
    });
  });

  it("says what containerd says of an archive that is none", async () => {
    const broken = {
      ...engine,
      image: () => Promise.resolve({ ...base!, id: `sha256:${"1".repeat(64)}` }),
      saveImage: () => Promise.resolve(new PassThrough().end(Buffer.alloc(100_000, "not a tar"))),
    };
    const image = { ref: "devloop-load-test:broken", imageId: `sha256:${"1".repeat(64)}` };
    expect(await failure(() => nodeLoader(broken, cluster.nodes).load(image, options))).toMatchObject({
      code: "LOAD_FAILED",
      message: expect.stringMatching(/could not load devloop-load-test:broken into node .*: .*ctr: /),
    });
  });
});

describe.skipIf(base === undefined && !process.env["CI"])("a node container of our own", () => {
  const name = `devloop-fake-node-${process.pid}`;
  const node = { name, role: "control-plane", running: true } as const;
  const image = { ref: "busybox:1", imageId: base?.id ?? "" };
  const load = (): Promise<unknown> => nodeLoader(engine, [node]).load(image, options);

  beforeAll(async () => {
    const labels = [`io.x-k8s.kind.cluster=${name}`, "io.x-k8s.kind.role=control-plane"];
    const flags = labels.flatMap((label) => ["--label", label]);
    await docker("run", "--detach", "--name", name, ...flags, "busybox:1", "sleep", "600");
  });
  afterAll(async () => {
    await docker("rm", "--force", name);
  });

  it("without containerd is named with what its shell says", async () => {
    expect(await failure(load)).toMatchObject({
      code: "NODE_UNREACHABLE",
      message: expect.stringContaining(`into node ${name}: `),
      hint: `docker restart ${name}`,
    });
  });

  it("that is paused is named, with the command that wakes it", async () => {
    await docker("pause", name);
    const error = await failure(load);
    await docker("unpause", name);
    expect(error).toMatchObject({
      code: "NODE_UNREACHABLE",
      message: `could not load busybox:1 into node ${name}: its container is paused`,
      hint: `docker unpause ${name}`,
    });
  });

  it("that is stopped is named, with the command that starts it", async () => {
    await docker("kill", name);
    expect(await failure(load)).toMatchObject({
      code: "NODE_UNREACHABLE",
      message: `could not load busybox:1 into node ${name}: its container is stopped`,
      hint: `docker start ${name}`,
    });
    const spec = { provider: "kind", name, create: false, allow: [] } as const;
    expect(await failure(() => resolveCluster(spec, { engine, env: {}, signal }))).toMatchObject({
      code: "CLUSTER_NOT_FOUND",
      message: `kind cluster ${name} is stopped`,
      hint: `docker start ${name}`,
    });
  });
});
