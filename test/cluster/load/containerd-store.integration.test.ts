import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LoadImage } from "../../../src/engine/target.js";
import { containerdName } from "../../../src/cluster/load/containerd.js";
import { runTool } from "../../../src/lib/run-tool.js";
import { testEngines } from "./engines.js";
import { because, leftOut, type Loading, startLoading } from "./loading.js";
import { signal } from "./rig.js";

interface Document {
  readonly mediaType: string;
  readonly manifests?: readonly { readonly digest: string; readonly platform?: object }[];
  readonly layers?: readonly { readonly mediaType: string }[];
}

const [, containerd] = testEngines;

describe.skipIf(leftOut)(`images of the containerd store${because}`, () => {
  const name = `devloop-store-test-${process.pid}`;
  let loading: Loading;

  beforeAll(async () => {
    loading = await startLoading(containerd!, { count: 2 });
  });
  afterAll(() => loading[Symbol.asyncDispose]());

  const document = async (digest: string): Promise<Document> =>
    JSON.parse(await loading.rig.ctr(loading.nodes[0]!, "content", "get", digest)) as Document;
  const version = (image: LoadImage): Promise<readonly string[]> =>
    Promise.all(
      loading.nodes.map((node) =>
        loading.rig.ctr(node, "run", "--rm", containerdName(image.ref), "version", "cat", "/version"),
      ),
    );

  it("that are indexes with attestations arrive as they are, byte for byte", async () => {
    for (const build of ["1", "2"]) {
      const steps = [
        "FROM busybox:1",
        "RUN dd if=/dev/urandom of=/big bs=1M count=8",
        `RUN echo ${build} > /version`,
      ];
      const image = await loading.images.build(`${name}:attested-${build}`, steps, "--provenance=true");
      const { bytes, notes } = await loading.load(image);
      expect(notes).toEqual([]);
      if (build === "2") expect(bytes).toBeLessThan(100_000 * loading.nodes.length);
      const { manifests } = await document(image.imageId);
      expect(manifests).toContainEqual(
        expect.objectContaining({ platform: { architecture: "unknown", os: "unknown" } }),
      );
      expect(await version(image)).toEqual([`${build}\n`, `${build}\n`]);
    }
  });

  it("with layers in zstd are sent as they are", async () => {
    const steps = ["FROM busybox:1", "RUN seq 1 1000000 > /numbers", "RUN echo zstd > /version"];
    const ref = `${name}:zstd`;
    const output = `--output=type=image,name=${ref},compression=zstd,force-compression=true,oci-mediatypes=true`;
    const image = await loading.images.build(ref, steps, output);
    const { notes } = await loading.load(image);
    expect(notes).toEqual([]);
    const { layers } = await document(image.imageId);
    expect(layers?.at(-1)?.mediaType).toBe("application/vnd.oci.image.layer.v1.tar+zstd");
    expect(await version(image)).toEqual(["zstd\n", "zstd\n"]);
    const more = await loading.images.build(`${name}:gzip`, [`FROM ${ref}`, "RUN echo gzip > /version"]);
    const second = await loading.load(more);
    expect(second.notes).toEqual([]);
    expect(second.bytes).toBeLessThan(100_000 * loading.nodes.length);
    expect(await version(more)).toEqual(["gzip\n", "gzip\n"]);
  });

  it("of which only one platform is in the engine are sent whole, with a note, where it pushes another index", async () => {
    const built = await loading.images.build(`${name}:single`, [
      "FROM busybox:1",
      "RUN echo single > /version",
    ]);
    const image = await asIndexWithMissingPlatform(built, `${name}:pulled`);
    const { notes } = await loading.load(image);
    if (notes.length > 0) {
      expect(notes).toEqual([expect.stringMatching(/^\S+ is sent whole, not only its new layers: /)]);
    }
    expect((await document(image.imageId)).manifests).toHaveLength(2);
    expect(await version(image)).toEqual(["single\n", "single\n"]);
  });

  /** As a pull of one platform leaves it: an index whose other manifest is not there. */
  async function asIndexWithMissingPlatform(built: LoadImage, ref: string): Promise<LoadImage> {
    const directory = await mkdtemp(join(tmpdir(), "devloop-index-"));
    try {
      const archive = join(directory, "archive.tar");
      await loading.images.docker("save", "--output", archive, built.ref);
      const files = join(directory, "files");
      await runTool(
        "sh",
        ["-c", 'mkdir "$2" && tar -xf "$1" -C "$2" && rm "$2/manifest.json"', "sh", archive, files],
        { signal },
      );
      const size = (await readFile(join(files, "blobs", built.imageId.replace(":", "/")))).length;
      const manifest = {
        mediaType: "application/vnd.oci.image.manifest.v1+json",
        digest: built.imageId,
        size,
      };
      const { platform } = await loading.engine.ping({ signal });
      const [os, architecture] = platform.split("/");
      const index = JSON.stringify({
        schemaVersion: 2,
        mediaType: "application/vnd.oci.image.index.v1+json",
        manifests: [
          { ...manifest, platform: { os, architecture } },
          { ...manifest, digest: `sha256:${"1".repeat(64)}`, platform: { os, architecture: "s390x" } },
        ],
      });
      const hex = createHash("sha256").update(index).digest("hex");
      await writeFile(join(files, "blobs/sha256", hex), index);
      const top = {
        mediaType: "application/vnd.oci.image.index.v1+json",
        digest: `sha256:${hex}`,
        size: index.length,
        annotations: { "io.containerd.image.name": containerdName(ref) },
      };
      await writeFile(join(files, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [top] }));
      await runTool("tar", ["-cf", archive, "-C", files, "."], { signal });
      await loading.images.docker("load", "--input", archive);
      const { id } = (await loading.engine.image(ref, { signal }))!;
      expect(id).toBe(`sha256:${hex}`);
      return { ref, imageId: id };
    } finally {
      await rm(directory, { recursive: true });
    }
  }
});
