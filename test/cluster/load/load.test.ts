import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { describe, expect, it } from "vitest";
import { imageLoader, noLoader } from "../../../src/cluster/load/choose.js";
import { containerdName, parseListing } from "../../../src/cluster/load/containerd.js";
import { nodeLoader } from "../../../src/cluster/load/nodes.js";
import type { ContainerEngine, ExecOptions, ExecResult } from "../../../src/engine/container-engine.js";
import type { TaskProgress } from "../../../src/engine/task.js";
import { DevloopError } from "../../../src/lib/errors.js";
import { failure, fakeEngine, kindNode } from "./fake-nodes.js";

const signal = new AbortController().signal;
const id = `sha256:${"a".repeat(64)}`;
const manifest = `sha256:${"b".repeat(64)}`;
const image = { ref: "web:devloop-1", imageId: id };
const name = "docker.io/library/web:devloop-1";

/** A node's containerd as far as a load sees it. */
class FakeNode {
  images = new Map<string, string>();
  contents = new Map<string, unknown>();
  received: Buffer[] = [];
  questions = 0;
  /** What an import does; the default takes the image in as Kubernetes would list it. */
  onImport = (): ExecResult => {
    this.images.set(name, manifest).set(id, manifest);
    return { exitCode: 0, stdout: this.table(), stderr: "" };
  };
  table(): string {
    const rows = [...this.images].map(
      ([ref, digest]) => `${ref} application/manifest ${digest} 3.9 MiB linux/amd64 -`,
    );
    return ["REF TYPE DIGEST SIZE PLATFORMS LABELS", ...rows].join("\n");
  }
  async exec(argv: readonly string[], { stdin }: ExecOptions): Promise<ExecResult> {
    const script = argv[2] ?? "";
    if (stdin) {
      this.received.push(await buffer(stdin));
      return this.onImport();
    }
    if (script.includes("content get")) {
      const documents = argv.slice(4).map((digest) => JSON.stringify(this.contents.get(digest)) + "\x1e");
      return { exitCode: 0, stdout: documents.join(""), stderr: "" };
    }
    this.questions += 1;
    return { exitCode: 0, stdout: this.table(), stderr: "" };
  }
}

const archive = Buffer.alloc(5_000_000, 7);

function cluster(
  nodes: Readonly<Record<string, FakeNode>>,
  parts: Partial<ContainerEngine> = {},
): {
  load: () => ReturnType<ReturnType<typeof nodeLoader>["load"]>;
  saves: () => number;
  progress: TaskProgress[];
} {
  let saves = 0;
  const progress: TaskProgress[] = [];
  const names = Object.keys(nodes);
  const engine = fakeEngine(() => names.map((node) => kindNode("dev", "control-plane", { name: node })), {
    exec: async (container, argv, options) => await nodes[container]!.exec(argv, options),
    image: () =>
      Promise.resolve({
        id,
        tags: [],
        size: archive.length,
        platform: "linux/amd64",
        digests: [],
        entrypoint: [],
        command: [],
        layers: [],
      }),
    saveImage: () => {
      saves += 1;
      return Promise.resolve(Readable.from([archive.subarray(0, 2_500_000), archive.subarray(2_500_000)]));
    },
    ...parts,
  });
  const loader = nodeLoader(
    engine,
    names.map((node) => ({ name: node, role: "control-plane", running: true })),
  );
  const options = {
    signal,
    onProgress: (one: TaskProgress) => void progress.push(one),
    onNote: () => undefined,
  };
  return { load: () => loader.load(image, options), saves: () => saves, progress };
}

