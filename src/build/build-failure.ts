import { lstat } from "node:fs/promises";
import { join, relative } from "node:path";
import type { ImageSpec } from "../engine/project.js";
import { DevloopError } from "../lib/errors.js";
import type { IgnoreMatcher } from "../lib/ignore-file.js";
import { nearest } from "../lib/nearest.js";
import { type Instruction, parseDockerfile } from "./dockerfile-parse.js";
import type { BuildStep } from "./steps.js";

interface FailedBuild {
  readonly image: ImageSpec;
  /** The Dockerfile's text; lines are counted in it. */
  readonly dockerfile: string;
  readonly ignore: IgnoreMatcher;
  readonly steps: readonly BuildStep[];
}

/** BuildKit's error in the user's words: which step, where in the Dockerfile, its last output, what to do. */
export async function buildFailure(error: string, build: FailedBuild): Promise<DevloopError> {
  const step = build.steps.findLast(
    ({ error: failed }) => failed !== undefined && !/context canceled/.test(failed),
  );
  return (
    invalidDockerfile(error, build) ??
    missingBase(error, step, build) ??
    (await missingSource(error, step, build)) ??
    failedStep(error, step, build)
  );
}

function invalidDockerfile(error: string, build: FailedBuild): DevloopError | undefined {
  const syntax = /dockerfile parse error(?: on)? line (\d+): (.*)/is.exec(error);
  const words =
    syntax?.[2] ??
    /(?:target stage .* could not be found|file with no instructions|the Dockerfile .*cannot be empty|circular dependency.*|no build stage in current context|failed to parse (?:stage name|platform) .*|base name .* should not be blank)/is.exec(
      error,
    )?.[0];
  if (words === undefined) return undefined;
  const line = syntax ? Number(syntax[1]) : lineIn(error);
  const { name } = build.image;
  return new DevloopError("DOCKERFILE_INVALID", `${name}: ${place(build, line)}: ${words.trim()}`, {
    hint: suggestion(words, build.dockerfile),
    detail: line === undefined ? undefined : excerpt(build.dockerfile, line, line),
  });
}

const keywords = [
  ...[
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
  ],
  ...["ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"],
];

function suggestion(words: string, dockerfile: string): string {
  const unknown = /unknown instruction: (\S+)/i.exec(words)?.[1];
  if (unknown !== undefined && !/did you mean/i.test(words)) {
    const close = nearest(unknown.toUpperCase(), keywords);
    return close === undefined
      ? "a RUN that goes on over lines needs a \\ at each line's end"
      : `did you mean ${close}?`;
  }
  if (/target stage/i.test(words)) {
    const stages = [...dockerfile.matchAll(/^\s*FROM\s.*\sAS\s+(\S+)/gim)].map((match) => match[1]);
    return stages.length === 0 ? "the Dockerfile names no stage" : `its stages: ${stages.join(", ")}`;
  }
  return "mend the Dockerfile; saving it builds again";
}

function missingBase(
  error: string,
  step: BuildStep | undefined,
  build: FailedBuild,
): DevloopError | undefined {
  const ref =
    /^\[internal\] load metadata for (\S+)/.exec(step?.name ?? "")?.[1] ??
    /failed to resolve source metadata for ([^\s:]+(?::[^\s:]+)?)/.exec(error)?.[1] ??
    /^resolve image config for (?:docker-image:\/\/)?(\S+)/.exec(step?.name ?? "")?.[1];
  if (ref === undefined) return undefined;
  const words = step?.error ?? error;
  const familiar = ref.replace(/^docker\.io\/(?:library\/)?/, "");
  const short = build.dockerfile.includes(familiar) ? familiar : familiar.replace(/:latest$/, "");
  // Not only instructions name images: a `# syntax=` line does too.
  const named = build.dockerfile.split("\n").findIndex((text) => text.includes(short));
  const line = lineIn(error) ?? (named === -1 ? undefined : named + 1);
  const [why, hint] = whyMissing(words, short);
  return new DevloopError(
    "BASE_IMAGE_MISSING",
    `${build.image.name}: base image ${short} at ${place(build, line)}: ${why}`,
    {
      hint,
      detail: words,
    },
  );
}

