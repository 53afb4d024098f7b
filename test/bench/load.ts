import { homedir } from "node:os";
import type { LoadImage } from "../../src/engine/target.js";
import { containerdName, parseListing } from "../../src/cluster/load/containerd.js";
import type { LayerMemory } from "../../src/cluster/load/known-layers.js";
import type { PushedLayer } from "../../src/cluster/load/layer-reader.js";
import { nodeLoader } from "../../src/cluster/load/nodes.js";
import { findLocalClusters, type LocalCluster } from "../../src/cluster/providers/nodes.js";
import { connectEngine } from "../../src/docker/connect.js";
import { findEngine } from "../../src/docker/endpoint.js";
import { runTool } from "../../src/lib/run-tool.js";
import type { TestCluster } from "../e2e/clusters.js";
import { formatTable, median, type Row } from "./measure.js";
import { randomImage } from "./random-image.js";

/** How often: a load of 800 MB by the cluster's own tool takes half a minute. */
const sizes = [
  { megabytes: 20, first: 3, changed: 5, changedByTool: 3 },
  { megabytes: 200, first: 2, changed: 5, changedByTool: 2 },
  { megabytes: 800, first: 2, changed: 5, changedByTool: 1 },
] as const;
type Size = (typeof sizes)[number];

const { engine } = connectEngine(findEngine(process.env, { home: homedir() }));

/** Loading images of three sizes, all of them and with one small layer new, beside the cluster's own tool. */
export async function load(cluster: TestCluster): Promise<readonly string[]> {
  const stop = new AbortController();
  const interrupt = (): void => {
    stop.abort(new Error("interrupted"));
  };
  process.once("SIGINT", interrupt).once("SIGTERM", interrupt);
  try {
    const local = (await findLocalClusters(engine, stop)).find(({ nodes }) =>
      nodes.some(({ name }) => name === cluster.node),
    );
    if (!local) return ["load: the cluster's nodes are not this engine's containers"];
    const found: Found[] = [];
    for (const size of sizes) {
      await using bench = new LoadBench(local, size, stop.signal);
      found.push(await bench.measure());
    }
    return [...found.map((one) => formatTable(`loading ${one.megabytes} MB`, rows(one))), conclusion(found)];
  } finally {
    process.off("SIGINT", interrupt).off("SIGTERM", interrupt);
  }
}

/** All in ms. */
interface Found {
  readonly megabytes: number;
  readonly tool: string;
  readonly first: readonly number[];
  readonly firstByTool: readonly number[];
  readonly changed: readonly number[];
  readonly changedByTool: readonly number[];
  /** What `kind load` asks of a node before it begins, which depends on how many images that has. */
  readonly asking: number;
  /** From the end of the first load until the next one can be of new layers only. */
  readonly learned: number;
}

