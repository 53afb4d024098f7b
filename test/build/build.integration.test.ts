import { readdir, readFile, symlink } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { externalBaseIds } from "../../src/build/base-ids.js";
import type { DevloopError } from "../../src/lib/errors.js";
import { engine, engineAnswers, outputOf, scratchBuild } from "./scratch-build.js";

const available = await engineAnswers();
const signal = AbortSignal.timeout(120_000);

describe.skipIf(!available && !process.env["CI"])("buildImage", () => {
  it("builds, tags by content, and finds everything cached the second time", async () => {
    await using scratch = await scratchBuild({
      Dockerfile: `FROM busybox:1 AS tools
ARG WORD
WORKDIR /app
RUN echo "said $WORD" && printf 'first\\rlast \\033[2J\\033[31mred\\033[0m\\n'
FROM busybox:1
COPY --from=tools /app /app
COPY . /context
LABEL own=yes
`,
      "a.txt": String(Math.random()),
    });
    const fields = { args: { WORD: `it-${Math.random()}` }, labels: { given: "yes" } };
    const image = await scratch.build(fields);
    expect(image.imageId).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(image.ref).toBe(`devloop-scratch:devloop-${image.imageId.slice(7, 23)}`);
    expect(image.steps).toBe(5);
    expect(await engine.image(image.ref, { signal })).toMatchObject({ id: image.imageId, tags: [image.ref] });
    expect(scratch.output.join("\n")).toContain(`  said ${fields.args.WORD}\n  last \u001b[31mred\u001b[0m`);
    expect(scratch.output.join("\n")).toMatch(/^step \d\/5 COPY \. \/context \(\d+ ms\)$/m);
    expect(scratch.progress.at(-1)?.total).toBe(5);

    scratch.output.length = 0;
    const again = await scratch.build(fields);
    expect(again).toEqual({ ...image, cachedSteps: 5 });
    expect(scratch.output).toContain("step 5/5 COPY . /context (cached)");

    await scratch.write("a.txt", `changed ${Math.random()}`);
    const changed = await scratch.build(fields);
    expect(changed.imageId).not.toBe(image.imageId);
    expect(changed.cachedSteps).toBe(4);
  });

  it("sends what .dockerignore and the config leave in, with modes and links, and no Dockerfile of ours", async () => {
    await using scratch = await scratchBuild({
      Dockerfile: "FROM busybox:1\nCOPY . /context\n",
      ".dockerignore": "*.log\nDockerfile\n!kept.log\nnode_modules\n",
      "kept.log": "kept",
      "dropped.log": "dropped",
      "secret/key": "dropped",
      "node_modules/x/index.js": "dropped",
      "src/a name with ünicode.txt": "in",
    });
    await symlink("src/nowhere", join(scratch.directory, "link"));
    const { ref } = await scratch.build({ ignore: ["secret", ".dockerignore"] });
    const listed = await outputOf(ref, ["find", "/context", "-mindepth", "1"]);
    const found = listed.trim().split("\n").sort();
    expect(found.filter((path) => !path.endsWith(".devloop.Dockerfile"))).toEqual([
      "/context/kept.log",
      "/context/link",
      "/context/src",
      "/context/src/a name with ünicode.txt",
    ]);
    expect(await outputOf(ref, ["readlink", "/context/link"])).toBe("src/nowhere\n");
  });

  it("builds on another image of the project by its exact tag, from a Dockerfile outside the context", async () => {
    await using base = await scratchBuild({
      Dockerfile: `FROM busybox:1\nRUN echo ${Math.random()} > /base\n`,
    });
    const { ref } = await base.build({ name: "devloop-scratch-base" });
    await using outside = await scratchBuild({
      Dockerfile:
        "ARG FROM=devloop-scratch-base\nFROM ${FROM}:latest\nCOPY --from=devloop-scratch-base /base /again\nCOPY a /a\n",
    });
    await using scratch = await scratchBuild({ a: "a" });
    const image = await scratch.build(
      { dockerfile: join(outside.directory, "Dockerfile"), pull: true },
      { bases: { "devloop-scratch-base": ref } },
    );
    expect(await outputOf(image.ref, ["cmp", "/base", "/again"])).toBe("");
    expect(scratch.notes).toEqual([
      "pull is left out: devloop-scratch builds on devloop-scratch-base of this project",
    ]);
  });

  it("says which step failed, where, with its output", async () => {
    await using scratch = await scratchBuild({
      Dockerfile: "FROM busybox:1 AS one\nARG V=1\n\nRUN echo hello-$V; \\\n  exit 3\nFROM one\nRUN true\n",
    });
    const error = await scratch.build({ noCache: true }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "BUILD_FAILED" });
    const { message, detail } = error as DevloopError;
    expect(message).toBe(
      `devloop-scratch: step "RUN echo hello-1; exit 3" failed (exit code 3) at ${scratch.directory}/Dockerfile:4`,
    );
    expect(detail).toBe(`hello-1

  2 | ARG V=1
  3 | 
> 4 | RUN echo hello-$V; \\
> 5 |   exit 3
  6 | FROM one
  7 | RUN true`);
  });

  it.each([
    [
      "FROM nosuch.invalid/thing:1\n",
      "BASE_IMAGE_MISSING",
      /base image nosuch.invalid\/thing:1 at .*Dockerfile:1: it is not in the engine/,
    ],
    [
      "FROM busybox:1\nCOPY --from=nosuch.invalid/x / /\n",
      "BASE_IMAGE_MISSING",
      /base image nosuch.invalid\/x\S* at .*Dockerfile:2/,
    ],
    ["FROM busybox:1\nRUNN true\n", "DOCKERFILE_INVALID", /Dockerfile:2: unknown instruction: RUNN/],
    ["FROM busybox:1\nCOPY x\n", "DOCKERFILE_INVALID", /Dockerfile:2: COPY requires at least two arguments/],
    ["\n", "DOCKERFILE_INVALID", /Dockerfile: file with no instructions/],
    [
      "FROM busybox:1\nCOPY src/gone.txt /\n",
      "BUILD_FAILED",
      /"COPY src\/gone.txt \/" failed at .*Dockerfile:2: src\/gone.txt is not in the build context/,
    ],
    [
      "FROM busybox:1\nCOPY left.out /\n",
      "BUILD_FAILED",
      /Dockerfile:2: left.out is kept out of the build context by .dockerignore or `ignore` \(pattern \*.out\)/,
    ],
    [
      "FROM busybox:1 AS a\nFROM busybox:1\nCOPY --from=a /gone /\n",
      "BUILD_FAILED",
      /Dockerfile:3: \/gone is not in a$/,
    ],
  ])("explains %j", async (dockerfile, code, message) => {
    await using scratch = await scratchBuild({
      Dockerfile: dockerfile,
      ".dockerignore": "*.out\n",
      "left.out": "",
    });
    const error = await scratch.build().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) as string });
    expect((error as DevloopError).hint).toBeDefined();
  });

  it("names the stages there are when the target is none of them", async () => {
    await using scratch = await scratchBuild({ Dockerfile: "FROM busybox:1 AS one\nFROM one AS two\n" });
    await expect(scratch.build({ target: "tow" })).rejects.toMatchObject({
      code: "DOCKERFILE_INVALID",
      hint: "its stages: one, two",
    });
  });

  it("names a Dockerfile or a context that is not there", async () => {
    await using scratch = await scratchBuild({ Dockerfile: "FROM busybox:1\n" });
    const gone = join(scratch.directory, "gone");
    await expect(scratch.build({ dockerfile: gone })).rejects.toMatchObject({ code: "DOCKERFILE_INVALID" });
    await expect(scratch.build({ context: gone })).rejects.toMatchObject({ code: "CONTEXT_UNREADABLE" });
  });

  it("stops the build in the engine when it is aborted", async () => {
    const marker = `${30_000 + Math.floor(Math.random() * 30_000)}`;
    await using scratch = await scratchBuild({ Dockerfile: `FROM busybox:1\nRUN sleep ${marker}\n` });
    const controller = new AbortController();
    const build = scratch.build({ noCache: true }, { signal: controller.signal });
    const settled = build.catch((error: unknown) => error);
    await vi.waitFor(
      async () => {
        expect(await sleepers(marker)).not.toEqual([]);
      },
      { timeout: 30_000 },
    );
    const reason = new Error("a newer edit");
    const abortedAt = Date.now();
    controller.abort(reason);
    expect(await settled).toBe(reason);
    await vi.waitFor(
      async () => {
        expect(await sleepers(marker)).toEqual([]);
      },
      { timeout: 2000, interval: 20 },
    );
    expect(Date.now() - abortedAt).toBeLessThan(2000);
  });

  it("builds many at the same time", async () => {
    await using scratch = await scratchBuild({
      Dockerfile: "FROM busybox:1\nARG N\nCOPY a /a\nLABEL n=$N\n",
      a: "a",
    });
    const numbers = Array.from({ length: 12 }, (_, index) => String(index));
    const built = await Promise.all(numbers.map((N) => scratch.build({ args: { N } })));
    expect(new Set(built.map(({ imageId }) => imageId)).size).toBe(numbers.length);
  });

  it("finds the ids of base images in the engine", async () => {
    const ids = await externalBaseIds(
      "ARG T=1\nFROM busybox:$T\nCOPY --from=nosuch.invalid/x / /\n",
      { args: {} },
      engine,
      { signal },
    );
    expect(ids).toEqual({
      "busybox:1": expect.stringMatching(/^sha256:/) as string,
      "nosuch.invalid/x": undefined,
    });
  });
});

/** Processes on this machine that sleep for so long; needs the engine on it. */
async function sleepers(seconds: string): Promise<string[]> {
  const processes = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(
    processes.map((id) => readFile(`/proc/${id}/cmdline`, "utf8").catch(() => "")),
  );
  return lines.filter((line) => line.includes(`sleep\0${seconds}`) || line.includes(`sleep ${seconds}`));
}
