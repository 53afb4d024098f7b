import { describe, expect, it } from "vitest";
import {
  bytesBelow,
  bytesOfNames,
  digestsBelow,
  parseContents,
} from "../../../src/cluster/disk/node-contents.js";

const label = (refs: Readonly<Record<string, string>>): string =>
  Object.entries(refs)
    .map(([key, digest]) => `containerd.io/gc.ref.${key}=${digest}`)
    .join(",");

// As ctr 1.6 and 2.1 print them: two builds on one base, of which "old" also goes by Kubernetes' own name.
const tables = [
  `REF TYPE DIGEST SIZE PLATFORMS LABELS
docker.io/library/web:old application/vnd.oci.image.manifest.v1+json sha256:old-manifest 3.9 MiB linux/amd64 io.cri-containerd.image=managed
docker.io/library/web:new application/vnd.oci.image.manifest.v1+json sha256:new-manifest 3.9 MiB linux/amd64 -
sha256:old-config         application/vnd.oci.image.manifest.v1+json sha256:old-manifest 3.9 MiB linux/amd64 -
`,
  `DIGEST\t\t\tSIZE\tAGE\t\tLABELS
sha256:old-manifest\t400B\t2 hours\t\t${label({ "content.config": "sha256:old-config", "content.l.0": "sha256:base", "content.l.1": "sha256:old-layer" })}
sha256:new-manifest\t400B\tAbout an hour\t${label({ "content.l.1": "sha256:new-layer", "content.l.0": "sha256:base", "content.config": "sha256:new-config" })},containerd.io/distribution.source.docker.io=library/web
sha256:old-config\t1.648kB\t2 hours\t${label({ "snapshot.overlayfs": "sha256:old-chain" })}
sha256:new-config\t1.6kB\t53 minutes\t${label({ "snapshot.overlayfs": "sha256:new-chain" })}
sha256:base\t4.495MB\t13 days\t\tcontainerd.io/uncompressed=sha256:base
sha256:old-layer\t1MB\t2 hours\t\tcontainerd.io/uncompressed=sha256:old-layer
sha256:new-layer\t2MB\t4 seconds\tcontainerd.io/uncompressed=sha256:new-layer
sha256:lonely\t7MB\tLess than a second\t-
`,
  `KEY              PARENT           KIND
sha256:base-chain                  Committed
sha256:old-chain sha256:base-chain Committed
sha256:new-chain sha256:base-chain Committed
container-1      sha256:old-chain  Active
`,
  `KEY SIZE INODES
sha256:base-chain 4500000 400
sha256:old-chain 1000100 2
sha256:new-chain 2000200 2
container-1 12288 4
`,
].join("\x1e");
const contents = parseContents(tables);

describe("what containerd lists", () => {
  it("is read with sizes, ages at the most they may be, and what keeps what", () => {
    expect(contents.names.get("docker.io/library/web:old")).toBe("sha256:old-manifest");
    expect(contents.blobs.get("sha256:old-manifest")).toEqual({
      bytes: 400,
      ageMs: 3 * 3_600_000,
      blobs: ["sha256:old-config", "sha256:base", "sha256:old-layer"],
      snapshots: [],
    });
    expect(contents.blobs.get("sha256:new-manifest")?.ageMs).toBe(2 * 3_600_000);
    expect(contents.blobs.get("sha256:new-layer")?.ageMs).toBe(5_000);
    expect(contents.blobs.get("sha256:lonely")).toEqual({
      bytes: 7e6,
      ageMs: 2_000,
      blobs: [],
      snapshots: [],
    });
    expect(contents.snapshots.get("sha256:base-chain")).toEqual({ bytes: 4_500_000, active: false });
    expect(contents.snapshots.get("container-1")).toMatchObject({ parent: "sha256:old-chain", active: true });
  });

  it("names an image by its manifest and its config", () => {
    expect(digestsBelow(contents, "sha256:old-manifest")).toEqual([
      "sha256:old-manifest",
      "sha256:old-config",
    ]);
    expect(bytesBelow(contents, ["sha256:new-manifest"])).toBe(
      400 + 1600 + 4_495_000 + 2e6 + 4_500_000 + 2_000_200,
    );
  });

  it("tells what only some names keep, packed and unpacked", () => {
    const own = 400 + 1600 + 2e6 + 2_000_200;
    const freed = (...names: string[]): number =>
      bytesOfNames(contents, new Set(names), { containersKeep: true });
    expect(freed("docker.io/library/web:new")).toBe(own);
    // Kubernetes' own name keeps the old one.
    expect(freed("docker.io/library/web:old")).toBe(0);
    // A container goes on using what is unpacked.
    const old = ["docker.io/library/web:old", "sha256:old-config"];
    expect(freed(...old)).toBe(400 + 1648 + 1e6);
    expect(bytesOfNames(contents, new Set(old), { containersKeep: false })).toBe(
      400 + 1648 + 1e6 + 1_000_100,
    );
    expect(freed(...old, "docker.io/library/web:new")).toBe(own + 400 + 1648 + 1e6 + 4_495_000);
  });

  it("is nothing where nothing is", () => {
    const empty = parseContents("REF TYPE\n\x1eDIGEST\tSIZE\n\x1eKEY PARENT\n\x1eKEY SIZE\n");
    expect(empty).toEqual({ names: new Map(), blobs: new Map(), snapshots: new Map() });
    expect(bytesOfNames(empty, new Set(["x"]), { containersKeep: true })).toBe(0);
  });
});
