import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import type { LoadImage } from "../../engine/target.js";
import type { ContainerEngine, EngineImage } from "../../engine/container-engine.js";
import { startDeadline } from "../../lib/deadline.js";
import { bytes as inUnits, count } from "../../lib/format.js";
import { sendArchive } from "./archive.js";
import { readContents } from "./containerd.js";
import { type EnginePush, type PushPath, PushRefusedError } from "./engine-push.js";
import { imageLayout } from "./image-layout.js";
import { knownLayers, type LayerMemory } from "./known-layers.js";
import { LayerReader } from "./layer-reader.js";
import type { DeltaSender } from "./delta-sender.js";

/** The most that new layers may be, in bytes; they are held in memory. */
const mostBytes = 256_000_000;
/** What new layers may always be, in bytes: below that the engine has compressed them in no time. */
const fewBytes = 16_000_000;
/** A tar without entries: nodes have it from any image, also when nothing was learned of it, and sending it costs nothing. */
const emptyLayer = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";
/** How long the engine may take to push new layers, and all layers of an image, in ms. */
const pushTimeoutMs: Readonly<Record<PushPath, number>> = { load: 30_000, learn: 300_000 };
/** How long after a load learning begins, in ms: what was loaded is being started meanwhile. */
const learnDelayMs = 2_000;

/**
 * For engines that keep layers unpacked (the classic image store). They compress a layer when it is pushed, and remember its
 * compressed digest, by which they ask from then on. Which layer that is can be told only from an earlier push, hence
 * `learn`. New layers are unpacked in passing and reach the nodes as `docker save` writes them, so that they are the same
 * ones that a whole load brings. They are held in memory meanwhile: how large one is, which an archive says first, is
 * known at its end only.
 */
export function classicDelta(
  engine: ContainerEngine,
  pushes: EnginePush,
  memory: LayerMemory | undefined,
): DeltaSender {
  const life = new AbortController();
  const known = knownLayers(memory);
  const waiting = new Map<string, LoadImage>();
  let works = true;
  /** Why it does not work, where that was found out in the background: the next load tells it. */
  let untold: Error | undefined;
  let learning: Promise<void> | undefined;

  /** Has the engine push an image, and remembers the layers that came. Throws when it is not the image's. */
  async function push(
    path: PushPath,
    { image, info }: { readonly image: LoadImage; readonly info: EngineImage },
    reader: LayerReader,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<Buffer> {
    using turn = await pushes.turn(path, { signal });
    using limit = startDeadline(pushTimeoutMs[path], signal);
    try {
      await turn.push(image, reader, limit);
    } catch (error) {
      if (error instanceof PushRefusedError) giveUp(path, error);
      throw error;
    } finally {
      await known.add(reader.layers);
    }
    const config = reader.document(image.imageId);
    if (config && isDeepStrictEqual(diffIds(config), info.layers)) return config;
    const error = new Error("the engine names images another way");
    giveUp(path, error);
    throw error;
  }

  function giveUp(path: PushPath, error: Error): void {
    if (works && path === "learn") untold = error;
    works = false;
  }

  async function learnWaiting(): Promise<void> {
    for (const key of waiting.keys()) {
      try {
        await sleep(learnDelayMs, undefined, { signal: life.signal });
        const image = waiting.get(key);
        waiting.delete(key);
        if (image) await learnOne(image);
      } catch {
        // It is sent whole the next time too.
      }
    }
    learning = undefined;
  }

  async function learnOne(image: LoadImage): Promise<void> {
    const { signal } = life;
    if (!works || signal.aborted) return;
    const info = await engine.image(image.imageId, { signal });
    const sizes = await known.sizes();
    if (!info || info.layers.every((layer) => sizes.has(layer))) return;
    const compressed = await known.compressed(new Set(info.layers));
    const reader = new LayerReader({
      has: (blob) => compressed.has(blob),
      wants: () => false,
      keepBytes: 0,
      oneByOne: true,
    });
    await push("learn", { image, info }, reader, { signal });
  }

  return {
    async send(nodes, image, options) {
      if (untold) {
        const why = untold;
        untold = undefined;
        throw why;
      }
      if (!works) return undefined;
      const info = await engine.image(image.ref, options);
      if (info?.id !== image.imageId) return undefined;
      const sizes = await known.sizes();
      if (!info.layers.some((layer) => sizes.has(layer))) return undefined;
      const contents = await readContents(engine, nodes, options);
      const isNew = (layer: string): boolean =>
        layer === emptyLayer || contents.some((content) => !content.has(layer));
      const present = info.layers.filter((layer) => !isNew(layer));
      if (present.length === 0 || present.some((layer) => !sizes.has(layer))) return undefined;
      const compressed = await known.compressed(new Set(present));
      const reader = new LayerReader({
        has: (blob) => compressed.has(blob),
        wants: isNew,
        keepBytes: Math.min(mostBytes, Math.max(fewBytes, info.size / 4)),
      });
      const config = await push("load", { image, info }, reader, options);
      const layers = info.layers.map((digest) => {
        const content = isNew(digest) ? reader.layer(digest) : undefined;
        if (isNew(digest) && !content) throw new Error("the engine did not push all of them");
        return { digest, size: content ? total(content) : (sizes.get(digest) ?? 0), content };
      });
      const news = new Map(layers.flatMap(({ digest, size, content }) => (content ? [[digest, size]] : [])));
      const bytes = [...news.values()].reduce((sum, size) => sum + size, 0);
      const what = news.size === 0 ? "no new layer" : `${count(news.size, "new layer")} (${inUnits(bytes)})`;
      return await sendArchive(engine, nodes, image, options, {
        archive: imageLayout({ ref: image.ref, config, layers }),
        message: () => `sending ${what} to ${count(nodes.length, "node")}`,
      });
    },
    learn(image) {
      // Of each image the newest build.
      waiting.set(image.ref.slice(0, Math.max(image.ref.lastIndexOf(":"), 0)), image);
      learning ??= learnWaiting();
    },
    async [Symbol.asyncDispose]() {
      waiting.clear();
      life.abort(new Error("the session ends"));
      await learning;
    },
  };
}

function total(chunks: readonly Buffer[]): number {
  return chunks.reduce((sum, chunk) => sum + chunk.length, 0);
}

/** The layers that a config names. */
function diffIds(config: Buffer): unknown {
  const { rootfs } = JSON.parse(config.toString()) as { readonly rootfs?: { readonly diff_ids?: unknown } };
  return rootfs?.diff_ids ?? [];
}
