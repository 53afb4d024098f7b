import { isDeepStrictEqual } from "node:util";
import type { ContainerEngine } from "../../engine/container-engine.js";
import { startDeadline } from "../../lib/deadline.js";
import { bytes as inUnits, count } from "../../lib/format.js";
import { sendArchive, type Sent } from "./archive.js";
import { readContent } from "./containerd.js";
import { imageLayout } from "./image-layout.js";
import { openPushEndpoint, type PushedLayer, type PushEndpoint, type PushRules } from "./push-endpoint.js";
import type { LoadImage, LoadOptions } from "./loader.js";
import type { NodeRef } from "../providers/nodes.js";

/** The most that new layers may be, in bytes; they are held in memory. */
const mostBytes = 256_000_000;
/** What new layers may always be, in bytes: below that the engine has compressed them in no time. */
const fewBytes = 16_000_000;
/** A tar without entries: nodes have it from any image, also when nothing was learned of it, and sending it costs nothing. */
const emptyLayer = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";
/** How long the engine may take to push new layers, and all layers of an image, in ms. */
const pushTimeoutMs = 30_000;
const learnTimeoutMs = 300_000;
const untagTimeoutMs = 10_000;
/** How many layers are remembered, the newest: some hundred bytes each. */
const keptLayers = 1000;

/** Keeps what was learned of layers for later loaders. */
export interface LayerMemory {
  read(): Promise<readonly PushedLayer[]>;
  write(layers: readonly PushedLayer[]): Promise<void>;
}

/** Sends only those layers of an image that nodes lack. */
export interface DeltaSender extends AsyncDisposable {
  /**
   * Undefined where it is not known beforehand that this will do; throws for what went another way than expected. Either way
   * the whole image has to be sent.
   */
  send(nodes: readonly NodeRef[], image: LoadImage, options: LoadOptions): Promise<Sent | undefined>;
  /** Learns an image's layers in the background. Never fails. */
  learn(image: LoadImage): void;
}

/**
 * The engine gives new layers away only with the whole image, except to a registry: that it asks for each layer first. So it
 * pushes to an endpoint of ours, which says of each layer that the nodes have that it is there. It asks by the digest of the
 * compressed layer; which layer that is can be told only from an earlier push, hence `learn`. The nodes then get an image
 * layout with the new layers alone. Works with engines on a local socket that keep images unpacked; others turn it off.
 */
