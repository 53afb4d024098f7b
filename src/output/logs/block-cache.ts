import type { KeptLine } from "../../engine/log-source.js";

/** The lines of blocks that were looked at last. */
export interface BlockCache {
  get(block: object): readonly KeptLine[] | undefined;
  put(block: object, lines: readonly KeptLine[]): void;
}

/** Holds so many characters of text at most. */
export function createBlockCache(characters = 4_000_000): BlockCache {
  const held = new Map<object, { readonly lines: readonly KeptLine[]; readonly size: number }>();
  let total = 0;
  const remove = (block: object): void => {
    total -= held.get(block)?.size ?? 0;
    held.delete(block);
  };
  return {
    get(block) {
      const entry = held.get(block);
      if (!entry) return undefined;
      // A map keeps the order of insertion: what was used last stands last.
      held.delete(block);
      held.set(block, entry);
      return entry.lines;
    },
    put(block, lines) {
      remove(block);
      // A line costs more than its text.
      const size = lines.reduce((sum, { text }) => sum + text.length + 200, 0);
      held.set(block, { lines, size });
      total += size;
      for (const oldest of held.keys()) {
        if (total <= characters || held.size === 1) break;
        remove(oldest);
      }
    },
  };
}