describe("loading into nodes", () => {
  it("sends nothing where every node has the image, and asks each node once", async () => {
    const [a, b] = [new FakeNode(), new FakeNode()];
    for (const node of [a, b]) node.images.set(name, manifest).set(id, manifest);
    const { load, saves } = cluster({ a, b });
    expect(await load()).toEqual({
      kind: "load",
      ref: image.ref,
      nodes: ["a", "b"],
      present: ["a", "b"],
      bytes: 0,
    });
    expect([saves(), a.questions, b.questions]).toEqual([0, 1, 1]);
  });

  it("reads the image once and sends all of it to each node that lacks it", async () => {
    const [a, b, c] = [new FakeNode(), new FakeNode(), new FakeNode()];
    b.images.set(name, manifest).set(id, manifest);
    const { load, saves, progress } = cluster({ a, b, c });
    expect(await load()).toMatchObject({ nodes: ["a", "b", "c"], present: ["b"], bytes: 2 * archive.length });
    expect(saves()).toBe(1);
    expect(a.received[0]?.equals(archive)).toBe(true);
    expect(c.received[0]?.equals(archive)).toBe(true);
    expect(b.received).toEqual([]);
    expect(progress[0]).toMatchObject({
      total: archive.length,
      message: expect.stringContaining("to 2 nodes"),
    });
  });

  it("sends it again where the name leads to something else", async () => {
    const a = new FakeNode();
    a.images.set(name, `sha256:${"c".repeat(64)}`).set(id, manifest);
    expect(await cluster({ a }).load()).toMatchObject({ present: [], bytes: archive.length });
  });

  it("reads the documents where the listing does not tell: a config below an index counts", async () => {
    const a = new FakeNode();
    const index = `sha256:${"d".repeat(64)}`;
    a.images.set(name, index);
    a.contents.set(index, { manifests: [{ digest: manifest }] }).set(manifest, { config: { digest: id } });
    expect(await cluster({ a }).load()).toMatchObject({ present: ["a"], bytes: 0 });
  });

  it("takes the digest of the index itself for the id, as engines with the containerd store give it", async () => {
    const a = new FakeNode();
    a.images.set(name, id);
    expect(await cluster({ a }).load()).toMatchObject({ present: ["a"], bytes: 0 });
  });

  it("fails when the node lists another image after the import", async () => {
    const a = new FakeNode();
    const other = `sha256:${"e".repeat(64)}`;
    a.onImport = () => {
      a.images.set(name, other);
      return { exitCode: 0, stdout: a.table(), stderr: "" };
    };
    expect(await failure(() => cluster({ a }).load())).toMatchObject({
      code: "LOAD_FAILED",
      detail: `expected ${id}\na: ${other}`,
    });
  });

  it("names the node whose import failed, with containerd's words, and lets the others finish", async () => {
    const [a, b] = [new FakeNode(), new FakeNode()];
    b.onImport = () => ({ exitCode: 1, stdout: "", stderr: "ctr: content digest sha256:1: not found\n" });
    expect(await failure(() => cluster({ a, b }).load())).toMatchObject({
      code: "LOAD_FAILED",
      message:
        "could not load web:devloop-1 into node b (1 of 2 nodes): ctr: content digest sha256:1: not found",
    });
    expect(a.images.get(name)).toBe(manifest);
  });

  it("goes on with the others when a node stops reading", async () => {
    const [a, b] = [new FakeNode(), new FakeNode()];
    b.exec = (_argv, { stdin }) =>
      Promise.resolve({
        exitCode: stdin ? 1 : 0,
        stdout: b.table(),
        stderr: stdin ? "ctr: no space left on device" : "",
      });
    expect(await failure(() => cluster({ a, b }).load())).toMatchObject({
      message: expect.stringContaining("into node b (1 of 2 nodes): ctr: no space left on device"),
    });
    expect(a.received[0]?.length).toBe(archive.length);
  });

  it("says that the engine no longer has the image, or has another under its name", async () => {
    const gone = cluster({ a: new FakeNode() }, { image: () => Promise.resolve(undefined) });
    expect(await failure(gone.load)).toMatchObject({
      code: "LOAD_FAILED",
      message: "the engine at unix:///var/run/docker.sock no longer has web:devloop-1",
    });
    const other = {
      id: "sha256:2",
      tags: [],
      size: 1,
      platform: "linux/amd64",
      digests: [],
      entrypoint: [],
      command: [],
      layers: [],
    };
    const moved = cluster({ a: new FakeNode() }, { image: () => Promise.resolve(other) });
    expect(await failure(moved.load)).toMatchObject({ detail: `built: ${id}\nin the engine: sha256:2` });
  });

  it("ends the imports and says so when reading the image breaks off", async () => {
    const a = new FakeNode();
    const broken = cluster(
      { a },
      {
        exec: async (_container, argv, options) => {
          if (!options.stdin) return await a.exec(argv, options);
          return await new Promise((_resolve, reject) => {
            options.signal.addEventListener("abort", () => {
              reject(options.signal.reason as Error);
            });
          });
        },
        saveImage: () =>
          Promise.resolve(
            Readable.from(
              (async function* () {
                yield archive.subarray(0, 1000);
                await Promise.resolve();
                throw new Error("socket hang up");
              })(),
            ),
          ),
      },
    );
    expect(await failure(broken.load)).toMatchObject({
      code: "LOAD_FAILED",
      message: "reading web:devloop-1 out of unix:///var/run/docker.sock broke off: socket hang up",
    });
  });

  it.each([
    [
      "stopped",
      kindNode("dev", "control-plane", { name: "a", running: false }),
      "its container is stopped",
      "docker start a",
    ],
    ["gone", undefined, "its container is gone", "start devloop again"],
  ])("names a node that is %s, and what to do", async (_what, container, words, hint) => {
    const refuse = (): Promise<never> => Promise.reject(new Error("container is not running"));
    const engine = { ...fakeEngine(() => (container ? [container] : [])), exec: refuse };
    const loader = nodeLoader(engine, [{ name: "a", role: "control-plane", running: true }]);
    const options = { signal, onProgress: () => undefined, onNote: () => undefined };
    expect(await failure(() => loader.load(image, options))).toMatchObject({
      code: "NODE_UNREACHABLE",
      message: `could not load web:devloop-1 into node a: ${words}`,
      hint,
    });
  });

  it("tells an engine that is gone as that", async () => {
    const gone = (): Promise<never> => Promise.reject(new DevloopError("ENGINE_UNREACHABLE", "gone"));
    const engine = { ...fakeEngine(() => []), exec: gone, containers: gone };
    const loader = nodeLoader(engine, [{ name: "a", role: "control-plane", running: true }]);
    const options = { signal, onProgress: () => undefined, onNote: () => undefined };
    expect(await failure(() => loader.load(image, options))).toMatchObject({ code: "ENGINE_UNREACHABLE" });
  });
});

