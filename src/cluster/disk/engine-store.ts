import {
  type ContainerEngine,
  type EngineImage,
  type EngineImageEntry,
  EngineStatusError,
} from "../../engine/container-engine.js";
import { startDeadline } from "../../lib/deadline.js";
import { eachConcurrently } from "../../lib/each-concurrently.js";
import { errorText } from "../../lib/errors.js";
import { isLoadingName } from "../load/engine-push.js";
import { readBuildTag } from "./build-tag.js";
import type { Amount, ImageStore, NotRemoved, StoredImage } from "./image-store.js";
import { freedBytes, type LayeredImage } from "./layer-sizes.js";

/** How long the engine may take to remove an image, in ms. */
const removalMs = 60_000;
/** How many images the engine is asked about at once. */
const maxRequests = 4;

/** Reads what the engine holds. Throws ENGINE_UNREACHABLE. */
export async function readEngineStore(
  engine: ContainerEngine,
  { signal }: { readonly signal: AbortSignal },
): Promise<ImageStore> {
  const entries = await engine.images({ signal });
  const details = await eachConcurrently(entries, maxRequests, ({ id }) => engine.image(id, { signal }));
  // Asked last: a container made meanwhile is seen.
  const containers = await engine.containers([], { all: true, signal });
  const users = new Map(containers.map(({ imageId = "", name }) => [imageId, `container ${name}`]));
  const layered = new Map(
    entries.map((entry, index): [string, LayeredImage] => [
      entry.id,
      { ...entry, layers: details[index]?.layers ?? [] },
    ]),
  );
  const images = entries.flatMap((entry, index) => builtImages(entry, details[index], users.get(entry.id)));
  const tags = new Map(entries.map(({ id, tags }) => [id, tags]));
  const measure = (gone: readonly StoredImage[]): Amount => {
    const names = new Set(gone.map(({ ref }) => ref));
    // An image that keeps another name stays.
    const left = (id: string): boolean =>
      !tags.get(id)?.length || !tags.get(id)?.every((tag) => names.has(tag));
    const all = [...layered];
    return freedBytes(
      all.filter(([id]) => !left(id)).map(([, image]) => image),
      all.filter(([id]) => left(id)).map(([, image]) => image),
    );
  };
  return {
    place: "engine",
    images,
    held: measure,
    // An image that a container was made from is not removed at all.
    freed: measure,
    async remove(gone, { signal }) {
      const left: NotRemoved[] = [];
      for (const image of gone) {
        signal.throwIfAborted();
        left.push(...(await untag(engine, image, signal)));
      }
      return left;
    },
  };
}

/** The names of one image that devloop gave it. */
function builtImages(
  entry: EngineImageEntry,
  detail: EngineImage | undefined,
  user: string | undefined,
): StoredImage[] {
  const use = user ?? (entry.tags.some(isLoadingName) ? "being loaded" : undefined);
  return entry.tags.flatMap((ref) => {
    const built = readBuildTag(ref, [entry.id]);
    if (!built) return [];
    return {
      ...built,
      place: "engine",
      ref,
      ids: [entry.id],
      usedAt: detail?.taggedAt ?? entry.createdAt,
      bytes: entry.size,
      ...(use === undefined ? {} : { use }),
    };
  });
}

/** Takes one name away, unless it was given anew since it was read. Returns nothing when it is gone. */
async function untag(
  engine: ContainerEngine,
  image: StoredImage,
  signal: AbortSignal,
): Promise<readonly NotRemoved[]> {
  try {
    const now = await engine.image(image.ref, { signal });
    if (!now) return [];
    if (now.taggedAt !== undefined && now.taggedAt > image.usedAt)
      return [{ image, reason: "used", message: "built again meanwhile" }];
    signal.throwIfAborted();
    // Whoever aborts is told once it has ended: the engine would go on with it.
    using toTheEnd = startDeadline(removalMs, new AbortController().signal);
    await engine.untagImage(image.ref, { signal: toTheEnd.signal });
    return [];
  } catch (error) {
    if (!(error instanceof EngineStatusError)) throw error;
    // Gone by itself is what was wanted; a refusal, such as for a container of a moment ago, is told.
    return error.status === 404 ? [] : [{ image, reason: "refused", message: errorText(error) }];
  }
}
