import type { ImageSpec, NamedContext } from "../engine/model.js";
import { expandArgs, unquote } from "./dockerfile-args.js";
import { type Instruction, parseDockerfile, type Span, word } from "./dockerfile-parse.js";

type Args = Readonly<Record<string, string>>;

/** What of an image decides which others its Dockerfile builds on. */
export type BaseOptions = Pick<ImageSpec, "args" | "contexts"> & { readonly target?: string };

/**
 * The images from outside that a build of the target needs: what FROM, COPY --from and RUN --mount=from of the stages
 * in use name, with arguments filled in and named contexts followed. Each once, in the order they stand.
 */
export function dockerfileReferences(text: string, { args, target, contexts }: BaseOptions): string[] {
  const used = stagesInUse(readStages(text, { args, contexts }), target);
  const refs = used.flatMap((stage) => stage.references.filter(({ stage: index }) => index === undefined));
  const found = refs.flatMap(({ ref }) => {
    const context = contextOf(ref, contexts);
    if (!context) return [ref];
    return contextImage(context) ?? [];
  });
  return [...new Set(found)].filter((ref) => ref !== "scratch" && ref !== "");
}

/** Which of the project's images the target builds on: those whose name a reference has, whatever its tag or digest. */
export function projectBases(text: string, options: BaseOptions, imageNames: readonly string[]): string[] {
  const names = dockerfileReferences(text, options).map(nameOf);
  return imageNames.filter((name) => names.includes(nameOf(name)));
}

/** The named context that a reference means, if any: `node`, `node:latest` and `docker.io/library/node` are one name. */
function contextOf(ref: string, contexts: ImageSpec["contexts"]): NamedContext | undefined {
  const familiar = (name: string): string =>
    name
      .replace(/^(?:index\.)?docker\.io\//, "")
      .replace(/^library\//, "")
      .replace(/:latest$/, "");
  return Object.entries(contexts).find(([name]) => familiar(name) === familiar(ref))?.[1];
}

/** The image that a named context stands for; undefined for files. */
export function contextImage(context: NamedContext): string | undefined {
  if (context.kind === "directory" || !context.address.startsWith(imageScheme)) return undefined;
  return context.address.slice(imageScheme.length);
}

const imageScheme = "docker-image://";

/** The exact reference of `refs` (by name) for an image that is named with or without a tag. */
export function exactReference(ref: string, refs: Readonly<Record<string, string>>): string | undefined {
  return Object.entries(refs).find(([name]) => nameOf(name) === nameOf(ref))?.[1];
}

/**
 * The Dockerfile with every reference to an image of `refs` (name to exact reference) put in its place. Lines stay where
 * they are, so that line numbers in errors hold.
 */
export function rewriteBases(
  text: string,
  { args, contexts }: BaseOptions,
  refs: Readonly<Record<string, string>>,
): string {
  const edits = readStages(text, { args, contexts })
    .flatMap((stage) => stage.references)
    .flatMap(({ stage, ref, span }) => {
      const outside = stage === undefined && contextOf(ref, contexts) === undefined;
      const exact = outside ? exactReference(ref, refs) : undefined;
      return exact === undefined ? [] : [{ span, exact }];
    });
  return edits.reduceRight((result, { span, exact }) => replaceSpan(result, span, exact), text);
}

/** A reference without tag and digest, and without what docker adds for Docker Hub. */
function nameOf(ref: string): string {
  const name = ref.replace(/@.*$/, "").replace(/:[^:/]*$/, "");
  return name.replace(/^(?:index\.)?docker\.io\//, "").replace(/^library\//, "");
}

/**
 * A reference may be broken over lines: its characters go, the line breaks between them stay, in front, since a line
 * break with nothing after it would take the next instruction in.
 */
function replaceSpan(text: string, span: Span, replacement: string): string {
  const gone = new Set(span);
  const first = span[0] ?? 0;
  const last = span.at(-1) ?? first;
  let kept = "";
  for (let at = first; at <= last; at += 1) if (!gone.has(at)) kept += text[at] ?? "";
  return text.slice(0, first) + kept + replacement + text.slice(last + 1);
}

interface Stage {
  readonly name: string | undefined;
  readonly references: readonly Reference[];
}
interface Reference {
  readonly ref: string;
  /** Where it stands in the text. */
  readonly span: Span;
  /** The stage it means, when it is none of the images from outside. */
  readonly stage: number | undefined;
}

function readStages(
  text: string,
  { args, contexts }: Pick<BaseOptions, "args" | "contexts">,
): readonly Stage[] {
  const { instructions, escape } = parseDockerfile(text);
  const stages: { name: string | undefined; references: Reference[] }[] = [];
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
      stages.push({ name: as?.text.toLowerCase() === "as" ? name?.text : undefined, references: [found] });
    } else if (current) {
      const earlier = stages.slice(0, -1);
      for (const { text: raw, span } of sources(instruction)) {
        const ref = expand(raw);
        const stage = contextOf(ref, contexts) === undefined ? stageIndex(earlier, ref) : undefined;
        current.references.push({ ref, span, stage });
      }
    }
  }
  return stages;
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

function stagesInUse(stages: readonly Stage[], target: string | undefined): readonly Stage[] {
  const last = stages.length - 1;
  const start = target === undefined || target === "" ? last : (stageIndex(stages, target) ?? last);
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
