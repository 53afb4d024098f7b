import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ImageUses, StoredImage } from "../../../src/cluster/disk/image-store.js";
import { chooseImages } from "../../../src/cluster/disk/select.js";

const digits = Array.from("0123456789abcdef");
const nothing: ImageUses = { refs: new Map(), digests: new Map() };

function image(name: string, digit: string, usedAt: number, place = "engine"): StoredImage {
  const tag = `devloop-${digit.repeat(16)}`;
  const repository = `docker.io/library/${name}`;
  const ref = place === "engine" ? `${name}:${tag}` : `${repository}:${tag}`;
  return { place, ref, repository, tag, ids: [`sha256:${digit.repeat(64)}`], usedAt, bytes: 1 };
}

function removed(images: readonly StoredImage[], keep: number, uses = nothing): string[] {
  const choices = chooseImages(images, { keep, uses });
  return choices.flatMap(({ image: { place, ref }, keptFor }) =>
    keptFor === undefined ? `${place} ${ref}` : [],
  );
}

describe("which builds can go", () => {
  it("are those beyond the newest of their name, in every place", () => {
    const images = [
      image("web", "a", 1),
      image("web", "b", 3),
      image("web", "c", 2),
      image("web", "a", 0, "node"),
      image("api", "d", 0),
    ];
    expect(removed(images, 2)).toEqual([
      `engine web:devloop-${"a".repeat(16)}`,
      `node docker.io/library/web:devloop-${"a".repeat(16)}`,
    ]);
  });

  it("are none where all are kept", () => {
    expect(removed([image("web", "a", 1), image("web", "b", 2)], Infinity)).toEqual([]);
  });

  it("are not those in use, by whichever name or digest, and the reason is told", () => {
    const images = [image("web", "a", 1), image("web", "b", 2, "node"), image("web", "c", 3)];
    const byName = {
      ...nothing,
      refs: new Map([[`docker.io/library/web:devloop-${"a".repeat(16)}`, "pod x/a"]]),
    };
    expect(removed(images, 1, byName)).toEqual([`node docker.io/library/web:devloop-${"b".repeat(16)}`]);
    const byDigest = { ...nothing, digests: new Map([[`sha256:${"b".repeat(64)}`, "Job x/b"]]) };
    expect(chooseImages(images, { keep: 1, uses: byDigest })).toEqual([
      { image: images[2], keptFor: "newest" },
      { image: images[1], keptFor: "Job x/b" },
      { image: images[0] },
    ]);
    const held = { ...image("web", "a", 1), use: "container one" };
    expect(chooseImages([held], { keep: 0, uses: nothing })[0]?.keptFor).toBe("container one");
  });

  const images = fc.uniqueArray(
    fc.record({
      name: fc.constantFrom("web", "api", "ghcr.io/acme/web"),
      digit: fc.constantFrom(...digits),
      usedAt: fc.integer({ min: 0, max: 20 }),
      place: fc.constantFrom("engine", "node-1", "node-2"),
      use: fc.option(fc.constant("container one"), { nil: undefined, freq: 8 }),
    }),
    { selector: ({ name, digit, place }) => `${name} ${digit} ${place}`, maxLength: 40 },
  );

  it("are exactly those that are neither newest nor in use, whatever there is", () => {
    fc.assert(
      fc.property(
        images,
        fc.integer({ min: 0, max: 4 }),
        fc.subarray(digits),
        fc.subarray(digits),
        (entries, keep, byName, byDigest) => {
          const all = entries.map(({ name, digit, usedAt, place, use }) => ({
            ...image(name, digit, usedAt, place),
            ...(use === undefined ? {} : { use }),
          }));
          const uses: ImageUses = {
            refs: new Map(
              byName.map((digit) => [`docker.io/library/web:devloop-${digit.repeat(16)}`, "pod a"]),
            ),
            digests: new Map(byDigest.map((digit) => [`sha256:${digit.repeat(64)}`, "pod b"])),
          };
          const choices = chooseImages(all, { keep, uses });
          expect(new Set(choices.map((choice) => choice.image))).toEqual(new Set(all));
          const build = ({ repository, tag }: StoredImage): string => `${repository}:${tag}`;
          const lastUse = (key: string): number =>
            Math.max(...all.filter((each) => build(each) === key).map(({ usedAt }) => usedAt));
          const inUse = (key: string): boolean =>
            all.some(
              (each) =>
                build(each) === key &&
                (each.use !== undefined ||
                  (byName.some((digit) => each.ref.endsWith(digit.repeat(16))) &&
                    each.repository.endsWith("library/web")) ||
                  byDigest.some((digit) => each.ids.includes(`sha256:${digit.repeat(64)}`))),
            );
          for (const { image: one, keptFor } of choices) {
            const key = build(one);
            const others = new Set(
              all.filter((each) => each.repository === one.repository && build(each) !== key).map(build),
            );
            const newer = [...others].filter((other) => lastUse(other) > lastUse(key)).length;
            const newerOrEqual = [...others].filter((other) => lastUse(other) >= lastUse(key)).length;
            if (keptFor === undefined) {
              expect(inUse(key)).toBe(false);
              expect(newerOrEqual).toBeGreaterThanOrEqual(keep);
            } else if (!inUse(key)) expect(newer).toBeLessThan(keep);
          }
        },
      ),
    );
  });
});
