import type { ImageSpec, NamedContext } from "../engine/project.js";
import type { Span } from "./dockerfile-parse.js";
import { contextOf, readStages, stagesInUse } from "./dockerfile-stages.js";

/** What of an image decides which others its Dockerfile builds on. */
export type BaseOptions = Pick<ImageSpec, "args" | "contexts"> & { readonly target?: string };

/**
 * The images from outside that a build of the target needs: what FROM, COPY --from and RUN --mount=from of the stages
 * in use name, with arguments filled in and named contexts followed. Each once, in the order they stand.
 */
export function dockerfileReferences(text: string, { args, target, contexts }: BaseOptions): string[] {
  const used = stagesInUse(readStages(text, { args, contexts }).stages, target);
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
    .stages.flatMap((stage) => stage.references)
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
