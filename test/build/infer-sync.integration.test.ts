import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { inferSync } from "../../src/build/infer-sync.js";
import { compileSync } from "../../src/engine/sync-rules.js";
import { hasNewerEngine } from "../newer-engine.js";
import { engineAnswers, outputOf, scratchBuild, type ScratchBuild } from "./scratch-build.js";

const available = await engineAnswers();

/** Each file's text is its own path, so that a copy tells where it is from. */
const contextFiles = [
  "package.json",
  "run",
  "run.sh",
  "app.js",
  "src/a.js",
  "src/b.txt",
  "src/lib/c.js",
  "src/lib/deep/d.js",
  "src/package.json",
  "lib/a.js",
  "lib/e.js",
  "conf.d/one.conf",
  "conf.d/two.conf",
  "conf.d/app.js",
];

async function context(): Promise<ScratchBuild> {
  const scratch = await scratchBuild(
    Object.fromEntries(contextFiles.map((path) => [path, `from:${path}\n`])),
  );
  await scratch.write(".dockerignore", "Dockerfile\n.dockerignore\n");
  return scratch;
}

/** What docker made of the Dockerfile: the files in the image that come from the context, and which. */
async function builtFiles(
  scratch: ScratchBuild,
  dockerfile: string,
  options: { readonly target?: string; readonly args?: Record<string, string> } = {},
): Promise<ReadonlyMap<string, string>> {
  await scratch.write("Dockerfile", dockerfile);
  const { ref } = await scratch.build(options);
  const list = 'find / -xdev -type f -size -2 -exec grep -H "^from:" {} + || true';
  const lines = (await outputOf(ref, ["sh", "-c", list])).split("\n").filter((line) => line !== "");
  return new Map(lines.map((line) => line.split(":from:") as [string, string]));
}

/** How the rules and the image differ: nothing may. Where a file is under no rule, the image is built anew, so that it is right. */
function differences(
  dockerfile: string,
  built: ReadonlyMap<string, string>,
  options: { readonly target?: string; readonly args?: Record<string, string> } = {},
): { readonly wrong: readonly string[]; readonly synced: readonly string[] } {
  const { rules, rebuild } = inferSync(dockerfile, {
    args: {},
    ...options,
    ignore: [],
    then: { kind: "nothing" },
    dockerfileName: "Dockerfile",
  });
  const map = compileSync({ rules, rebuild });
  const synced = contextFiles.filter((path) => map.targets(path).length > 0);
  const wrong = synced.flatMap((path) => {
    const inferred = [...new Set(map.targets(path).map(({ dest }) => dest))].sort();
    const real = [...built].filter(([, source]) => source === path).map(([place]) => place);
    return inferred.join() === real.sort().join()
      ? []
      : [`${path}: inferred ${inferred.join()}, docker ${real.join()}`];
  });
  return { wrong, synced };
}

const all = contextFiles.length;
const cases: readonly {
  readonly what: string;
  readonly text: string;
  /** How many files of the context are synced. */
  readonly synced: number;
  readonly options?: { readonly target?: string; readonly args?: Record<string, string> };
}[] = [
  {
    what: "packages first",
    text: "WORKDIR /app\nCOPY package*.json ./\nRUN true\nCOPY . .",
    synced: all - 1,
  },
  {
    what: "WORKDIR and variables",
    text: `ARG D=/d
ENV A=/x B=$A/y
ENV Z a  b
ARG NONE=
ENV B=\${B:-$A}/z
WORKDIR $D/w
WORKDIR v
COPY src "$A/s"
COPY ["run.sh", "/json $Z/"]
COPY app.js \${NONE:+/no}here.js
WORKDIR ..
COPY lib .`,
    synced: 8,
    options: { args: { D: "/given" } },
  },
  {
    what: "files onto directories, with slash and dot",
    text: "WORKDIR /app\nCOPY run.sh /app\nCOPY app.js /new/.\nCOPY run /one/two/\nCOPY package.json /p.json\nCOPY conf.d /app/conf",
    synced: 7,
  },
  {
    what: "patterns",
    text: "COPY *.js *.json /a/\nCOPY src/* /b/\nCOPY conf.d/[a-o]*.conf /c/\nCOPY lib/?.js /d/",
    synced: 8,
  },
  {
    what: "copies over copies",
    text: "COPY . /app\nCOPY lib /app/src\nCOPY conf.d/app.js /app/app.js\nCOPY src /app/src2\nCOPY . /app/",
    synced: 5,
  },
  { what: "a file over a directory's", text: "COPY . /app\nCOPY conf.d/app.js /app/app.js", synced: all - 1 },
  { what: "a directory over a directory's", text: "COPY . /app\nCOPY lib /app/src", synced: all - 5 },
  { what: "merged directories", text: "COPY src /app/\nCOPY lib /app/", synced: 2 },
  {
    what: "a pattern's directories elsewhere under a rule",
    text: "COPY . /all\nCOPY src/* /flat/",
    synced: all - 2,
  },
  {
    what: "a text in the Dockerfile over a file",
    text: "COPY . /app\nCOPY <<EOF /app/src/a.js\nnot from here\nEOF",
    synced: all - 1,
  },
  {
    what: "stages",
    text: "WORKDIR /w\nARG P=/p\nONBUILD COPY run.sh run/\nFROM base AS other\nCOPY lib /lib\nRUN true\nFROM base\nCOPY --from=other /lib lib\nCOPY src $P/src\nCOPY app.js .",
    synced: 6,
  },
  {
    what: "a target",
    text: "WORKDIR /w\nFROM base AS dev\nCOPY src src\nFROM base\nCOPY . .\nRUN true",
    synced: 5,
    options: { target: "dev" },
  },
  {
    what: "sources above the context and from its root",
    text: "COPY ../src /a/\nCOPY /lib /b/\nCOPY src/../conf.d /c/",
    synced: 10,
  },
  {
    what: "--link, --chmod, --chown",
    text: "COPY --link src /a\nCOPY --chmod=700 --chown=1:1 lib /b\nCOPY --link=false run.sh /c/",
    // None of lib's two: --chmod gives them another mode.
    synced: 6,
  },
  { what: "ADD", text: "ADD src /a\nADD run.sh /b/\nADD lib/*.js /c/", synced: 8 },
];

