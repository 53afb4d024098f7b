import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type BaseOptions,
  dockerfileReferences,
  projectBases,
  rewriteBases,
} from "../../src/build/dockerfile.js";
import { parseDockerfile } from "../../src/build/dockerfile-parse.js";

const plain: BaseOptions = { args: {}, contexts: {} };
const references = (text: string, args: Record<string, string> = {}, target?: string): string[] =>
  dockerfileReferences(text, { ...plain, args, ...(target === undefined ? {} : { target }) });

describe("dockerfileReferences", () => {
  it("names what the last stage needs, also through other stages, and nothing of the rest", () => {
    const text = `
FROM golang:1.22 AS build
RUN go build
FROM build AS again
FROM python:3 AS unused
FROM scratch
COPY --from=again /a /a
COPY --chown=1:1 --from=nginx:alpine /etc /etc
RUN --mount=type=cache,target=/c --mount=type=bind,from=tools/lint:2,source=/x,target=/y true
COPY --from=0 /b /b
`;
    expect(references(text)).toEqual(["golang:1.22", "nginx:alpine", "tools/lint:2"]);
    expect(references(text, {}, "unused")).toEqual(["python:3"]);
    expect(references(text, {}, "BUILD")).toEqual(["golang:1.22"]);
    expect(references(text, {}, "1")).toEqual(["golang:1.22"]);
  });
  it("fills arguments in: defaults, build arguments, defaults within defaults, quotes", () => {
    const text = `ARG REGISTRY="reg.local" TAG
ARG BASE=\${REGISTRY}/node:\${TAG:-20}
FROM --platform=$BUILDPLATFORM \${BASE}\${SUFFIX:+-slim}
ARG BASE=inside
`;
    expect(references(text)).toEqual(["reg.local/node:20"]);
    expect(references(text, { TAG: "18" })).toEqual(["reg.local/node:18"]);
    expect(references(text, { BASE: "busybox" })).toEqual(["busybox"]);
    expect(references("ARG A=x\nFROM ${B:-${A}-y}")).toEqual(["x-y"]);
    expect(references("ARG A\nFROM ${A-x}$A")).toEqual(["x"]);
  });
  it("reads continued lines, comments between them, the escape directive, lower case and Windows line ends", () => {
    expect(references("from \\\n# no\n\n  node:20 \\ \n as x\r\nrun true\n")).toEqual(["node:20"]);
    expect(references("# escape=`\r\nFROM no`\r\nde:20\r\nRUN c:\\\r\nCOPY --from=a:1 x y\r\n")).toEqual([
      "node:20",
      "a:1",
    ]);
    expect(references("# a comment\n# escape=`\nFROM a:\\\n1")).toEqual(["a:1"]);
    expect(references("\uFEFFFROM a:1")).toEqual(["a:1"]);
  });
  it("does not take what stands in a heredoc for instructions", () => {
    const text = `FROM a:1
RUN <<EOF
FROM b:1
EOF
COPY <<-"X" <<Y /dir/
FROM c:1
	X
FROM d:1
Y
RUN echo "<<Z" 'x <<W' $((1<<2))
COPY --from=e:1 / /
RUN 3<<never true
COPY --from=f:1 / /
`;
    expect(references(text)).toEqual(["a:1", "e:1", "f:1"]);
  });
  it("takes flags only where flags stand", () => {
    expect(references("FROM a\nRUN echo --mount=type=bind,from=b --from=c\nCOPY x --from=d y")).toEqual([
      "a",
    ]);
  });
  it("answers for any text", () => {
    const piece = fc.constantFrom(
      "FROM ",
      "a:1",
      " AS b",
      "\n",
      "\\\n",
      "ARG X=",
      "$",
      "${X",
      ":-",
      "}",
      '"',
      "'",
      "<<E",
      "--from=",
      "COPY ",
    );
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        const text = pieces.join("");
        expect(Array.isArray(references(text))).toBe(true);
        expect(rewriteBases(text, plain, {})).toBe(text);
      }),
    );
  });
});

describe("projectBases", () => {
  it("matches names whatever the tag, the digest or docker's own prefix", () => {
    const text = `FROM docker.io/library/base:dev AS x
FROM registry:5000/app@sha256:${"0".repeat(64)}
COPY --from=x / /
COPY --from=tool / /
`;
    const images = ["base", "registry:5000/app", "tool", "other", "x"];
    expect(projectBases(text, plain, images)).toEqual(["base", "registry:5000/app", "tool"]);
    expect(projectBases(text, { ...plain, target: "x" }, images)).toEqual(["base"]);
  });
});

describe("named contexts", () => {
  const image = (ref: string) => ({ kind: "address", address: `docker-image://${ref}` }) as const;
  it("stand in for images, in whatever form these are named, and for stages", () => {
    const text = `FROM golang AS build
RUN make
FROM runtime:latest
COPY --from=build /a /a
COPY --from=docker.io/library/assets / /assets
`;
    const contexts = {
      build: image("tools"),
      runtime: image("base:1"),
      "assets:latest": { kind: "directory", path: "/assets" },
    } as const;
    expect(dockerfileReferences(text, { ...plain, contexts })).toEqual(["base:1", "tools"]);
    expect(projectBases(text, { ...plain, contexts }, ["tools", "golang", "base", "runtime"])).toEqual([
      "tools",
      "base",
    ]);
    expect(
      rewriteBases(
        text,
        { ...plain, contexts },
        { runtime: "runtime:devloop-1", golang: "golang:devloop-2" },
      ),
    ).toBe(text.replace("FROM golang", "FROM golang:devloop-2"));
  });
});

describe("rewriteBases", () => {
  it("puts exact references in and keeps every line where it is", () => {
    const text = `ARG BASE=base
FROM \${BASE} AS build
FROM --platform=linux/amd64 ba\\
se:dev
COPY --from=build /a /a
COPY --from="tool:1" /b /b
RUN --mount=type=bind,from=tool,target=/t echo base tool
`;
    const result = rewriteBases(text, plain, { base: "base:devloop-1", tool: "tool:devloop-2" });
    expect(result).toBe(`ARG BASE=base
FROM base:devloop-1 AS build
FROM --platform=linux/amd64 \\
base:devloop-1
COPY --from=build /a /a
COPY --from="tool:devloop-2" /b /b
RUN --mount=type=bind,from=tool:devloop-2,target=/t echo base tool
`);
    expect(result.split("\n")).toHaveLength(text.split("\n").length);
  });
  it("leaves a stage alone that has an image's name", () => {
    const text = "FROM node AS base\nFROM base\nCOPY --from=base / /\n";
    expect(rewriteBases(text, plain, { base: "base:devloop-1" })).toBe(text);
  });
});

describe("parseDockerfile", () => {
  it("gives the lines of each instruction", () => {
    const { instructions } = parseDockerfile("# c\nFROM a\n\nRUN x && \\\n  y\nRUN <<E\nz\nE\nCMD []\n");
    expect(instructions.map(({ keyword, startLine, endLine }) => [keyword, startLine, endLine])).toEqual([
      ["FROM", 2, 2],
      ["RUN", 4, 5],
      ["RUN", 6, 8],
      ["CMD", 9, 9],
    ]);
  });
});