function whyMissing(words: string, ref: string): readonly [why: string, hint: string] {
  const host = /^[^/]*[.:][^/]*(?=\/)/.exec(ref)?.[0];
  if (/no match for platform|no matching manifest/i.test(words)) {
    return [
      "there is none for this platform",
      "set the image's `platform`, or name a base image that has it",
    ];
  }
  if (
    /no such host|i\/o timeout|connection refused|network is unreachable|server misbehaving|TLS handshake|proxyconnect|deadline exceeded|EOF/i.test(
      words,
    )
  ) {
    return [
      "it is not in the engine, and its registry does not answer",
      `is this machine online? docker pull ${ref}`,
    ];
  }
  if (/denied|unauthorized|authorization|403/i.test(words)) {
    return [
      "it does not exist, or needs a login",
      `is the name right? docker login${host ? ` ${host}` : ""}`,
    ];
  }
  return [
    "it does not exist",
    "are name and tag right? an image of this project must be in devloop.yaml to be built first",
  ];
}

async function missingSource(
  error: string,
  step: BuildStep | undefined,
  build: FailedBuild,
): Promise<DevloopError | undefined> {
  if (!step || !/^(COPY|ADD)\b/.test(step.instruction)) return undefined;
  const words = step.error ?? error;
  const missing =
    /"\/?([^"]+)": not found/.exec(words)?.[1] ??
    /lstat (?:\/\S*?\/buildkit-mount\d+|\/tmp\/buildkit-mount\d+)?\/?([^\s:]+): no such file/.exec(
      words,
    )?.[1];
  if (missing === undefined) return undefined;
  // BuildKit may name only the first directory that is missing.
  const path = step.instruction.split(" ").find((source) => source.startsWith(`${missing}/`)) ?? missing;
  const from = /--from=(\S+)/.exec(step.instruction)?.[1];
  const { line, endLine } = locate(step, error, build);
  const exists = from === undefined && (await isThere(join(build.image.context, path)));
  const verdict = from === undefined ? build.ignore.explain(path) : undefined;
  const rule = verdict?.pattern === undefined ? "" : ` (pattern ${verdict.pattern})`;
  const [why, hint] = verdict?.ignored
    ? [
        `${path} is kept out of the build context by .dockerignore or \`ignore\`${rule}`,
        `let it in with a line !${path}`,
      ]
    : from !== undefined
      ? [`/${path} is not in ${from}`, "does an earlier step of that stage make it?"]
      : exists
        ? [`${path} was not there when the context was sent`, "save again"]
        : [
            `${path} is not in the build context ${build.image.context}`,
            "paths in COPY are relative to the context",
          ];
  return new DevloopError(
    "BUILD_FAILED",
    `${build.image.name}: "${step.instruction}" failed at ${place(build, line)}: ${why}`,
    {
      hint,
      detail: line === undefined ? words : excerpt(build.dockerfile, line, endLine ?? line),
    },
  );
}

async function isThere(path: string): Promise<boolean> {
  return await lstat(path).then(
    () => true,
    () => false,
  );
}

const shownLines = 30;

function failedStep(error: string, step: BuildStep | undefined, build: FailedBuild): DevloopError {
  const { name } = build.image;
  if (!step) {
    return new DevloopError("BUILD_FAILED", `${name}: the build failed: ${firstLine(error)}`, {
      hint: hintFor(error),
      detail: error.includes("\n") ? error : undefined,
    });
  }
  const words = step.error ?? error;
  const code = /exit code: (\d+)/.exec(words)?.[1];
  const { line, endLine } = locate(step, error, build);
  const what = step.instruction || step.name;
  const why = code === undefined ? `: ${firstLine(words)}` : "";
  const detail = [
    ...step.lines.slice(-shownLines),
    ...(line === undefined ? [] : ["", excerpt(build.dockerfile, line, endLine ?? line)]),
  ].join("\n");
  return new DevloopError(
    "BUILD_FAILED",
    `${name}: step "${what}" failed${code === undefined ? "" : ` (exit code ${code})`} at ${place(build, line)}${why}`,
    {
      hint: hintFor(`${words}\n${step.lines.slice(-shownLines).join("\n")}`, code),
      detail: detail.replace(/^\n+|\s+$/g, "") || undefined,
    },
  );
}

