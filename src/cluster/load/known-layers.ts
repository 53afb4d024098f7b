import type { PushedLayer } from "./layer-reader.js";

/** How many layers are remembered, the newest: some hundred bytes each. */
const keptLayers = 1000;

/** Keeps what was learned of layers for later loaders. */
export interface LayerMemory {
  read(): Promise<readonly PushedLayer[]>;
  write(layers: readonly PushedLayer[]): Promise<void>;
}

/** What is known of layers, by both digests. */
export interface KnownLayers {
  /** Bytes uncompressed, by diff id. */
  sizes(): Promise<ReadonlyMap<string, number>>;
  /** The digests that stand for these layers when they travel. */
  compressed(layers: ReadonlySet<string>): Promise<ReadonlySet<string>>;
  /** A memory that cannot be written costs the next session one whole load. */
  add(layers: readonly PushedLayer[]): Promise<void>;
}

export function knownLayers(memory: LayerMemory | undefined): KnownLayers {
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
      await memory?.write([...all.values()]).catch(() => undefined);
    },
  };
}
