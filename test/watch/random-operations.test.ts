import fc from "fast-check";
import { existsSync, mkdirSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { expect, it } from "vitest";
import { scanScopes, type WatchScope } from "../../src/watch/watcher.js";
import { scopeOf, TempTree, until, WatchRig } from "./rig.js";

const names = ["a", "b", "node_modules", ".dockerignore"];
const path = fc
  .array(fc.constantFrom(...names), { minLength: 1, maxLength: 3 })
  .map((parts) => parts.join("/"));
const operation = fc.oneof(
  fc.record({
    kind: fc.constant("write" as const),
    path,
    content: fc.constantFrom("", "a", "b", "node_modules\n!**/b", "*"),
  }),
  fc.record({ kind: fc.constant("remove" as const), path }),
  fc.record({ kind: fc.constant("rename" as const), path, to: path }),
  fc.record({ kind: fc.constant("link" as const), path, to: path }),
  fc.record({ kind: fc.constant("mkdir" as const), path }),
  fc.record({ kind: fc.constant("pause" as const), path }),
);

it("after any operations knows the same as a scan from nothing", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { minLength: 1, maxLength: 40 }), async (operations) => {
      using tree = new TempTree();
      const root = tree.path("root");
      const scopes: WatchScope[] = [
        scopeOf("image:all", root),
        scopeOf("image:rules", root, {
          ignore: ["node_modules", "!node_modules/a"],
          ignoreFiles: [`${root}/.dockerignore`],
        }),
        scopeOf("image:inner", `${root}/a`, { files: [`${root}/b/a`, `${root}/b`] }),
      ];
      await using rig = await WatchRig.start(scopes);
      for (const { kind, ...operation } of operations) {
        const at = `${root}/${operation.path}`;
        try {
          if (kind === "write") {
            mkdirSync(dirname(at), { recursive: true });
            writeFileSync(at, "content" in operation ? operation.content : "");
          } else if (kind === "remove") rmSync(at, { recursive: true, force: true });
          else if (kind === "rename" && "to" in operation) renameSync(at, `${root}/${operation.to}`);
          else if (kind === "link" && "to" in operation) symlinkSync(`${root}/${operation.to}`, at);
          else if (kind === "mkdir") mkdirSync(at, { recursive: true });
          else await new Promise((resolve) => setTimeout(resolve, 15));
        } catch {
          // An operation that cannot be done here is none.
        }
      }
      const expected = await scanScopes(scopes, { signal: new AbortController().signal });
      const wanted = expected.map(({ id, revision }) => `${id} ${revision}`);
      await until(
        () => scopes.map(({ id }) => `${id} ${rig.revision(id)}`).join() === wanted.join(),
        () =>
          `the revisions of a fresh scan; root ${existsSync(root) && statSync(root).isDirectory() ? "is there" : "is not there"}`,
      );
      expect(rig.problems.filter(({ code }) => code === "INTERNAL")).toEqual([]);
    }),
    { numRuns: 60, interruptAfterTimeLimit: 60_000, endOnFailure: false },
  );
}, 180_000);