function hintFor(words: string, code?: string): string | undefined {
  if (/no space left on device/i.test(words)) return "the engine's disk is full: docker builder prune";
  const secret = /secret (\S+): not found/.exec(words)?.[1];
  if (secret !== undefined)
    return `give it to the image in devloop.yaml: secrets: { ${secret}: { env: NAME } } or { file: path }`;
  const ssh = /\bssh (\S+): not found/.exec(words)?.[1];
  if (ssh !== undefined)
    return `give it to the image in devloop.yaml: ssh: [${ssh}]; and does an agent run? ssh-add -l`;
  if (
    /failed precondition|snapshot \S+ does not exist|failed commit|unexpected commit|content digest \S+: not found/i.test(
      words,
    )
  )
    return "the engine's build cache is damaged: docker builder prune";
  if (/exec format error/i.test(words))
    return "it is a program for another kind of machine: is the image's `platform` right, and can the engine emulate it? docker run --privileged --rm tonistiigi/binfmt --install all";
  if (code === "137") return "137 is a kill: is the engine short of memory?";
  if (code === "127") return "127 is a command that was not found: does the base image have it?";
  return undefined;
}

function firstLine(text: string): string {
  return text.trim().split("\n")[0] ?? "";
}

/** Some versions of BuildKit put the excerpt they print above its line: `Dockerfile:7`. */
function lineIn(error: string): number | undefined {
  const found = /^\s*\S*Dockerfile\S*:(\d+)\s*$/m.exec(error)?.[1];
  return found === undefined ? undefined : Number(found);
}

function locate(
  step: BuildStep,
  error: string,
  { dockerfile }: FailedBuild,
): { readonly line?: number; readonly endLine?: number } {
  const { instructions } = parseDockerfile(dockerfile);
  const line = lineIn(error);
  const found =
    instructions.find(({ startLine }) => startLine === line) ??
    onlyWithText(instructions, step.instruction) ??
    (step.place && inStage(instructions, step.place));
  return found ? { line: found.startLine, endLine: found.endLine } : line === undefined ? {} : { line };
}

function onlyWithText(instructions: readonly Instruction[], shown: string): Instruction | undefined {
  const wanted = shown.replaceAll(/\s+/g, " ");
  const same = instructions.filter(
    ({ keyword, text }) => `${keyword} ${text}`.replaceAll(/\s+/g, " ").trim() === wanted,
  );
  return same.length === 1 ? same[0] : undefined;
}

/** BuildKit shows arguments filled in, so a text may not be found; its place among the stage's steps always tells. */
function inStage(
  instructions: readonly Instruction[],
  { stage, index }: { readonly stage: string; readonly index: number },
): Instruction | undefined {
  const names: string[] = [];
  let number = -1;
  let count = 0;
  for (const instruction of instructions) {
    const { keyword, text } = instruction;
    if (keyword === "FROM") {
      number += 1;
      const [, ref = "", name = ""] = /^(?:--\S+\s+)*(\S+)(?:\s+as\s+(\S+))?/i.exec(text) ?? [];
      // A stage that goes on from another has no step for its FROM.
      count = names.includes(ref.toLowerCase()) || ref === "scratch" ? 0 : 1;
      names.push(name.toLowerCase());
    } else if (["RUN", "COPY", "ADD", "WORKDIR"].includes(keyword)) count += 1;
    const here = stage === "" || stage === `stage-${number}` || stage.toLowerCase() === names.at(-1);
    if (here && count === index) return instruction;
  }
  return undefined;
}

function place({ image: { name, dockerfile } }: FailedBuild, line: number | undefined): string {
  const path = dockerfile.kind === "file" ? relative(process.cwd(), dockerfile.path) : undefined;
  const outside = dockerfile.kind === "file" && path?.startsWith("..") ? dockerfile.path : undefined;
  const shown = outside ?? path ?? `images.${name}.dockerfileInline`;
  return line === undefined ? shown : `${shown}:${line}`;
}

/** The lines with two around them, those meant marked. */
function excerpt(dockerfile: string, first: number, last: number): string {
  const lines = dockerfile.split("\n");
  const from = Math.max(1, first - 2);
  const to = Math.min(lines.length, Math.min(last, first + 10) + 2);
  const width = String(to).length;
  return lines
    .slice(from - 1, to)
    .map((text, index) => {
      const number = from + index;
      const mark = number >= first && number <= last ? ">" : " ";
      return `${mark} ${String(number).padStart(width)} | ${text.replace(/\r$/, "")}`;
    })
    .join("\n");
}
