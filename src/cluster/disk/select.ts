import { containerdName } from "../load/containerd.js";
import type { ImageUses, StoredImage } from "./image-store.js";

/** An image in a place, with what is to become of it. */
export interface Choice {
  readonly image: StoredImage;
  /** Why it stays; left out for one that can go. */
  readonly keptFor?: string;
}

/**
 * Which images stay: of every name the `keep` newest builds, wherever they are, and all that are in use. A build that is
 * kept in one place is kept in all: a pod may move to the next node. Pure.
 */
export function chooseImages(
  images: readonly StoredImage[],
  { keep, uses }: { readonly keep: number; readonly uses: ImageUses },
): readonly Choice[] {
  const builds = new Map<string, StoredImage[]>();
  for (const image of images) {
    const key = `${image.repository}:${image.tag}`;
    builds.set(key, [...(builds.get(key) ?? []), image]);
  }
  const newest = [...builds].sort(([a, first], [b, second]) => {
    return lastUse(second) - lastUse(first) || (a < b ? -1 : 1);
  });
  const ranks = new Map<string, number>();
  return newest.flatMap(([key, copies]) => {
    const repository = key.slice(0, key.lastIndexOf(":"));
    const rank = (ranks.get(repository) ?? 0) + 1;
    ranks.set(repository, rank);
    const keptFor = useOf(copies, uses) ?? (rank <= keep ? rankText(rank) : undefined);
    return copies.map((image) => ({ image, ...(keptFor === undefined ? {} : { keptFor }) }));
  });
}

function lastUse(copies: readonly StoredImage[]): number {
  return Math.max(...copies.map(({ usedAt }) => usedAt));
}

function useOf(copies: readonly StoredImage[], { refs, digests }: ImageUses): string | undefined {
  for (const { ref, ids, use } of copies) {
    const found = use ?? refs.get(containerdName(ref)) ?? ids.map((id) => digests.get(id)).find(Boolean);
    if (found !== undefined) return found;
  }
  return undefined;
}

function rankText(rank: number): string {
  return rank === 1 ? "newest" : `newest but ${rank - 1}`;
}
