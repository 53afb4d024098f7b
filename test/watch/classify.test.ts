import { expect, it } from "vitest";
import { printExplanation } from "../../src/commands/explain.js";
import { explainPath } from "../../src/watch/classify.js";
import { compileScope } from "../../src/watch/scope.js";
import { TempTree } from "./rig.js";

it("says for each scope what a change of a path does, and which line excludes it", () => {
  using tree = new TempTree();
  const ignoreFile = tree.write("app/.dockerignore", "# built\ndist\n!dist/keep\n");
  const dockerfile = tree.path("app/Dockerfile");
  const scopes = [
    {
      id: "image:app",
      trees: [{ root: tree.path("app"), ignore: ["*.md", "Dockerfile"], ignoreFiles: [ignoreFile] }],
      files: [dockerfile],
    },
    {
      id: "deploy:k8s/dev",
      trees: [{ root: tree.path("k8s"), ignore: [], ignoreFiles: [] }],
      files: [tree.path("app/README.md")],
    },
    { id: "config", trees: [], files: [tree.path("devloop.yaml")] },
  ].map(compileScope);
  const explain = (name: string) => explainPath(tree.path(name), scopes);

  expect(explain("app/src/a.js")).toEqual([
    { id: "image:app", effect: "rebuild", why: `it lies in ${tree.path("app")}`, tree: tree.path("app") },
  ]);
  expect(explain("app/dist/a.js")).toEqual([
    { id: "image:app", effect: "ignored", why: `"dist" excludes it (${ignoreFile}:2)` },
  ]);
  expect(explain("app/dist/keep/a.js")[0]?.why).toContain(`brought back by "!dist/keep" (${ignoreFile}:3)`);
  expect(explain("app/README.md")).toEqual([
    { id: "image:app", effect: "ignored", why: `"*.md" excludes it (ignore in devloop.yaml)` },
    { id: "deploy:k8s/dev", effect: "render", why: "it is one of the files that are read by name" },
  ]);
  expect(explain("app/Dockerfile")[0]?.effect).toBe("rebuild");
  expect(explain("app/.dockerignore")[0]?.why).toContain("its patterns say what in");
  expect(explain("app/.a.js.swp")[0]).toMatchObject({ effect: "ignored" });
  expect(explain("app/.git/HEAD")[0]).toMatchObject({ effect: "ignored" });
  expect(explain("devloop.yaml")).toMatchObject([{ id: "config", effect: "reload config" }]);
  expect(explain("elsewhere")).toEqual([]);

  expect(printExplanation("elsewhere", [])).toEqual(["elsewhere: no image, deploy or config depends on it"]);
  expect(printExplanation("app/README.md", explain("app/README.md"))).toEqual([
    "app/README.md: a change of it does this",
    "  deploy k8s/dev: render, because it is one of the files that are read by name",
    `  image app: nothing, "*.md" excludes it (ignore in devloop.yaml)`,
  ]);
});
