import { mkdtemp, mkdir, realpath, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { containerBody } from "../../src/docker/target/container-body.js";
import { podVolumes, volumePlaces } from "../../src/docker/target/volumes.js";

// What a pod gets of the machine's own directories.

const pod = {
  ...{ name: "p", namespace: "n", uid: "u", labels: {}, annotations: {} },
  ...{ podIP: "10.0.0.2", serviceAccount: "default", nodeName: "docker" },
  machine: { cpus: 2, memory: 2 ** 30, address: "10.0.0.1" },
};
const find = (): undefined => undefined;

describe("a path of the machine", () => {
  let root = "";
  beforeEach(async () => {
    root = await realpath(await mkdtemp(join(tmpdir(), "devloop-paths-")));
    await mkdir(join(root, "seed/data"), { recursive: true });
    await mkdir(join(root, "other"));
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  /** The paths that a container with this mount of this hostPath gets, where only seed is allowed. */
  function sources(path: string, mount: object = {}): readonly unknown[] {
    const hostPaths = [join(root, "seed")];
    const container = { name: "c", image: "i", volumeMounts: [{ name: "v", mountPath: "/v", ...mount }] };
    const env = [{ name: "UP", value: ".." }];
    const spec = { containers: [container], volumes: [{ name: "v", hostPath: { path } }] };
    podVolumes(spec, pod, { find, hostPaths });
    const places = volumePlaces(spec, { claims: "claims", own: "own" });
    const place = {
      hold: "h",
      imageUser: "",
      places,
      hostPaths,
      mountsParts: true,
      labels: {},
      find,
      links: new Map<string, string>(),
    };
    const { body } = containerBody({ ...container, env }, spec, pod, place);
    const { HostConfig } = body as {
      readonly HostConfig: { readonly Mounts: readonly { readonly Source: string }[] };
    };
    return HostConfig.Mounts.map(({ Source }) => Source);
  }

  it("is one that is allowed, or one below it, there already or not", () => {
    const seed = join(root, "seed");
    expect(sources(seed)).toEqual([seed]);
    expect(sources(`${seed}/`, { subPath: "data" })).toEqual([join(seed, "data")]);
    expect(sources(join(seed, "new/deeper"))).toEqual([join(seed, "new/deeper")]);
    expect(() => sources(`${seed}ling`)).toThrow("which is not allowed");
  });

  it.each([
    { subPath: "../other" },
    { subPath: "data/../../other" },
    { subPathExpr: "$(UP)/other" },
    { subPath: "../../../../.." },
  ])("does not become another by $subPath$subPathExpr", (mount) => {
    expect(() => sources(join(root, "seed"), mount)).toThrow("must not contain '..'");
  });

  it("has no way up in it, and a subPath is a relative one", () => {
    expect(() => sources(`${root}/seed/../other`)).toThrow("must not contain '..'");
    expect(() => sources(join(root, "seed"), { subPath: "/data" })).toThrow("must be a relative path");
  });

  it("does not lead out by a link, whatever that leads to", async () => {
    await symlink("../other", join(root, "seed/link"));
    await symlink("/nowhere/at/all", join(root, "seed/nothing"));
    await symlink("data", join(root, "seed/inner"));
    expect(() => sources(join(root, "seed/link"))).toThrow(`a link to ${join(root, "other")}`);
    expect(() => sources(join(root, "seed"), { subPath: "link/below" })).toThrow("and that is not allowed");
    expect(() => sources(join(root, "seed/nothing"))).toThrow("a link to /nowhere/at/all");
    expect(sources(join(root, "seed/inner"))).toEqual([join(root, "seed/inner")]);
  });

  it("may be allowed by a link to it", async () => {
    await symlink("seed", join(root, "alias"));
    const hostPaths = [join(root, "alias")];
    const spec = {
      containers: [],
      volumes: [{ name: "v", hostPath: { path: join(root, "alias/data") } }],
    };
    expect(podVolumes(spec, pod, { find, hostPaths })).toEqual([]);
  });
});
