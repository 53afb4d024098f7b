import { describe, expect, it } from "vitest";
import { familiarName, readBuildTag, repositoryOf } from "../../../src/cluster/disk/build-tag.js";

const digits = "0123456789abcdef";
const id = `sha256:${digits.repeat(4)}`;
const tag = `devloop-${digits}`;

describe("a name that devloop gave", () => {
  it.each([
    [`web:${tag}`, "docker.io/library/web"],
    [`docker.io/library/web:${tag}`, "docker.io/library/web"],
    [`acme/web:${tag}`, "docker.io/acme/web"],
    [`localhost:5000/acme/web:${tag}`, "localhost:5000/acme/web"],
  ])("%s is proven by the image's id", (ref, repository) => {
    expect(readBuildTag(ref, ["sha256:other", id])).toEqual({ repository, tag });
    expect(repositoryOf(ref)).toBe(repository);
  });

  it.each([
    ["web:latest", [id]],
    [`web:${tag}`, [`sha256:${"f".repeat(64)}`]],
    [`web:${tag}`, []],
    [`web:${tag}0`, [id]],
    [`web:my-${tag}`, [id]],
    [`web@${id}`, [id]],
    [id, [id]],
  ])("%s of %j is somebody else's", (ref, ids) => {
    expect(readBuildTag(ref, ids)).toBeUndefined();
  });

  it("is shown as people write it", () => {
    expect(familiarName("docker.io/library/web")).toBe("web");
    expect(familiarName("docker.io/acme/web")).toBe("acme/web");
    expect(familiarName("ghcr.io/acme/web")).toBe("ghcr.io/acme/web");
  });
});
