import type { ViewedLine } from "../../engine/log-source.js";
import type { ResourceLog } from "./resource-log.js";

/** Which lines a filter let through, in order: six bytes each. */
export interface Matches {
  readonly first: number;
  readonly end: number;
  add(resource: ResourceLog, number: number): void;
  read(from: number, to: number): Promise<readonly ViewedLine[]>;
}

const chunkSize = 4096;
/** More than these are not held: the oldest go. */
const maxChunks = 512;

interface Chunk {
  readonly resources: Uint16Array;
  readonly numbers: Uint32Array;
}

export function createMatches(): Matches {
  const chunks: Chunk[] = [];
  const known: ResourceLog[] = [];
  const numbers = new Map<ResourceLog, number>();
  /** Chunks that went. */
  let gone = 0;
  let end = 0;
  let first = 0;

  function entry(index: number): { readonly resource: ResourceLog; readonly number: number } | undefined {
    const chunk = chunks[Math.floor(index / chunkSize) - gone];
    const resource = known[chunk?.resources[index % chunkSize] ?? -1];
    const number = chunk?.numbers[index % chunkSize];
    return resource && number !== undefined ? { resource, number } : undefined;
  }

  return {
    get first() {
      for (; first < end; first += 1) {
        const oldest = entry(first);
        if (oldest && oldest.number >= oldest.resource.first) break;
      }
      while (chunks.length > 0 && (gone + 1) * chunkSize <= first) {
        chunks.shift();
        gone += 1;
      }
      return first;
    },
    get end() {
      return end;
    },
    add(resource, number) {
      let place = numbers.get(resource);
      if (place === undefined) {
        numbers.set(resource, (place = known.length));
        known.push(resource);
      }
      if (end % chunkSize === 0) {
        chunks.push({ resources: new Uint16Array(chunkSize), numbers: new Uint32Array(chunkSize) });
        if (chunks.length > maxChunks) {
          chunks.shift();
          gone += 1;
          first = Math.max(first, gone * chunkSize);
        }
      }
      const chunk = chunks.at(-1);
      if (!chunk) return;
      chunk.resources[end % chunkSize] = place;
      chunk.numbers[end % chunkSize] = number;
      end += 1;
    },
    async read(from, to) {
      const byResource = new Map<ResourceLog, { readonly index: number; readonly number: number }[]>();
      for (let index = from; index < to; index += 1) {
        const found = entry(index);
        if (!found) continue;
        const list = byResource.get(found.resource);
        if (list) list.push({ index, number: found.number });
        else byResource.set(found.resource, [{ index, number: found.number }]);
      }
      const lines = await Promise.all(
        [...byResource].map(async ([resource, wanted]) => {
          const places = new Map(wanted.map(({ index, number }) => [number, index]));
          const picked = await resource.pick(wanted.map(({ number }) => number));
          return picked.flatMap(({ number, line }) => {
            const index = places.get(number);
            return index === undefined ? [] : [{ ...line, index }];
          });
        }),
      );
      return lines.flat().sort((a, b) => a.index - b.index);
    },
  };
}