export function deltaSender(engine: ContainerEngine, memory?: LayerMemory): DeltaSender {
  const life = new AbortController();
  const known = knownLayers(memory);
  const waiting = new Map<string, LoadImage>();
  let works = /^(unix|npipe):/.test(engine.address);
  let endpoint: Promise<PushEndpoint> | undefined;
  let learning: Promise<void> | undefined;
  // One push after the other to the same name.
  let turn: Promise<unknown> = Promise.resolve();

  async function send(
    nodes: readonly NodeRef[],
    image: LoadImage,
    options: LoadOptions,
  ): Promise<Sent | undefined> {
    if (!works) return undefined;
    const info = await engine.image(image.ref, options);
    if (info?.id !== image.imageId) return undefined;
    const sizes = await known.sizes();
    if (!info.layers.some((layer) => sizes.has(layer))) return undefined;
    const contents = await Promise.all(nodes.map(({ name }) => readContent(engine, name, options)));
    const isNew = (layer: string): boolean =>
      layer === emptyLayer || contents.some((content) => !content.has(layer));
    const [fresh, present] = [info.layers.filter(isNew), info.layers.filter((layer) => !isNew(layer))];
    if (present.length === 0 || present.some((layer) => !sizes.has(layer))) return undefined;
    const keepBytes = Math.min(mostBytes, Math.max(fewBytes, info.size / 4));
    const there = new Set(present);
    const compressed = await known.compressed(there);
    using limit = startDeadline(pushTimeoutMs, options.signal);
    const rules: PushRules = {
      has: (blob) => compressed.has(blob),
      wants: isNew,
      keepBytes,
      onFull: () => {
        limit.abort(new Error(`they are more than ${inUnits(keepBytes)}`));
      },
    };
    const pushed = await push("load", image, rules, limit.signal, info.layers);
    const layers = info.layers.map((digest) => {
      const content = isNew(digest) ? pushed.contents.get(digest) : undefined;
      if (isNew(digest) && !content) throw new Error("the engine did not push all of them");
      const size = content?.reduce((sum, chunk) => sum + chunk.length, 0) ?? sizes.get(digest) ?? 0;
      return { digest, size, content };
    });
    const amount = new Set(fresh).size;
    const total = [...pushed.contents.values()].flat().reduce((sum, chunk) => sum + chunk.length, 0);
    const what = amount === 0 ? "no new layer" : `${count(amount, "new layer")} (${inUnits(total)})`;
    return await sendArchive(engine, nodes, image, options, {
      archive: imageLayout({ ref: image.ref, config: pushed.config, layers }),
      message: `sending ${what} to ${count(nodes.length, "node")}`,
    });
  }

  /** Has the engine push an image here, and remembers the layers that came. Throws when it is not the image's. */
  async function push(
    path: "load" | "learn",
    image: LoadImage,
    rules: PushRules,
    signal: AbortSignal,
    layers: readonly string[],
  ): Promise<{ readonly config: Buffer; readonly contents: ReadonlyMap<string, readonly Buffer[]> }> {
    endpoint ??= openPushEndpoint();
    using receiver = (await endpoint).receive(`devloop/${path}`, rules);
    const name = `${receiver.repository}:latest`;
    try {
      await engine.tagImage(image.imageId, name, { signal });
      await engine.pushImage(name, { signal, anonymous: true });
    } catch (error) {
      signal.throwIfAborted();
      works = false;
      throw error;
    } finally {
      using limit = startDeadline(untagTimeoutMs, new AbortController().signal);
      await engine.untagImage(name, { signal: limit.signal }).catch(() => undefined);
      await known.add(receiver.layers);
    }
    const config = receiver.document(image.imageId);
    // The containerd image store: the id is a manifest's, and layers are kept compressed.
    if (!config || !isDeepStrictEqual(diffIds(config), layers)) {
      works = false;
      throw new Error("the engine names images another way");
    }
    const contents = new Map(
      layers.flatMap((digest): readonly (readonly [string, readonly Buffer[]])[] => {
        const content = receiver.layer(digest);
        return content ? [[digest, content]] : [];
      }),
    );
    return { config, contents };
  }

  async function learnWaiting(): Promise<void> {
    for (const [key, image] of waiting) {
      waiting.delete(key);
      try {
        await learnOne(image);
      } catch {
        // It is sent whole the next time too.
      }
    }
    learning = undefined;
  }

  async function learnOne(image: LoadImage): Promise<void> {
    if (!works || life.signal.aborted) return;
    using limit = startDeadline(learnTimeoutMs, life.signal);
    const info = await engine.image(image.imageId, { signal: limit.signal });
    const sizes = await known.sizes();
    if (!info || info.layers.every((layer) => sizes.has(layer))) return;
    const compressed = await known.compressed(new Set(info.layers));
    const rules: PushRules = {
      has: (blob) => compressed.has(blob),
      wants: () => false,
      keepBytes: 0,
      onFull: () => undefined,
    };
    await push("learn", image, rules, limit.signal, info.layers);
  }

  return {
    async send(nodes, image, options) {
      const mine = turn.then(() => send(nodes, image, options));
      turn = mine.catch(() => undefined);
      return await mine;
    },
    learn(image) {
      // Of each image the newest build.
      waiting.set(image.ref.slice(0, Math.max(image.ref.lastIndexOf(":"), 0)), image);
      learning ??= learnWaiting();
    },
    async [Symbol.asyncDispose]() {
      waiting.clear();
      life.abort(new Error("the session ends"));
      await Promise.allSettled([learning, turn]);
      (await endpoint?.catch(() => undefined))?.[Symbol.dispose]();
    },
  };
}

/** What is known of layers, by both digests. */
function knownLayers(memory: LayerMemory | undefined): {
  /** Bytes uncompressed, by diff id. */
  sizes(): Promise<ReadonlyMap<string, number>>;
  /** The digests that stand for these layers when they travel. */
  compressed(layers: ReadonlySet<string>): Promise<ReadonlySet<string>>;
  add(layers: readonly PushedLayer[]): Promise<void>;
} {
  let opened: Promise<Map<string, PushedLayer>> | undefined;
  const open = (): Promise<Map<string, PushedLayer>> =>
    (opened ??= (memory?.read() ?? Promise.resolve([])).then(
      (layers) => new Map(layers.map((layer) => [layer.compressed, layer])),
    ));
  return {
    sizes: async () => new Map([...(await open()).values()].map(({ digest, size }) => [digest, size])),
    compressed: async (layers) =>
      new Set(
        [...(await open()).values()].filter((one) => layers.has(one.digest)).map((one) => one.compressed),
      ),
    async add(layers) {
      if (layers.length === 0) return;
      const all = await open();
      for (const layer of layers) all.set(layer.compressed, layer);
      for (const oldest of [...all.keys()].slice(0, -keptLayers)) all.delete(oldest);
      // A memory that cannot be written costs the next session one whole load.
      await memory?.write([...all.values()]).catch(() => undefined);
    },
  };
}

/** The layers that a config names. */
function diffIds(config: Buffer): unknown {
  const { rootfs } = JSON.parse(config.toString()) as { readonly rootfs?: { readonly diff_ids?: unknown } };
  return rootfs?.diff_ids ?? [];
}