describe.skipIf(!available && !process.env["CI"])("inferred rules and what docker does", () => {
  it.runIf(hasNewerEngine).each(cases)("$what", async ({ text, synced, options }) => {
    await using scratch = await context();
    const dockerfile = `FROM busybox:1 AS base\n${text}\n`;
    const found = differences(dockerfile, await builtFiles(scratch, dockerfile, options), options);
    expect(found.wrong).toEqual([]);
    expect(found.synced).toHaveLength(synced);
  });

  it("a file onto a directory that only the base image knows: no rule", async () => {
    await using scratch = await context();
    const dockerfile = "FROM busybox:1\nCOPY run.sh /tmp\n";
    const built = await builtFiles(scratch, dockerfile);
    expect([...built.keys()]).toEqual(["/tmp/run.sh"]);
    expect(differences(dockerfile, built)).toEqual({ wrong: [], synced: [] });
  });

  it("copies at random", async () => {
    const runs = Number(process.env["DEVLOOP_RANDOM_BUILDS"] ?? 15);
    const source = fc.constantFrom(
      ".",
      "src",
      "src/",
      "lib",
      "src/lib",
      "conf.d",
      "app.js",
      "run",
      "src/*",
      "*.js",
      "src/*.js",
      "lib/a.js",
      "conf.d/app.js",
      "package.json",
    );
    const dest = fc.constantFrom(
      ".",
      "/",
      "/app",
      "/app/",
      "src",
      "./src/",
      "/app/lib",
      "/app/src/lib",
      "/app/app.js",
      "/tmp",
      "..",
      "/other/x",
    );
    const copy = fc
      .record({
        keyword: fc.constantFrom("COPY", "COPY", "COPY --link", "ADD", "COPY --from=first"),
        sources: fc.array(source, { minLength: 1, maxLength: 2 }),
        dest,
      })
      .map(({ keyword, sources, dest }) => {
        const many = sources.length > 1 && !/(\/|^\.)$/.test(dest) ? `${dest}/` : dest;
        const from = keyword.includes("--from") ? sources.map((path) => `/first/${path}`) : sources;
        return `${keyword} ${from.join(" ")} ${many}`;
      });
    const line = fc.oneof(
      { weight: 6, arbitrary: copy },
      {
        weight: 2,
        arbitrary: fc.constantFrom("WORKDIR /app", "WORKDIR sub", "ENV X=/app", "COPY lib $X/lib"),
      },
      { weight: 1, arbitrary: fc.constant("RUN true") },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(line, { minLength: 1, maxLength: 5 }), async (lines) => {
        const first = lines.some((text) => text.includes("--from"))
          ? "FROM busybox:1 AS first\nCOPY lib /first/lib\nCOPY app.js /first/\n"
          : "";
        const dockerfile = `${first}FROM busybox:1\nWORKDIR /app\n${lines.join("\n")}\n`;
        // Without a file under a rule there is nothing to see.
        fc.pre(differences(dockerfile, new Map()).synced.length > 0);
        await using scratch = await context();
        let files: ReadonlyMap<string, string>;
        try {
          files = await builtFiles(scratch, dockerfile);
        } catch {
          // Not every such file builds: a file cannot be copied over a directory.
          return;
        }
        expect(differences(dockerfile, files).wrong).toEqual([]);
      }),
      { numRuns: runs, maxSkipsPerRun: 1000, endOnFailure: true },
    );
  }, 600_000);
});
