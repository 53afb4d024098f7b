import type { ImageSpec, NamedContext } from "../engine/project.js";
import { expandArgs, unquote } from "./dockerfile-args.js";
import { type Instruction, parseDockerfile, type Span, word } from "./dockerfile-parse.js";

type Args = Readonly<Record<string, string>>;

/** A FROM and what follows it. */
export interface Stage {
  readonly name: string | undefined;
  /** What it is made from: that of FROM first. */
  readonly references: readonly Reference[];
  /** What follows FROM. */
  readonly instructions: readonly Instruction[];
}
export interface Reference {
  readonly ref: string;
  /** Where it stands in the text. */
  readonly span: Span;
  /** The stage it means, when it is none of the images from outside. */
  readonly stage: number | undefined;
}

export interface DockerfileStages {
  readonly stages: readonly Stage[];
  /** The values of the ARG lines before the first FROM. */
  readonly globals: Args;
  readonly escape: string;
}

/** A Dockerfile's stages, with arguments filled into what they name. */
export function readStages(
  text: string,
  { args, contexts }: Pick<ImageSpec, "args" | "contexts">,
): DockerfileStages {
  const { instructions, escape } = parseDockerfile(text);
  const stages: { name: string | undefined; references: Reference[]; instructions: Instruction[] }[] = [];
  const globals: Record<string, string> = {};
  const expand = (raw: string): string => expandArgs(raw, globals, escape);
  for (const instruction of instructions) {
    const current = stages.at(-1);
    if (instruction.keyword === "ARG" && !current) {
      for (const { text: declared } of words(instruction)) declare(declared, args, globals, expand);
    } else if (instruction.keyword === "FROM") {
      const [image, as, name] = words(instruction).filter(({ text: flag }) => !flag.startsWith("--"));
      if (!image) continue;
      const ref = expand(image.text);
      const stage = stages.findIndex((earlier) => sameName(earlier.name, ref));
      // A context of that name stands in for the stage.
      const isStage = stage !== -1 && contextOf(ref, contexts) === undefined;
      const found = { ref, span: image.span, stage: isStage ? stage : undefined };
      const named = as?.text.toLowerCase() === "as" ? name?.text : undefined;
      stages.push({ name: named, references: [found], instructions: [] });
    } else if (current) {
      current.instructions.push(instruction);
      const earlier = stages.slice(0, -1);
      for (const { text: raw, span } of sources(instruction)) {
        const ref = expand(raw);
        const stage = contextOf(ref, contexts) === undefined ? stageIndex(earlier, ref) : undefined;
        current.references.push({ ref, span, stage });
      }
    }
  }
  return { stages, globals, escape };
}

function declare(
  text: string,
  args: Args,
  globals: Record<string, string>,
  expand: (text: string) => string,
): void {
  const [name = "", ...rest] = text.split("=");
  const value = args[name] ?? (rest.length > 0 ? expand(rest.join("=")) : undefined);
  if (value !== undefined) globals[name] = value;
}

function sameName(name: string | undefined, ref: string): boolean {
  return name !== undefined && name.toLowerCase() === ref.toLowerCase();
}

function stageIndex(stages: readonly Stage[], ref: string): number | undefined {
  const named = stages.findIndex(({ name }) => sameName(name, ref));
  if (named !== -1) return named;
  return /^\d+$/.test(ref) && Number(ref) < stages.length ? Number(ref) : undefined;
}

/** The index of the stage to build: the last where no other is named; -1 where there is none. */
export function targetStage(stages: readonly Stage[], target: string | undefined): number {
  const last = stages.length - 1;
  return target === undefined || target === "" ? last : (stageIndex(stages, target) ?? last);
}

/** The target's stage and all that it is made from, in the order they stand. */
export function stagesInUse(stages: readonly Stage[], target: string | undefined): readonly Stage[] {
  const start = targetStage(stages, target);
  const used = new Set<number>();
  const visit = (index: number): void => {
    if (used.has(index)) return;
    used.add(index);
    for (const { stage } of stages[index]?.references ?? []) if (stage !== undefined) visit(stage);
  };
  if (start >= 0) visit(start);
  return stages.filter((_, index) => used.has(index));
}

interface Word {
  readonly text: string;
  readonly span: Span;
}

function words({ text, span }: Instruction): readonly Word[] {
  return [...text.matchAll(word)].map((match) => part(text, span, match.index, match[0].length));
}

function part(text: string, span: Span, at: number, length: number): Word {
  return { text: text.slice(at, at + length), span: span.slice(at, at + length) };
}

/** The values of --from and of --mount's from, wherever they stand among the flags. */
function sources(instruction: Instruction): readonly Word[] {
  const onBuild = instruction.keyword === "ONBUILD";
  if (onBuild || !["COPY", "ADD", "RUN"].includes(instruction.keyword)) return [];
  const found: Word[] = [];
  for (const flag of words(instruction)) {
    // Flags end where the instruction's own words begin.
    if (!flag.text.startsWith("--")) break;
    const match =
      instruction.keyword === "RUN"
        ? /^--mount=(?:.*,)?from=([^,]*)/d.exec(flag.text)
        : /^--from=(.*)$/d.exec(flag.text);
    const [start, end] = match?.indices?.[1] ?? [0, 0];
    if (end > start) found.push(trimQuotes(part(flag.text, flag.span, start, end - start)));
  }
  return found;
}

function trimQuotes(found: Word): Word {
  const bare = unquote(found.text);
  return bare.length === found.text.length ? found : part(found.text, found.span, 1, found.text.length - 2);
}

/** The named context that a reference means, if any: `node`, `node:latest` and `docker.io/library/node` are one name. */
export function contextOf(ref: string, contexts: ImageSpec["contexts"]): NamedContext | undefined {
  const familiar = (name: string): string =>
    name
      .replace(/^(?:index\.)?docker\.io\//, "")
      .replace(/^library\//, "")
      .replace(/:latest$/, "");
  return Object.entries(contexts).find(([name]) => familiar(name) === familiar(ref))?.[1];
}
