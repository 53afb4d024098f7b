import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LayerMemory } from "../../../src/cluster/load/delta.js";
import { nodeLoader } from "../../../src/cluster/load/nodes.js";
import { readContent, readListing } from "../../../src/cluster/load/containerd.js";
import type { ImageLoader } from "../../../src/cluster/load/loader.js";
import { findLocalClusters, type LocalCluster } from "../../../src/cluster/providers/nodes.js";
import type { PushedLayer } from "../../../src/cluster/load/push-endpoint.js";
import { connectEngine } from "../../../src/docker/connect.js";
import { findEngine } from "../../../src/docker/endpoint.js";
import { runTool } from "../../../src/lib/run-tool.js";

const { signal } = new AbortController();
const { engine } = connectEngine(findEngine(process.env, { home: homedir() }));
const clusters = await findLocalClusters(engine, { signal }).catch((): readonly LocalCluster[] => []);
const real = clusters.find(({ api, stopped }) => api && stopped.length === 0);
const base = await engine.image("busybox:1", { signal }).catch(() => undefined);
const available = real !== undefined && base !== undefined;

describe.skipIf(!available && !process.env["CI"])("loading only new layers", () => {
  const nodes = real?.nodes ?? [];
  const node = nodes[0]?.name ?? "";
  const name = `devloop-delta-test-${process.pid}`;
  const stored: PushedLayer[] = [];
  const memory: LayerMemory = {
    read: () => Promise.resolve([...stored]),
    write: (layers) => Promise.resolve(void stored.splice(0, stored.length, ...layers)),
  };
  const made = new Map<string, string>();
  const notes: string[] = [];
  const messages: string[] = [];
  let directory = "";
  let loader: ImageLoader;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "devloop-delta-"));
    loader = nodeLoader(engine, nodes, memory);
  });
  afterAll(async () => {
    await loader[Symbol.asyncDispose]();
    for (const [ref, id] of made) {
      await runTool("docker", ["rmi", "--force", ref], { signal });
      await inNode("images", "rm", `docker.io/library/${ref}`, id);
    }
    await rm(directory, { recursive: true });
  });

  const inNode = async (...args: string[]): Promise<string> => {
    const { stdout } = await engine.exec(node, ["ctr", "--namespace", "k8s.io", ...args], { signal });
    return stdout;
  };

  /** busybox, a layer of 8 MB that stays, and what a build adds. */
  async function build(tag: string, steps: readonly string[]): Promise<{ ref: string; imageId: string }> {
    const ref = `${name}:${tag}`;
    const file = [
      "FROM busybox:1",
      `RUN dd if=/dev/urandom of=/big bs=1M count=8 && echo ${process.pid} > /base`,
      ...steps,
    ];
    await writeFile(join(directory, "Dockerfile"), file.join("\n"));
    await runTool("docker", ["build", "--quiet", "--tag", ref, directory], { signal });
    const imageId = (await engine.image(ref, { signal }))?.id ?? "";
    made.set(ref, imageId);
    return { ref, imageId };
  }

  const load = (image: { ref: string; imageId: string }): ReturnType<ImageLoader["load"]> =>
    loader.load(image, {
      signal,
      onProgress: ({ message }) => void messages.push(message),
      onNote: (note) => void notes.push(note),
    });

  async function learned({ imageId }: { imageId: string }): Promise<void> {
    const layers = (await engine.image(imageId, { signal }))?.layers ?? [];
    await expect
      .poll(() => layers.every((layer) => stored.some(({ digest }) => digest === layer)), { timeout: 60_000 })
      .toBe(true);
  }

  it("begins with the whole image, and learns its layers meanwhile", async () => {
    const first = await build("0", ["RUN echo 0 > /version"]);
    expect((await load(first)).bytes).toBeGreaterThan(8_000_000 * nodes.length);
    await learned(first);
    expect((await engine.image(first.ref, { signal }))?.tags).toEqual([first.ref]);
    expect(notes).toEqual([]);
  });

  const changes = [
    ["RUN echo 1 > /version"],
    ["RUN rm /base"],
    ["RUN echo 3 > /version", "RUN echo 3 > /more"],
    ["RUN mkdir -p /etc/app && echo 4 > /etc/app/version && ln -s /etc/app/version /link"],
    ["ENV VERSION=5"],
    ["RUN mkdir /home && echo 6 > /home/a", "RUN rm -r /home && mkdir /home && echo 6 > /home/b"],
    ["RUN dd if=/dev/urandom of=/medium bs=1k count=700"],
    ["WORKDIR /work", "RUN echo 8 > here", "RUN rm here", "RUN echo 88 > there"],
    ["RUN true"],
    ["RUN echo last > /version", "RUN rm /base", "WORKDIR /work"],
  ];
  it("sends no more than what each build adds", async () => {
    for (const [index, steps] of changes.entries()) {
      const image = await build(`${index + 1}`, steps);
      messages.length = 0;
      const { bytes, present } = await load(image);
      expect(present).toEqual([]);
      expect(notes).toEqual([]);
      expect(bytes, steps.join(" ")).toBeLessThan(1_000_000 * nodes.length);
      expect(messages).toContainEqual(
        expect.stringMatching(/^sending (no|\d) new layers?( \(.*\))? to \d node/),
      );
      expect((await readListing(engine, node, image, { signal })).has(image.imageId)).toBe(true);
    }
    const ref = `docker.io/library/${name}:${changes.length}`;
    const script = "cat /version; ls /base 2>&1; pwd; wc -c < /big";
    const ran = await inNode("run", "--rm", ref, `delta-${process.pid}`, "sh", "-c", script);
    expect(ran.trim().split("\n")).toEqual([
      "last",
      "ls: /base: No such file or directory",
      "/work",
      String(8 << 20),
    ]);
  });

  it("does so from the first load on when an earlier session has learned", async () => {
    await loader[Symbol.asyncDispose]();
    loader = nodeLoader(engine, nodes, memory);
    const image = await build("next", ["RUN echo next > /version"]);
    expect((await load(image)).bytes).toBeLessThan(100_000 * nodes.length);
    expect(notes).toEqual([]);
  });

  it("sends what the node has lost again with the new layers", async () => {
    const image = await build("lost", ["RUN echo lost > /version"]);
    const lost = (await engine.image(image.ref, { signal }))?.layers.at(-2) ?? "";
    await inNode("content", "rm", lost);
    expect((await load(image)).bytes).toBeGreaterThan(8_000_000 * nodes.length);
    expect((await readContent(engine, node, { signal })).has(lost)).toBe(true);
    expect((await readListing(engine, node, image, { signal })).has(image.imageId)).toBe(true);
  });

  it("sends the whole image, and says why, when a node loses a layer after it was asked", async () => {
    const image = await build("losing", ["RUN echo losing > /version"]);
    const lost = (await engine.image(image.ref, { signal }))?.layers.at(-1) ?? "";
    // Nodes that say that they have the newest layer, and do not when the image comes.
    const losing: typeof engine = {
      ...engine,
      async exec(container, argv, options) {
        const result = await engine.exec(container, argv, options);
        return argv[2]?.includes("content ls") ? { ...result, stdout: `${result.stdout}${lost}\n` } : result;
      },
    };
    stored.push({ compressed: `sha256:${"0".repeat(64)}`, digest: lost, size: 2048 });
    await using other = nodeLoader(losing, nodes, memory);
    const said: string[] = [];
    const { bytes } = await other.load(image, {
      signal,
      onProgress: () => undefined,
      onNote: (note) => void said.push(note),
    });
    expect(said).toEqual([expect.stringMatching(/is sent whole, not only its new layers: .*not found/)]);
    expect(bytes).toBeGreaterThan(8_000_000 * nodes.length);
    expect((await readContent(engine, node, { signal })).has(lost)).toBe(true);
    expect((await readListing(engine, node, image, { signal })).has(image.imageId)).toBe(true);
  });

  it("sends the whole image, and says why, when the push fails", async () => {
    const image = await build("refused", ["RUN echo refused > /version"]);
    const refusing = { ...engine, pushImage: () => Promise.reject(new Error("no route to host")) };
    await using other = nodeLoader(refusing, nodes, memory);
    const said: string[] = [];
    const { bytes } = await other.load(image, {
      signal,
      onProgress: () => undefined,
      onNote: (note) => void said.push(note),
    });
    expect(bytes).toBeGreaterThan(8_000_000 * nodes.length);
    expect(said).toEqual([`${image.ref} is sent whole, not only its new layers: no route to host`]);
    expect((await engine.image(image.ref, { signal }))?.tags).toEqual([image.ref]);
  });
});
