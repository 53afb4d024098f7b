import type { Amount } from "./image-store.js";

/** An image as a stack of layers. */
export interface LayeredImage {
  /** Digests, the lowest first. */
  readonly layers: readonly string[];
  /** Bytes of all of them. */
  readonly size: number;
  /** Bytes of those that any other image has too, where known. */
  readonly sharedSize?: number;
}

/**
 * What is freed when `removed` go and `rest` stay: the layers that only the former have. An engine does not tell what a
 * layer takes, only what an image does, and how much of it is shared. Two images share the lowest layers, never others, so
 * that both figures are sizes of stacks; a stack whose size neither tells is taken for the largest known below it, and the
 * result is not exact then. Pure.
 */
export function freedBytes(removed: readonly LayeredImage[], rest: readonly LayeredImage[]): Amount {
  const all = [...removed, ...rest];
  const sharing = countStacks(all);
  const sizes = new Map<string, number>([["", 0]]);
  for (const { layers, size, sharedSize } of all) {
    sizes.set(stack(layers, layers.length), size);
    if (sharedSize === undefined) continue;
    const depth = deepest(layers, (key) => (sharing.get(key) ?? 0) > 1);
    // Equal stacks are one image with two names: nothing below them is told.
    if (depth < layers.length) sizes.set(stack(layers, depth), sharedSize);
  }
  const counted = new Set(countStacks(rest).keys());
  let bytes = 0;
  let exact = true;
  for (const { layers, size } of removed) {
    const shared = deepest(layers, (key) => counted.has(key));
    const known = deepest(layers.slice(0, shared), (key) => sizes.has(key));
    if (known !== shared) exact = false;
    bytes += Math.max(0, size - (sizes.get(stack(layers, known)) ?? 0));
    for (let depth = 1; depth <= layers.length; depth += 1) counted.add(stack(layers, depth));
  }
  return { bytes, exact };
}

/** How many images have each stack of lowest layers. */
function countStacks(images: readonly LayeredImage[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { layers } of images) {
    for (let depth = 1; depth <= layers.length; depth += 1) {
      const key = stack(layers, depth);
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
  }
  return counts;
}

/** How many of the lowest layers make up the highest stack that passes; 0 when none does. */
function deepest(layers: readonly string[], passes: (key: string) => boolean): number {
  let depth = layers.length;
  while (depth > 0 && !passes(stack(layers, depth))) depth -= 1;
  return depth;
}

/** A name for the lowest `depth` layers: they are a stack of their own in any image. */
function stack(layers: readonly string[], depth: number): string {
  return layers.slice(0, depth).join(" ");
}
