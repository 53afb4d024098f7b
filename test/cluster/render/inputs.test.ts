import path from "node:path";
import { describe, expect, it } from "vitest";
import { renderInputs } from "../../../src/cluster/render/inputs.js";
import { kustomizationInputs } from "../../../src/cluster/render/kustomization-inputs.js";

const fixtures = path.resolve(import.meta.dirname, "../../fixtures/render");
const app = path.join(fixtures, "app");

describe("what a kustomization reads", () => {
  it("is every local file of bases, components, patches, generators and plugins, existing or not", async () => {
    const { files, directories, charts } = await kustomizationInputs(path.join(app, "overlays/dev"));
    expect(files.map((file) => path.relative(app, file))).toEqual(
      [
        "base/kustomization.yaml",
        "base/names.yaml",
        "base/web.yaml",
        "components/debug/debug.yaml",
        "components/debug/kustomization.yml",
        "overlays/dev/Kustomization",
        "overlays/dev/cache-more.yaml",
        "overlays/dev/cache-values.yaml",
        "overlays/dev/crd.json",
        "overlays/dev/files/key.pem",
        "overlays/dev/files/other.conf",
        "overlays/dev/files/settings.json",
        "overlays/dev/from-transformer.yaml",
        "overlays/dev/generator.yaml",
        "overlays/dev/json-patch.yaml",
        "overlays/dev/labels.yaml",
        "overlays/dev/missing.yaml",
        "overlays/dev/old-patch.yaml",
        "overlays/dev/openapi.json",
        "overlays/dev/patch.yaml",
        "overlays/dev/replacement.yaml",
        "overlays/dev/settings.env",
        "overlays/dev/single.env",
        "validators",
      ].sort(),
    );
    expect(directories).toEqual([path.join(app, "charts-home/cache")]);
    expect(charts).toBe(true);
  });

  it("is what can be known of a file that is broken", async () => {
    const { files } = await kustomizationInputs(path.join(fixtures, "broken"));
    expect(files.map((file) => path.basename(file))).toContain("kustomization.yaml");
    expect(files.map((file) => path.basename(file))).toContain("still-known.yaml");
  });

  it("is each name a kustomization may have where there is none yet", async () => {
    const { files } = await kustomizationInputs(path.join(fixtures, "nowhere"));
    expect(files.map((file) => path.basename(file))).toEqual([
      "Kustomization",
      "kustomization.yaml",
      "kustomization.yml",
    ]);
  });
});

describe("what other deploys read", () => {
  const common = { id: "x", specHash: "x" };

  it("is a local chart and its values files", async () => {
    const helm = { ...common, kind: "helm", release: "r", set: {}, values: ["/app/values.yaml"] } as const;
    expect(await renderInputs({ ...helm, chart: "/app/chart" })).toEqual({
      files: ["/app/values.yaml"],
      directories: ["/app/chart"],
    });
    expect((await renderInputs({ ...helm, chart: "oci://example.com/chart" })).directories).toEqual([]);
  });

  it("is the directories that the patterns start from", async () => {
    const patterns = ["manifests/**/*.yaml", "{one,two}/*.json", "manifests", "app/base/web.yaml"];
    const { directories } = await renderInputs({ ...common, kind: "manifests", patterns, root: fixtures });
    expect(directories.map((each) => path.relative(fixtures, each))).toEqual([
      "app/base",
      "manifests",
      "one",
      "two",
    ]);
  });
});
