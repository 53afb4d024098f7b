import { expect } from "vitest";
import type { LoadImage } from "../../../src/engine/target.js";
import { containerdName, readListing } from "../../../src/cluster/load/containerd.js";
import type { LayerMemory } from "../../../src/cluster/load/known-layers.js";
import type { PushedLayer } from "../../../src/cluster/load/layer-reader.js";
import type { ImageLoader } from "../../../src/cluster/load/loader.js";
import { nodeLoader } from "../../../src/cluster/load/nodes.js";
import type { NodeRef } from "../../../src/cluster/providers/nodes.js";
import type { ContainerEngine } from "../../../src/engine/container-engine.js";
import type { LoadOutput } from "../../../src/engine/task.js";
import type { TestEngine } from "./engines.js";
import { answers, nodeImage, type Rig, type RigOptions, signal, startRig } from "./rig.js";
import { giveBase, type ImageEngine, type ScratchImages, scratchImages } from "./scratch-images.js";
import { noSecondEngine } from "./second-engine.js";

const { image: nodeImageRef = "", missing } = await nodeImage();
/** Why nothing can be loaded here, for the title of what is left out; with CI=true it is not left out, and fails. */
export const reason = missing ?? (await noSecondEngine());
export const leftOut = reason !== undefined && !process.env["CI"];
/** ` (left out: …)` or nothing. */
export const because = leftOut ? ` (left out: ${reason})` : "";

/** A load, and what was said meanwhile. */
export interface Loaded extends LoadOutput {
  readonly notes: readonly string[];
  readonly messages: readonly string[];
}

/** An engine, nodes, and a loader between them. */
export interface Loading extends AsyncDisposable {
  readonly engine: ContainerEngine;
  readonly source: ImageEngine;
  readonly images: ScratchImages;
  readonly rig: Rig;
  readonly nodes: readonly NodeRef[];
  /** Engines with the classic store learn the digests of layers; the others need not. */
  readonly classic: boolean;
  /** What was learned of layers. */
  readonly stored: PushedLayer[];
  /** A loader with the same memory, for this or another engine. */
  open(engine?: ContainerEngine, nodes?: readonly NodeRef[]): ImageLoader;
  readonly load: (image: LoadImage, by?: ImageLoader) => Promise<Loaded>;
  /** Resolves once all layers of an image are known. */
  learned(image: LoadImage): Promise<void>;
  /** Checks that every node (or these) lists the image under its name, and that what that leads to has the engine's id. */
  expectIn(image: LoadImage, nodes?: readonly NodeRef[]): Promise<void>;
}

export async function startLoading(testEngine: TestEngine, options?: RigOptions): Promise<Loading> {
  const [source, rig] = await Promise.all([testEngine.open(), startRig(nodeImageRef, options)]);
  const { engine } = source;
  await giveBase(source, "busybox:1");
  const images = await scratchImages(source);
  const classic = (await engine.imageStore({ signal })) === "classic";
  const stored: PushedLayer[] = [];
  const memory: LayerMemory = {
    read: () => Promise.resolve([...stored]),
    write: (layers) => Promise.resolve(void stored.splice(0, stored.length, ...layers)),
  };
  const opened: ImageLoader[] = [];
  const openLoader = (by = engine, nodes = rig.nodes): ImageLoader => {
    const loader = nodeLoader(by, nodes, memory);
    opened.push(loader);
    return loader;
  };
  const usual = openLoader();
  return {
    engine,
    source,
    images,
    rig,
    nodes: rig.nodes,
    classic,
    stored,
    open: openLoader,
    async load(image, by = usual) {
      const [notes, messages]: [string[], string[]] = [[], []];
      const output = await by.load(image, {
        signal,
        onProgress: ({ message }) => void messages.push(message),
        onNote: (note) => void notes.push(note),
      });
      return { ...output, notes, messages };
    },
    async learned({ imageId }) {
      if (!classic) return;
      const layers = (await engine.image(imageId, { signal }))?.layers ?? [];
      await answers(() => {
        const unknown = layers.filter((layer) => !stored.some(({ digest }) => digest === layer));
        return unknown.length === 0
          ? Promise.resolve()
          : Promise.reject(new Error(`not learned: ${unknown.join()}`));
      });
    },
    async expectIn(image, nodes = rig.nodes) {
      await Promise.all(
        nodes.map(async (node) => {
          const listing = await readListing(engine, node.name, image, { signal });
          const target = listing.get(containerdName(image.ref)) ?? "";
          const document = JSON.parse(await rig.ctr(node, "content", "get", target)) as {
            readonly config?: { readonly digest: string };
          };
          expect([target, document.config?.digest], node.name).toContain(image.imageId);
        }),
      );
    },
    async [Symbol.asyncDispose]() {
      // Whatever cannot be removed, the rest is.
      const ends = [];
      for (const one of [...opened, images, rig, source]) {
        ends.push(...(await Promise.allSettled([one[Symbol.asyncDispose]()])));
      }
      expect(ends.filter(({ status }) => status === "rejected")).toEqual([]);
    },
  };
}
