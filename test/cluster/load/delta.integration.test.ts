import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LoadImage } from "../../../src/engine/target.js";
import { testEngines } from "./engines.js";
import { because, leftOut, type Loading, startLoading } from "./loading.js";
import { signal } from "./rig.js";

describe.skipIf(leftOut).each([...testEngines])(
  `loading only new layers from $title${because}`,
  (testEngine) => {
    const name = `devloop-delta-test-${process.pid}`;
    let loading: Loading;

    beforeAll(async () => {
      loading = await startLoading(testEngine);
    });
    afterAll(() => loading[Symbol.asyncDispose]());

    /** busybox, a layer of 8 MB that stays, and what a build adds. */
    const build = (tag: string, ...steps: readonly string[]): Promise<LoadImage> =>
      loading.images.build(`${name}:${tag}`, [
        "FROM busybox:1",
        `RUN dd if=/dev/urandom of=/big bs=1M count=8 && echo ${process.pid} > /base`,
        ...steps,
      ]);

    it("begins with all of the image", async () => {
      const first = await build("0", "RUN echo 0 > /version");
      const { bytes, notes } = await loading.load(first);
      expect(bytes).toBeGreaterThan(8_000_000 * loading.nodes.length);
      await loading.learned(first);
      await loading.expectIn(first);
      // The name that it was pushed under is gone.
      await expect
        .poll(async () => (await loading.engine.image(first.ref, { signal }))?.tags)
        .toEqual([first.ref]);
      expect(notes).toEqual([]);
    });

    const changes = [
      ["RUN echo 1 > /version"],
      [
        "RUN rm /base",
        "RUN mkdir /home && echo 6 > /home/a",
        "RUN rm -r /home && mkdir /home && echo 6 > /home/b",
      ],
      ["ENV VERSION=5"],
      ["RUN true"],
      ["RUN dd if=/dev/urandom of=/medium bs=1k count=700"],
      ["RUN echo last > /version", "RUN rm /base", "WORKDIR /work"],
    ];
    it("sends no more than what each build adds", async () => {
      for (const [index, steps] of changes.entries()) {
        const image = await build(`${index + 1}`, ...steps);
        const { bytes, present, notes, messages } = await loading.load(image);
        expect({ present, notes }).toEqual({ present: [], notes: [] });
        expect(bytes, steps.join(" ")).toBeLessThan(1_000_000 * loading.nodes.length);
        expect(messages[0]).toMatch(/^sending (no new layer|(\d )?new layers? \(.*\)) to 3 nodes$/);
        await loading.expectIn(image);
      }
      const ref = `docker.io/library/${name}:${changes.length}`;
      const script = "cat /version; ls /base 2>&1; pwd; wc -c < /big";
      for (const node of loading.nodes) {
        const ran = await loading.rig.ctr(node, "run", "--rm", ref, "last", "sh", "-c", script);
        const lines = ["last", "ls: /base: No such file or directory", "/work", String(8 << 20)];
        expect(ran.trim().split("\n")).toEqual(lines);
      }
    });

    it("does so from the first load on when an earlier session has learned", async () => {
      const image = await build("next", "RUN echo next > /version");
      const { bytes, notes } = await loading.load(image, loading.open());
      expect(bytes).toBeLessThan(100_000 * loading.nodes.length);
      expect(notes).toEqual([]);
    });

    it("sends every node what one of them lacks, and nothing to one that has it all", async () => {
      const [first, second] = loading.nodes;
      const image = await build("some", "RUN echo some > /version");
      await loading.load(image, loading.open(loading.engine, [first!]));
      const { bytes, present, notes } = await loading.load(image);
      expect({ present, notes }).toEqual({ present: [first!.name], notes: [] });
      expect(bytes).toBeLessThan(100_000 * loading.nodes.length);
      await loading.expectIn(image);
      await loading.load(
        await build("more", "RUN echo more > /version"),
        loading.open(loading.engine, [second!]),
      );
      const more = await build("more", "RUN echo more > /version", "RUN echo most > /version");
      expect((await loading.load(more)).bytes).toBeLessThan(100_000 * loading.nodes.length);
      await loading.expectIn(more);
    });

    it("takes two loads at once", async () => {
      const [one, other] = [
        await build("one", "RUN echo one > /version"),
        await build("other", "RUN echo other > /version"),
      ];
      // Another devloop: it has the preferred port's neighbour, and loads one of the images too.
      const beside = loading.open();
      const loads = [loading.load(one), loading.load(other), loading.load(one, beside)];
      for (const { bytes, notes } of await Promise.all(loads)) {
        expect(notes).toEqual([]);
        expect(bytes).toBeLessThan(1_000_000 * loading.nodes.length);
      }
      await loading.expectIn(one);
      await loading.expectIn(other);
    });

    it("takes references of every form", async () => {
      const refs = [
        "registry.example.com:8443/a/b/c/d__e:V1__2",
        "localhost:5001/team/under_score:Release_1.2_RC",
        "user_name/with.dots-and--dashes:0",
        "without-a-tag",
      ];
      // Names are taken apart by devloop, whatever the engine: one of them shows that the other engine agrees.
      for (const ref of testEngine === testEngines[0] ? refs : refs.slice(0, 1)) {
        const lines = ["FROM busybox:1", `RUN echo ${ref} > /version`];
        const image = await loading.images.build(ref, lines);
        expect((await loading.load(image)).notes).toEqual([]);
        await loading.expectIn(image);
        await loading.learned(image);
        const again = await loading.images.build(ref, [...lines, "RUN echo again > /version"]);
        const { notes, bytes } = await loading.load(again);
        expect(notes).toEqual([]);
        expect(bytes).toBeLessThan(100_000 * loading.nodes.length);
        await loading.expectIn(again);
      }
    });
  },
);

describe.skipIf(leftOut)(`loading into k3d's nodes${because}`, () => {
  it("finds containerd where k3s has it", async () => {
    await using loading = await startLoading(testEngines[0]!, { flavour: "k3d", count: 2 });
    const name = `devloop-delta-k3d-${process.pid}`;
    const first = await loading.images.build(`${name}:0`, ["FROM busybox:1", "RUN echo 0 > /version"]);
    await loading.load(first);
    await loading.learned(first);
    const image = await loading.images.build(`${name}:1`, ["FROM busybox:1", "RUN echo 1 > /version"]);
    const { bytes, notes } = await loading.load(image);
    expect(notes).toEqual([]);
    expect(bytes).toBeLessThan(100_000 * loading.nodes.length);
    await loading.expectIn(image);
  });
});
