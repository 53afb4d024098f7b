import { createHash } from "node:crypto";
import { execFile } from "node:child_process";
import { mkdtemp, rename, rm, symlink, truncate, utimes } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it, vi } from "vitest";
import { externalBaseIds } from "../../src/build/base-ids.js";
import type { DevloopError } from "../../src/lib/errors.js";
import { engine, engineAnswers, outputOf, scratchBuild } from "./scratch-build.js";
import { hasNewerEngine } from "../newer-engine.js";
import { sleeping } from "../e2e/processes.js";
import { eventually } from "../eventually.js";

const available = await engineAnswers();
// Ends what would wait for ever; the whole file runs by it.
const signal = AbortSignal.timeout(600_000);

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
    expect(found).toEqual([
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
      { dockerfile: { kind: "file", path: join(outside.directory, "Dockerfile") }, pullBases: true },
      { bases: { "devloop-scratch-base": ref } },
    );
    expect(await outputOf(image.ref, ["cmp", "/base", "/again"])).toBe("");
    expect(scratch.notes).toEqual([
      "pullBases is left out: devloop-scratch builds on devloop-scratch-base of this project",
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

  it.runIf(hasNewerEngine).each([
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
    await expect(scratch.build({ dockerfile: { kind: "file", path: gone } })).rejects.toMatchObject({
      code: "DOCKERFILE_INVALID",
    });
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
        expect(await sleeping(marker)).not.toEqual([]);
      },
      { timeout: 30_000 },
    );
    const reason = new Error("a newer edit");
    controller.abort(reason);
    expect(await settled).toBe(reason);
    await vi.waitFor(
      async () => {
        expect(await sleeping(marker)).toEqual([]);
      },
      { timeout: 30_000, interval: 20 },
    );
  });

  it.runIf(hasNewerEngine)(
    "gives a step its secrets and its SSH agent, which leave no trace in image or output",
    async () => {
      await using scratch = await scratchBuild({
        Dockerfile: `FROM node:20-bookworm-slim AS fetch
RUN --mount=type=secret,id=token --mount=type=secret,id=file,target=/file cat /run/secrets/token /file | sha256sum > /seen
RUN --mount=type=ssh node -e 'require("net").connect(process.env.SSH_AUTH_SOCK).on("data", (text) => { console.log(text + ""); process.exit() }).write("hello")'
FROM busybox:1
COPY --from=fetch /seen /seen
`,
      });
      const directory = await mkdtemp(join(tmpdir(), "devloop-agent-"));
      const agent = createServer((socket) => {
        socket.on("data", (data) => socket.write(`the agent heard ${data.toString()}`));
        socket.on("error", () => undefined);
      });
      const socket = join(directory, "agent");
      await new Promise<void>((resolve) => agent.listen(socket, resolve));
      const value = `s3cret-${Math.random()}`;
      const secrets = new Map([
        ["token", Buffer.from(value)],
        ["file", Buffer.from("in a file\n")],
      ]);
      try {
        const { ref } = await scratch.build(
          { ssh: { default: null }, noCache: true },
          { secrets, agent: socket },
        );
        const expected = createHash("sha256").update(`${value}in a file\n`).digest("hex");
        expect(await outputOf(ref, ["cat", "/seen"])).toContain(expected);
        expect(scratch.output.join("\n")).toContain("the agent heard hello");
      } finally {
        agent.close();
        await rm(directory, { recursive: true });
      }
      for (const [mount, key] of [
        ["type=secret,id=token,required=true", "secrets: { token:"],
        ["type=ssh,required=true", "ssh: [default]"],
      ] as const) {
        const text = `FROM busybox:1\nRUN --mount=${mount} true\n`;
        await expect(scratch.build({ dockerfile: { kind: "inline", text } })).rejects.toMatchObject({
          code: "BUILD_FAILED",
          hint: expect.stringContaining(key) as string,
        });
      }
      const key = join(scratch.directory, "Dockerfile");
      await expect(scratch.build({ ssh: { default: key } })).rejects.toMatchObject({
        message: `devloop-scratch: ssh default: ${key} is no agent's socket`,
      });
    },
  );

  it.runIf(hasNewerEngine)(
    "finds named contexts: directories with their own .dockerignore, images, and images of the project",
    async () => {
      await using assets = await scratchBuild({
        "logo.txt": "logo",
        "draft.txt": "x",
        ".dockerignore": "draft*",
      });
      await using base = await scratchBuild({ Dockerfile: "FROM busybox:1\nRUN echo own > /own\n" });
      const own = await base.build({ name: "devloop-scratch-own" });
      await using scratch = await scratchBuild({});
      const image = await scratch.build(
        {
          dockerfile: {
            kind: "inline",
            text: `FROM runtime
COPY --from=assets / /assets
COPY --from=own /own /own
`,
          },
          contexts: {
            assets: { kind: "directory", path: assets.directory },
            runtime: { kind: "address", address: "docker-image://busybox:1" },
            own: { kind: "address", address: "docker-image://devloop-scratch-own" },
          },
        },
        { bases: { "devloop-scratch-own": own.ref } },
      );
      expect(await outputOf(image.ref, ["ls", "-A", "/assets"])).toBe(".dockerignore\nlogo.txt\n");
      expect(await outputOf(image.ref, ["cat", "/own"])).toBe("own\n");
    },
  );

  it("sends a file again whose bytes changed while its size and time did not", async () => {
    await using scratch = await scratchBuild({
      Dockerfile: "FROM busybox:1\nCOPY page /page\n",
      page: "old",
    });
    const page = join(scratch.directory, "page");
    await utimes(page, 1_000_000, 1_000_000);
    await scratch.build();
    await scratch.write("other", "new");
    await utimes(join(scratch.directory, "other"), 1_000_000, 1_000_000);
    await rename(join(scratch.directory, "other"), page);
    const { ref } = await scratch.build();
    expect(await outputOf(ref, ["cat", "/page"])).toBe("new");
    expect(await outputOf(ref, ["stat", "-c", "%Y", "/page"])).toBe("1000000\n");
  });

  it("reaches the engine's host by name, and says when steps are emulated", async () => {
    const text = "FROM busybox:1\nRUN grep -w me /etc/hosts && grep -w v6 /etc/hosts\n";
    await using scratch = await scratchBuild({});
    const dockerfile = { kind: "inline", text } as const;
    await scratch.build({ dockerfile, extraHosts: ["me:host-gateway", "v6:2001:db8::1"], noCache: true });
    expect(scratch.output.join("\n")).toMatch(/^ {2}\d+\.\d+\.\d+\.\d+\s+me\n {2}2001:db8::1\s+v6$/m);
    expect(scratch.notes).toEqual([]);
    // No base image needs to be there for it.
    const empty = { kind: "inline", text: "FROM scratch\nCOPY a /a\n" } as const;
    await scratch.write("a", "a");
    await scratch.build({ dockerfile: empty, platform: "linux/s390x" });
    expect(scratch.notes).toEqual([
      expect.stringMatching(
        /^devloop-scratch is built for linux\/s390x by an engine of linux\/\w+: its RUN steps are emulated/,
      ),
    ]);
  });

  it("sends what is odd in a context, and says what cannot be sent", async () => {
    await using scratch = await scratchBuild({ "in/a": "a" });
    await symlink("/etc/hostname", join(scratch.directory, "in/absolute"));
    await symlink("../../../../etc", join(scratch.directory, "in/up"));
    await symlink("missing", join(scratch.directory, "in/broken"));
    await promisify(execFile)("mkfifo", [join(scratch.directory, "in/pipe")]);
    // Sparse: 5 GB that take no room, here or in a step that only asks for the size.
    await scratch.write("huge", "");
    await truncate(join(scratch.directory, "huge"), 5_000_000_000);
    const text = "FROM busybox:1\nCOPY in /in\n";
    const { ref } = await scratch.build({ dockerfile: { kind: "inline", text } });
    expect(
      await outputOf(ref, [
        "sh",
        "-c",
        "cd /in && ls && for link in absolute up broken; do readlink $link; done",
      ]),
    ).toBe("a\nabsolute\nbroken\nup\n/etc/hostname\n../../../../etc\nmissing\n");
    expect(scratch.notes).toEqual(["left out of the build context, neither file nor link: in/pipe"]);
  });

  it("makes no attestations unless asked, and none where the image store has no place for them", async () => {
    await using scratch = await scratchBuild({ Dockerfile: "FROM busybox:1\nLABEL attested=maybe\n" });
    const ask = () => scratch.build({}, { attest: ["provenance"] });
    if ((await engine.imageStore({ signal })) === "containerd") {
      const [plain, attested] = await Promise.all([scratch.build(), ask()]);
      expect(attested.imageId).not.toBe(plain.imageId);
    } else {
      await expect(ask()).rejects.toMatchObject({
        message: "devloop-scratch: this engine's image store has no place for attestations",
      });
    }
  });

  it("ends also where BuildKit's answer is too long for a header, as a long Dockerfile makes it", async () => {
    const marker = `${30_000 + Math.floor(Math.random() * 30_000)}`;
    const comments = `# ${"x".repeat(78)}\n`.repeat(900);
    await using scratch = await scratchBuild({});
    const build = (step: string, options = {}) =>
      scratch.build(
        { dockerfile: { kind: "inline", text: `FROM busybox:1\n${comments}RUN ${step}\n` } },
        options,
      );
    await expect(build("echo why; exit 3")).rejects.toMatchObject({
      code: "BUILD_FAILED",
      message: expect.stringContaining("(exit code 3)") as string,
      detail: expect.stringContaining("why") as string,
    });
    const controller = new AbortController();
    const settled = build(`sleep ${marker}`, { signal: controller.signal }).catch((error: unknown) => error);
    await eventually(async () => {
      expect(await sleeping(marker)).not.toEqual([]);
    });
    const reason = new Error("a newer edit");
    controller.abort(reason);
    expect(await settled).toBe(reason);
    expect(await sleeping(marker)).toEqual([]);
  });

  it.runIf(hasNewerEngine)("takes as many ignored and copied paths as a large repository has", async () => {
    const names = Array.from({ length: 400 }, (_, index) => `package-${index}.json`);
    const rules = Array.from({ length: 3000 }, (_, index) => `/some/ignored/directory/number-${index}`);
    const files = Object.fromEntries(names.map((name) => [name, name]));
    await using scratch = await scratchBuild({
      ...files,
      ".dockerignore": rules.join("\n"),
      Dockerfile: `FROM busybox:1\nCOPY ${names.join(" ")} /some/\nCOPY . /all\n`,
    });
    const { ref } = await scratch.build();
    expect(await outputOf(ref, ["sh", "-c", "ls /some | wc -l; ls /all | wc -l"])).toBe("400\n401\n");
  });

  it("copies a link that leads to the context itself, and files older than 1970", async () => {
    await using scratch = await scratchBuild({ Dockerfile: "FROM busybox:1\nCOPY self /self\n", a: "a" });
    await symlink(".", join(scratch.directory, "self"));
    await utimes(join(scratch.directory, "a"), -1_000_000, -1_000_000);
    const { ref } = await scratch.build();
    expect(await outputOf(ref, ["cat", "/self/a"])).toBe("a");
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
      { args: {}, contexts: {} },
      engine,
      { signal },
    );
    expect(ids).toEqual({
      "busybox:1": expect.stringMatching(/^sha256:/) as string,
      "nosuch.invalid/x": undefined,
    });
  });
});
