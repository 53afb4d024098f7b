import path from "node:path";
import { describe, expect, it } from "vitest";
import { parseManifests } from "../../../src/cluster/render/parse-manifests.js";
import { renderDeploy } from "../../../src/cluster/render/render.js";

const root = path.resolve(import.meta.dirname, "../../fixtures/render");
const { signal } = new AbortController();

function render(...patterns: string[]) {
  return renderDeploy({ id: "m", specHash: "m", kind: "manifests", patterns, root }, { signal });
}

describe("manifests by pattern", () => {
  it("reads YAML and JSON, several documents and lists, each file once", async () => {
    const { objects } = await render("manifests/**/*.{yaml,yml,json}", "manifests/a.yaml");
    expect(objects.map(({ kind, metadata }) => `${kind}/${metadata.name}`)).toEqual([
      "ConfigMap/one",
      "ConfigMap/two",
      "ConfigMap/three",
      "Secret/four",
      "DaemonSet/five",
    ]);
  });

  it("reads values as Kubernetes does: 0644 is octal, yes is true, times are text", async () => {
    const { objects } = await render("manifests/**/*.{yaml,yml}");
    expect(objects[0]?.["data"]).toEqual({ time: "12:30", day: "2024-01-01" });
    expect(objects.at(-1)?.["spec"]).toEqual({ mode: 420, isOn: true });
  });

  it("takes a directory as the manifests in it", async () => {
    expect((await render("manifests")).objects).toHaveLength(3);
  });

  it("names the pattern that matches nothing", async () => {
    await expect(render("manifests/*.yaml", "nope/*.yaml")).rejects.toMatchObject({
      code: "RENDER_FAILED",
      message: expect.stringContaining("no file matches nope/*.yaml") as unknown,
    });
  });

  it("has a hash that depends on the contents alone", async () => {
    const [one, two, other] = await Promise.all([
      render("manifests"),
      render("manifests/*"),
      render("app/base/web.yaml"),
    ]);
    expect(one.hash).toBe(two.hash);
    expect(one.hash).not.toBe(other.hash);
  });
});

describe("reading manifests", () => {
  it.each([
    ["apiVersion: v1\n---\nb: [1, 2\n", "x.yaml:1: a Kubernetes object without kind"],
    ["---\n---\nb: [1, 2\n", "x.yaml:4: "],
    ["\n\nkind: Secret\nmetadata: {name: a}\n", "x.yaml:3: a Kubernetes object without apiVersion"],
    ["apiVersion: v1\nkind: Pod\n", "x.yaml:1: Pod without metadata.name"],
    ["- a\n", 'x.yaml:1: not a Kubernetes object: ["a"]'],
    ["apiVersion: v1\nkind: Pod\nkind: Pod\n", "x.yaml:3: "],
    ["apiVersion: v1\nkind: *nope\n", "x.yaml:"],
  ])("says where %j is wrong", (text, message) => {
    expect(() => parseManifests(text, "x.yaml")).toThrow(message);
  });

  it("takes the last of repeated keys where told to, as helm does", () => {
    const text = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: 1\nspec: 2\n";
    expect(parseManifests(text, "x", { repeatedKeys: true })[0]?.["spec"]).toBe(2);
    expect(parseManifests("", "x")).toEqual([]);
    expect(parseManifests("# nothing\n---\n", "x")).toEqual([]);
  });
});
