import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findBrokenYaml } from "../../../src/cluster/render/broken-yaml.js";

describe("findBrokenYaml", () => {
  let directory: string;
  const at = (name: string): string => join(directory, name);
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "devloop-broken-"));
    await writeFile(at("good.yaml"), "a: 1\n---\nb: 2\n");
    await writeFile(at("patch.yaml"), "a: 1\n---\nspec: [\n");
    await writeFile(at("kustomization.yaml"), "resources:\n - a\n b\n");
  });
  afterAll(() => rm(directory, { recursive: true }));

  it("gives the place in a file that the output names", async () => {
    const files = [at("good.yaml"), at("gone.yaml"), at("patch.yaml")];
    const found = await findBrokenYaml(files, "unable to parse good.yaml, gone.yaml or patch.yaml");
    expect(found).toMatch(/patch\.yaml:\d+:\d+: \S/);
    expect(found).toContain(at("patch.yaml").startsWith(process.cwd()) ? "patch.yaml" : at("patch.yaml"));
  });

  it("looks into a kustomization though the output does not name it", async () => {
    expect(await findBrokenYaml([at("kustomization.yaml")], "invalid Kustomization")).toMatch(
      /kustomization\.yaml:\d+:\d+: \S/,
    );
  });

  it("leaves other reasons alone: a file that is sound, one that is not named, one that is not YAML", async () => {
    expect(await findBrokenYaml([at("good.yaml")], "good.yaml: no matches for kind")).toBeUndefined();
    expect(await findBrokenYaml([at("patch.yaml")], "web.yaml: not found")).toBeUndefined();
    expect(await findBrokenYaml([at("gone.env")], "gone.env")).toBeUndefined();
  });
});
