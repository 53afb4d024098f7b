import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { freedBytes, type LayeredImage } from "../../../src/cluster/disk/layer-sizes.js";

/** What an engine tells of images made of layers of these sizes. */
function listed(stacks: readonly (readonly string[])[], sizeOf: (layer: string) => number): LayeredImage[] {
  const sum = (layers: readonly string[]): number =>
    layers.reduce((total, layer) => total + sizeOf(layer), 0);
  return stacks.map((layers, index) => {
    const isShared = (depth: number): boolean =>
      stacks.some(
        (other, at) => at !== index && layers.slice(0, depth).every((layer, level) => other[level] === layer),
      );
    const depth = layers.findLastIndex((_, level) => isShared(level + 1)) + 1;
    return { layers, size: sum(layers), sharedSize: sum(layers.slice(0, depth)) };
  });
}

const sizes: Readonly<Record<string, number>> = { base: 100, deps: 50, more: 30, a: 1, b: 2, c: 4, empty: 0 };
const sizeOf = (layer: string): number => sizes[layer] ?? 0;

describe("what is freed", () => {
  it("is the layers that no image has that stays", () => {
    const images = listed(
      [
        ["base", "deps", "a"],
        ["base", "deps", "b"],
        ["base", "deps", "c"],
      ],
      sizeOf,
    );
    expect(freedBytes(images.slice(0, 2), images.slice(2))).toEqual({ bytes: 3, exact: true });
    expect(freedBytes(images, [])).toEqual({ bytes: 157, exact: true });
    expect(freedBytes([], images)).toEqual({ bytes: 0, exact: true });
  });

  it("counts layers that only those that go share, once", () => {
    const images = listed([["base"], ["base", "deps", "a"], ["base", "deps", "b"]], sizeOf);
    expect(freedBytes(images.slice(1), images.slice(0, 1))).toEqual({ bytes: 53, exact: true });
  });

  it("is the most it can be where the engine does not tell enough", () => {
    // What "base" takes is told by no image: the two with "deps" share more than it, the others nothing else.
    const images = listed(
      [
        ["base", "deps", "a"],
        ["base", "deps", "b"],
        ["base", "more", "a"],
        ["base", "more", "b"],
      ],
      sizeOf,
    );
    expect(freedBytes(images.slice(0, 2), images.slice(2))).toEqual({ bytes: 153, exact: false });
    const untold = images.map(({ layers, size }) => ({ layers, size }));
    expect(freedBytes(untold.slice(0, 1), untold.slice(1))).toEqual({ bytes: 151, exact: false });
  });

  it("is what it says when it says that it is exact, and never less than the truth", () => {
    const layer = fc.constantFrom(...Object.keys(sizes));
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.array(layer, { minLength: 1, maxLength: 5 }), fc.boolean()), { maxLength: 12 }),
        (entries) => {
          const images = listed(
            entries.map(([layers]) => layers),
            sizeOf,
          );
          const goes = (_: unknown, index: number): boolean => entries[index]![1];
          const gone = images.filter(goes);
          const rest = images.filter((image, index) => !goes(image, index));
          const stacksOf = (all: readonly LayeredImage[]): Set<string> =>
            new Set(
              all.flatMap(({ layers }) => layers.map((_, level) => layers.slice(0, level + 1).join(" "))),
            );
          const kept = stacksOf(rest);
          const truth = [...stacksOf(gone)]
            .filter((key) => !kept.has(key))
            .reduce((total, key) => total + sizeOf(key.split(" ").at(-1)!), 0);
          const { bytes, exact } = freedBytes(gone, rest);
          if (exact) expect(bytes).toBe(truth);
          else expect(bytes).toBeGreaterThanOrEqual(truth);
        },
      ),
      { numRuns: 500 },
    );
  });
});
