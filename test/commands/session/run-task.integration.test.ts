import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { makeTree, type SyncTree } from "../../../src/cluster/sync/tree.js";
import { createManifestStore } from "../../../src/commands/session/manifests.js";
import { rememberedBuilds } from "../../../src/commands/session/remembered-builds.js";
import { taskRunner, type TaskAdapters } from "../../../src/commands/session/run-task.js";
import { openSyncTrees } from "../../../src/commands/session/sync-trees.js";
import type { BuildOutput } from "../../../src/engine/task.js";
import { compileSync } from "../../../src/engine/sync-rules.js";
import { api, docker, engine, engineAnswers, outputOf, scratchBuild } from "../../build/scratch-build.js";

const rules = [{ src: "src", dest: "/src", ignore: [], then: { kind: "nothing" } as const }];

function treeOf(context: string, revision: string): SyncTree {
  const source = { revision, context, rules, notes: [], map: compileSync({ rules, rebuild: [] }) };
  return makeTree(source, [["src/a", { kind: "file", fingerprint: `0 ${revision}` }]]);
}

/**
 * Builds an image at revision "one" of its synced files. Of the edits, the first comes once the build has begun and BuildKit has
 * not yet asked for the files, the others before it ends.
 */
async function build(...edits: readonly string[]) {
  await using scratch = await scratchBuild({
    Dockerfile: `FROM busybox:1\nLABEL stamp=${process.pid}-${Date.now()}\nCOPY src /src\n`,
    "src/a": "one",
  });
  const env = { XDG_STATE_HOME: join(scratch.directory, ".state") };
  const image = scratch.spec({ platform: `linux/${process.arch === "arm64" ? "arm64" : "amd64"}` });
  const trees = openSyncTrees(scratch.directory, env);
  const edit = (text: string | undefined): void => {
    if (text === undefined) return;
    writeFileSync(join(scratch.directory, "src/a"), text);
    trees.set(image.name, treeOf(scratch.directory, text));
  };
  trees.set(image.name, treeOf(scratch.directory, "one"));
  const [first, ...others] = edits;
  let begun = false;
  const remembered = rememberedBuilds(scratch.directory, env);
  const adapters: Omit<TaskAdapters, "target" | "syncer"> = {
    project: "scratch",
    engine: { engine, docker, api, credentials: () => Promise.resolve(undefined) },
    manifests: createManifestStore(),
    remembered,
    trees: {
      ...trees,
      // Asked for twice: what is to be built, and what may have come in meanwhile.
      get(name) {
        if (begun) others.forEach(edit);
        const now = trees.get(name);
        if (!begun) edit(first);
        begun = true;
        return now;
      },
    },
    attest: [],
    variable: () => undefined,
    onSecrets: () => undefined,
  };
  const run = taskRunner(adapters as TaskAdapters);
  const key = "basis|one";
  const output = (await run(
    {
      ...{ id: `build:${image.name}`, key, attempt: 1 },
      input: { kind: "build", image, bases: {}, synced: "one", basis: "basis" },
    },
    {
      ...{ onProgress: () => undefined, onOutput: () => undefined, onNote: () => undefined },
      signal: AbortSignal.timeout(240_000),
    },
  )) as BuildOutput;
  await using _image = { [Symbol.asyncDispose]: () => docker.getImage(output.ref).remove() };
  return {
    ...{ synced: output.synced, holds: await outputOf(output.ref, ["cat", "/src/a"]) },
    remembered: await remembered.findForAnyPlatform(image.name, { key }),
  };
}

describe.skipIf(!(await engineAnswers()))("the build of an image whose files are synced", () => {
  it("is of the revision it was built from, and remembered by it", async () => {
    const { synced, holds, remembered } = await build();
    expect(holds).toBe("one");
    expect(synced).toBe("one");
    expect(remembered).toMatchObject({ synced: "one" });
  });

  it("is of no revision when they changed meanwhile, even where they changed back", async () => {
    const { synced, holds, remembered } = await build("two", "one");
    expect(holds).toBe("two");
    expect(synced).toBeUndefined();
    expect(remembered).toBeUndefined();
  });
});
