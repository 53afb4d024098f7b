import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { request } from "node:http";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LoadImage } from "../../../src/engine/target.js";
import { parseListing } from "../../../src/cluster/load/containerd.js";
import type { ContainerEngine } from "../../../src/engine/container-engine.js";
import { runTool } from "../../../src/lib/run-tool.js";
import { testEngines } from "./engines.js";
import { failure } from "./fake-nodes.js";
import { because, leftOut, type Loading, startLoading } from "./loading.js";
import { answers, signal } from "./rig.js";

const whole = 8_000_000;

describe.skipIf(leftOut).each([...testEngines])(
  `loads that go wrong, from $title${because}`,
  (testEngine) => {
    const name = `devloop-load-faults-${process.pid}`;
    let loading: Loading;
    let base: LoadImage;

    const build = (tag: string, ...steps: readonly string[]): Promise<LoadImage> =>
      loading.images.build(`${name}:${tag}`, [
        "FROM busybox:1",
        `RUN dd if=/dev/urandom of=/big bs=1M count=8 && echo ${process.pid} > /base`,
        ...steps,
      ]);

    beforeAll(async () => {
      loading = await startLoading(testEngine, { count: 2 });
      base = await build("0");
      await loading.load(base);
      await loading.learned(base);
    });
    afterAll(() => loading[Symbol.asyncDispose]());

    /** The engine as it is, but for what happens before a program is run in a node. */
    const meddling = (
      before: (argv: readonly string[], container: string) => Promise<void>,
    ): ContainerEngine => ({
      ...loading.engine,
      async exec(container, argv, options) {
        await before(argv, container);
        return await loading.engine.exec(container, argv, options);
      },
    });
    const isImport = (argv: readonly string[]): boolean => argv[2]?.includes("images import") === true;

    /** What the first node has of an image: the names that lead to it, and its layers without those of another image. */
    async function onNode(
      image: LoadImage,
      without?: LoadImage,
    ): Promise<{ names: string[]; blobs: string[] }> {
      const listing = parseListing(await loading.rig.ctr(loading.nodes[0]!, "images", "ls"));
      const target = listing.get(nameIn(image)) ?? "";
      const { layers } = JSON.parse(await loading.rig.ctr(loading.nodes[0]!, "content", "get", target)) as {
        readonly layers: readonly { readonly digest: string }[];
      };
      const others = without ? (await onNode(without)).blobs : [];
      return {
        names: [...listing].flatMap(([name, digest]) => (digest === target ? [name] : [])),
        blobs: layers.map(({ digest }) => digest).filter((digest) => !others.includes(digest)),
      };
    }
    const nameIn = ({ ref }: LoadImage): string => `docker.io/library/${ref}`;

    it("sends what a node has lost again with the new layers", async () => {
      const first = await build("lost", "RUN echo lost > /lost");
      await loading.load(first);
      await loading.learned(first);
      const [node] = loading.nodes;
      for (const blob of (await onNode(first, base)).blobs)
        await loading.rig.ctr(node!, "content", "rm", blob);
      const image = await build("lost-2", "RUN echo lost > /lost", "RUN echo 2 > /version");
      const { bytes, notes } = await loading.load(image);
      expect(notes).toEqual([]);
      expect(bytes).toBeLessThan(100_000 * loading.nodes.length);
      await loading.expectIn(image);
    });

    it("sends the whole image, and says why, when a node loses an image between the question and the import", async () => {
      const first = await build("losing", "RUN echo losing > /losing");
      await loading.load(first);
      await loading.learned(first);
      const { names, blobs } = await onNode(first, base);
      const [node] = loading.nodes;
      const loser = meddling(async (argv, container) => {
        if (!isImport(argv) || container !== node!.name || blobs.length === 0) return;
        // As the kubelet's collection does it: the names go first, then containerd takes what nothing names.
        await loading.rig.ctr(node!, "images", "rm", "--sync", ...names);
        const left = await loading.rig.ctr(node!, "content", "ls", "-q");
        for (const blob of blobs.splice(0)) expect(left).not.toContain(blob);
      });
      const image = await build("losing-2", "RUN echo losing > /losing", "RUN echo 2 > /version");
      const { bytes, notes } = await loading.load(image, loading.open(loser));
      expect(notes).toEqual([
        expect.stringMatching(/^\S+ is sent whole, not only its new layers: .*not found/),
      ]);
      expect(bytes).toBeGreaterThan(whole * loading.nodes.length);
      await loading.expectIn(image);
      const ran = await loading.rig.ctr(
        node!,
        "run",
        "--rm",
        nameIn(image),
        "losing",
        "cat",
        "/losing",
        "/version",
      );
      expect(ran).toBe("losing\n2\n");
    });

    it("sends the whole image, and says why, when the engine refuses to push", async () => {
      const image = await build("refused", "RUN echo refused > /version");
      const refusing = { ...loading.engine, pushImage: () => Promise.reject(new Error("no route to host")) };
      const loader = loading.open(refusing);
      const { bytes, notes } = await loading.load(image, loader);
      expect(bytes).toBeGreaterThan(whole * loading.nodes.length);
      expect(notes).toEqual([`${image.ref} is sent whole, not only its new layers: no route to host`]);
      await loading.expectIn(image);
      expect((await loading.engine.image(image.ref, { signal }))?.tags).toEqual([image.ref]);
      // An engine that does not get here, as from a virtual machine, is not asked again, and nothing said again.
      const next = await build("refused-again", "RUN echo again > /version");
      expect(await loading.load(next, loader)).toMatchObject({ notes: [] });
      await loading.expectIn(next);
    });

    it("sends the whole image at once, and says why, when the push breaks off in the middle", async () => {
      const image = await build("cut", "RUN echo cut > /version");
      const cutting: ContainerEngine = {
        ...loading.engine,
        async pushImage(ref, { signal: given }) {
          const [, host = "", path = ""] = /^([^/]+)\/(.+):latest$/.exec(ref) ?? [];
          const begun = await fetch(`http://${host}/v2/${path}/blobs/uploads/`, { method: "POST" });
          const location = new URL(begun.headers.get("location") ?? "", `http://${host}`);
          location.searchParams.set("digest", `sha256:${"0".repeat(64)}`);
          const half = request(location, { method: "PUT", headers: { "content-length": "2000000" } });
          half.on("error", () => undefined);
          half.write(gzipSync(randomBytes(1_000_000)), () => half.destroy());
          // An engine would try it again, for a minute. The session may have ended meanwhile.
          if (!given.aborted) await once(given, "abort");
          throw given.reason;
        },
      };
      const { bytes, notes } = await loading.load(image, loading.open(cutting));
      expect(notes).toEqual([
        `${image.ref} is sent whole, not only its new layers: the engine's push broke off`,
      ]);
      expect(bytes).toBeGreaterThan(whole * loading.nodes.length);
      await loading.expectIn(image);
    });

    it("names a node that is killed during the load, and loads the others", async () => {
      const [first, second] = loading.nodes;
      const image = await build("killed", "RUN echo killed > /version");
      let killed = false;
      const killer = meddling(async (argv, container) => {
        if (!isImport(argv) || container !== second!.name) return;
        killed = true;
        await runTool("docker", ["kill", second!.name], { signal });
      });
      expect(await failure(() => loading.load(image, loading.open(killer)))).toMatchObject({
        code: "NODE_UNREACHABLE",
        message: expect.stringMatching(
          `could not load ${image.ref} into node ${second!.name} \\(1 of 2 nodes\\): its container is stopped`,
        ),
        hint: `docker start ${second!.name}`,
      });
      expect(killed).toBe(true);
      await loading.expectIn(image, [first!]);
      await runTool("docker", ["start", second!.name], { signal });
      await answers(() => loading.rig.ctr(second!, "version"));
      const { present } = await loading.load(image);
      expect(present).toEqual([first!.name]);
      await loading.expectIn(image);
    });
  },
);

describe.skipIf(leftOut)(`a node whose disk is full${because}`, () => {
  it("is named with containerd's words; the others have the image", async () => {
    await using loading = await startLoading(testEngines[0]!, { count: 2, diskBytes: 40 << 20 });
    const [first, second] = loading.nodes;
    const image = await loading.images.build(`devloop-load-full-${process.pid}:0`, [
      "FROM busybox:1",
      "RUN dd if=/dev/urandom of=/big bs=1M count=10",
    ]);
    await runTool(
      "docker",
      ["exec", second!.name, "dd", "if=/dev/zero", "of=/var/full", "bs=1M", "count=25"],
      { signal },
    );
    expect(await failure(() => loading.load(image))).toMatchObject({
      code: "LOAD_FAILED",
      message: expect.stringMatching(
        `into node ${second!.name} \\(1 of 2 nodes\\): .*no space left on device`,
      ),
      hint: `is its disk full? docker exec ${second!.name} df -h /var/lib`,
    });
    await loading.expectIn(image, [first!]);
  });
});