/** Loads of one image and of what is made from it. Disposing removes all of them from the engine and from the nodes. */
class LoadBench implements AsyncDisposable {
  readonly #name: string;
  readonly #made = new Set<string>();
  readonly #layers = new Set<string>();
  readonly #memory: LayerMemory = {
    read: () => Promise.resolve([]),
    write: (layers: readonly PushedLayer[]) => {
      for (const { digest } of layers) this.#layers.add(digest);
      return Promise.resolve();
    },
  };

  constructor(
    private readonly cluster: LocalCluster,
    private readonly size: Size,
    readonly signal: AbortSignal,
  ) {
    this.#name = `devloop-bench-load-${size.megabytes}:${process.pid}`;
  }

  async measure(): Promise<Found> {
    const { size, signal } = this;
    const base = await this.#base();
    const [first, firstByTool, changed, changedByTool]: number[][] = [[], [], [], []];
    for (let time = 0; time < size.first; time++) {
      {
        await using loader = nodeLoader(engine, this.cluster.nodes);
        first!.push(await timed(() => loader.load(base, quiet(signal))));
      }
      await this.#removeFromNodes(base.ref);
      await this.#byTool(base, firstByTool!);
      await this.#removeFromNodes(base.ref);
    }
    await using loader = nodeLoader(engine, this.cluster.nodes, this.#memory);
    await loader.load(base, quiet(signal));
    const learned = await timed(() => this.#learned(base));
    for (let time = 0; time < size.changed; time++) {
      const image = await this.#changed(`${time}`);
      changed!.push(await timed(() => loader.load(image, quiet(signal))));
    }
    for (let time = 0; time < size.changedByTool; time++) {
      await this.#byTool(await this.#changed(`tool-${time}`), changedByTool!);
    }
    const asking = await timed(() =>
      engine.exec(this.cluster.nodes[0]!.name, ["crictl", "inspecti", base.ref], { signal: this.signal }),
    );
    const [tool] = this.#command(base.ref);
    return {
      megabytes: size.megabytes,
      tool: tool === "kind" ? "kind load" : "k3d image import",
      first: first!,
      firstByTool: firstByTool!,
      changed: changed!,
      changedByTool: changedByTool!,
      // Once by the image's id, once by its name.
      asking: tool === "kind" ? 2 * asking : 0,
      learned,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const ref of [...this.#made].reverse()) {
      await this.#removeFromNodes(ref);
      await runTool("docker", ["rmi", "--force", ref], unlimited).catch(() => undefined);
    }
  }

  async #base(): Promise<LoadImage> {
    this.#made.add(this.#name);
    await randomImage(this.#name, this.size.megabytes * 1_000_000, this.signal);
    return await this.#image(this.#name);
  }

  /** The image with one small layer more, made without a build: nothing stays in the build cache. */
  async #changed(what: string): Promise<LoadImage> {
    const { signal } = this;
    const ref = `${this.#name}-${what}`;
    this.#made.add(ref);
    const id = (await runTool("docker", ["create", this.#name, "none"], { signal })).trim();
    try {
      await runTool("docker", ["cp", new URL(import.meta.url).pathname, `${id}:/changed-${what}`], {
        signal,
      });
      await runTool("docker", ["commit", id, ref], { signal });
    } finally {
      await runTool("docker", ["rm", id], unlimited);
    }
    return await this.#image(ref);
  }

  async #image(ref: string): Promise<LoadImage> {
    return { ref, imageId: (await engine.image(ref, { signal: this.signal }))?.id ?? "" };
  }

  async #byTool(image: LoadImage, times: number[]): Promise<void> {
    const [file, ...args] = this.#command(image.ref);
    try {
      times.push(await timed(() => runTool(file!, args, { signal: this.signal })));
    } catch {
      this.signal.throwIfAborted();
      // Not installed: nothing to compare with.
    }
  }

  #command(ref: string): readonly string[] {
    const { provider, name } = this.cluster;
    return provider === "kind"
      ? ["kind", "load", "docker-image", ref, "--name", name]
      : ["k3d", "image", "import", ref, "-c", name];
  }

  /** Resolves once all layers are known; with the containerd image store there is nothing to learn. */
  async #learned(base: LoadImage): Promise<void> {
    if ((await engine.imageStore({ signal: this.signal })) === "containerd") return;
    const layers = (await engine.image(base.ref, { signal: this.signal }))?.layers ?? [];
    while (!layers.every((layer) => this.#layers.has(layer))) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      this.signal.throwIfAborted();
    }
  }

  /** All names that lead to what this one leads to, and at once what no other image needs. */
  async #removeFromNodes(ref: string): Promise<void> {
    for (const { name: node } of this.cluster.nodes) {
      const ctr = (...args: readonly string[]) =>
        engine.exec(node, ["sh", "-c", inNode, "sh", ...args], unlimited);
      const listing = parseListing((await ctr("images", "ls")).stdout);
      const target = listing.get(containerdName(ref));
      const names = [...listing].flatMap(([name, digest]) => (digest === target ? [name] : []));
      if (names.length > 0) await ctr("images", "rm", "--sync", ...names);
    }
  }
}

const unlimited = { signal: new AbortController().signal };
/** containerd's client in a node, of kind's or of k3d's. */
const inNode = `
socket=/run/k3s/containerd/containerd.sock
[ -S $socket ] && export CONTAINERD_ADDRESS=$socket
if command -v ctr >/dev/null; then ctr --namespace k8s.io "$@"; else k3s ctr --namespace k8s.io "$@"; fi`;

function quiet(signal: AbortSignal) {
  return {
    signal,
    onProgress: () => undefined,
    onNote: (note: string) => {
      console.log(`  ${note}`);
    },
  };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

function rows(found: Found): readonly Row[] {
  const beside = (values: readonly number[]): Pick<Row, "beside"> =>
    values.length > 0 ? { beside: { tool: found.tool, values } } : {};
  return [
    { what: "all of it", values: found.first, unit: "ms", target: "no slower", ...beside(found.firstByTool) },
    { what: "one small layer new", values: found.changed, unit: "ms", ...beside(found.changedByTool) },
    { what: "learning its layers, in the background", values: [found.learned], unit: "ms" },
  ];
}

function conclusion(found: readonly Found[]): string {
  const [small, large] = [found[0]!, found.at(-1)!];
  const byTool = median(large.changedByTool);
  const times = (ms: number, than: readonly number[]): string => (ms / median(than)).toFixed(1);
  return [
    `one small layer new, ${large.megabytes} MB`,
    `  ${times(byTool, large.changed)} times faster than ${large.tool} (target: 40)`,
    `  ${times(byTool - large.asking, large.changed)} times without what ${large.tool} asks the node first (${Math.round(large.asking)} ms here)`,
    `  ${times(median(large.changed), small.changed)} times its ${small.megabytes} MB time (target: at most 1.5)`,
  ].join("\n");
}