describe("the way images take", () => {
  it("is the registry where one is advertised, the nodes else, and none where the engine is shared", async () => {
    const pushed: string[] = [];
    const engine = fakeEngine(() => [], {
      tagImage: () => Promise.resolve(),
      pushImage: (ref) => Promise.resolve(void pushed.push(ref)),
    });
    const node = { name: "a", role: "control-plane", running: true } as const;
    const notes: string[] = [];
    const options = { signal, onProgress: () => undefined, onNote: (note: string) => void notes.push(note) };
    await imageLoader(engine, { nodes: [node], registry: { host: "localhost:5001" } }).load(image, options);
    expect(pushed).toEqual(["localhost:5001/web:devloop-1"]);
    await expect(imageLoader(engine, { nodes: [node] }).load(image, options)).rejects.toThrow("into node a");
    await imageLoader(engine, { nodes: [], runtime: "docker://27.0.0" }).load(image, options);
    expect(notes).toEqual([]);
    await noLoader("containerd://1.7.0").load(image, options);
    expect(notes).toEqual([expect.stringContaining("may not see the engine's images")]);
  });
});

describe("containerd's names", () => {
  it.each([
    ["web", "docker.io/library/web:latest"],
    ["web:1", "docker.io/library/web:1"],
    ["acme/web:1", "docker.io/acme/web:1"],
    ["docker.io/web:1", "docker.io/library/web:1"],
    ["index.docker.io/acme/web", "docker.io/acme/web:latest"],
    ["ghcr.io/acme/web:1", "ghcr.io/acme/web:1"],
    ["localhost/web:1", "localhost/web:1"],
    ["localhost:5000/web", "localhost:5000/web:latest"],
    ["registry:5000/acme/web:1", "registry:5000/acme/web:1"],
  ])("%s is %s", (ref, full) => {
    expect(containerdName(ref)).toBe(full);
  });

  it("come out of the table that ctr prints, sizes with a space in them and all", () => {
    const table = `REF  TYPE  DIGEST  SIZE  PLATFORMS  LABELS
${name} application/vnd.oci.image.manifest.v1+json ${manifest} 3.9 MiB linux/amd64 io.cri-containerd.image=managed
${id}   application/vnd.oci.image.manifest.v1+json ${manifest} 3.9 MiB linux/amd64 io.cri-containerd.image=managed
`;
    expect([...parseListing(table)]).toEqual([
      [name, manifest],
      [id, manifest],
    ]);
    expect(parseListing("REF TYPE DIGEST SIZE PLATFORMS LABELS \n").size).toBe(0);
  });
});
