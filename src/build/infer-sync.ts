import type { ImageSpec, SyncAction, SyncRule } from "../engine/project.js";
import { isPattern } from "../engine/sync-rules.js";
import { compileGlob, compileIgnore, escapePattern } from "../lib/ignore-file.js";
import {
  cleanSource,
  copiedPaths,
  KnownDirectories,
  mayMatchDirectories,
  overwritten,
  ruleDest,
  type CopiedPath,
} from "./copied-paths.js";
import { readStages, stagesInUse, targetStage, type DockerfileStages } from "./dockerfile-stages.js";
import { stageChain, stageSteps, type Expanded, type StageStep } from "./dockerfile-steps.js";

export interface InferOptions extends Pick<ImageSpec, "args"> {
  readonly target?: string;
  readonly contexts?: ImageSpec["contexts"];
  /** Patterns that every rule leaves out. */
  readonly ignore: readonly string[];
  readonly then: SyncAction;
  /** As messages name it: `Dockerfile`. */
  readonly dockerfileName: string;
}

export interface InferredSync {
  readonly rules: readonly SyncRule[];
  /** Files that a step may have used, or that go where the text does not tell: a change of them needs a new image. */
  readonly rebuild: readonly string[];
  /** Why there are no rules, or not those that one might expect; with lines. */
  readonly notes: readonly string[];
}

/**
 * Sync rules from a Dockerfile: what COPY and ADD bring in after the last RUN of the stage to build, and of those it is FROM.
 * Whatever a RUN may have used, in any stage that the image is made from, needs a new image. Where the text does not tell
 * where a file is in the image, there is a note in place of a rule: better an image too many than a container out of step.
 */
export function inferSync(text: string, options: InferOptions): InferredSync {
  const { args, contexts = {}, target, dockerfileName } = options;
  const dockerfile = readStages(text, { args, contexts });
  const index = targetStage(dockerfile.stages, target);
  const place = (line: number): string => `${dockerfileName}:${line}`;
  const steps = stageSteps(dockerfile, index, args).flat();
  const afterRun = steps.findLastIndex(({ kind }) => kind === "run") + 1;
  const run = steps[afterRun - 1];
  const used = [
    ...steps.slice(0, afterRun).flatMap((step) => {
      const why = run === undefined ? "" : `before RUN in ${place(run.line)}, which may have used it`;
      return contextUses(step, { place, why });
    }),
    ...otherStageUses(dockerfile, { args, target, index, place }),
  ];
  const blocking = used.find(isWhole)?.text ?? unreadableTrigger(dockerfile, place);
  if (blocking !== undefined) return { rules: [], rebuild: [], notes: [`nothing is inferred: ${blocking}`] };

  const directories = new KnownDirectories();
  const copied = steps
    .map((step) => followStep(step, directories))
    .slice(afterRun)
    .flat();
  const sorted = sortOut(copied, used, place);
  const nothing = sorted.rules.length > 0 ? [] : [nothingLeft(copied, run && place(run.line))];
  return {
    rules: sorted.rules.map((path) => toRule(path, options)),
    rebuild: nothing.length > 0 ? [] : [...new Set(sorted.rebuild)],
    notes: [...nothing, ...sorted.notes],
  };
}

/** A path of the context that is used where its changes cannot follow. */
interface Use {
  readonly path: Expanded;
  /** What uses it, as a sentence for a note. */
  readonly text: string;
}

function contextUses(
  step: StageStep,
  { place, why }: { readonly place: (line: number) => string; readonly why: string },
): readonly Use[] {
  if (step.kind === "run") {
    return step.mounts.map((path) => {
      return { path, text: `RUN in ${place(step.line)} mounts ${shownPath(path)}, and may have used it` };
    });
  }
  if (step.kind !== "copy" || step.flags.has("from")) return [];
  return step.sources.map((path) => {
    return { path, text: `${step.keyword} in ${place(step.line)} brings ${shownPath(path)} ${why}` };
  });
}

function shownPath({ text, unknown }: Expanded): string {
  if (unknown !== undefined) return `$${unknown}, which is not set in here,`;
  const path = cleanSource(text);
  return path === "." ? "the whole context" : path;
}

/** What the other stages that the image is made from take of the context: what they make of it cannot be told. */
function otherStageUses(
  dockerfile: DockerfileStages,
  {
    args,
    target,
    index,
    place,
  }: Pick<InferOptions, "args"> & {
    readonly target: string | undefined;
    readonly index: number;
    readonly place: (line: number) => string;
  },
): readonly Use[] {
  const { stages } = dockerfile;
  const chain = stageChain(stages, index);
  return stagesInUse(stages, target).flatMap((stage) => {
    if (chain.includes(stage)) return [];
    const position = stages.indexOf(stage);
    const why = `into stage ${stage.name ?? position}, which the image is made from`;
    const own = stageSteps(dockerfile, position, args).at(-1) ?? [];
    return own.flatMap((step) => contextUses(step, { place, why }));
  });
}

/** It may be any file of the context. */
function isWhole({ path }: Use): boolean {
  const src = cleanSource(path.text);
  return path.unknown !== undefined || src === "." || compileGlob(src) === undefined;
}

function unreadableTrigger(
  { stages }: DockerfileStages,
  place: (line: number) => string,
): string | undefined {
  const trigger = stages
    .flatMap(({ instructions }) => instructions)
    .find(({ keyword, text }) => keyword === "ONBUILD" && /--(from|mount)=/.test(text));
  return trigger && `ONBUILD in ${place(trigger.startLine)} takes from elsewhere`;
}

function followStep(step: StageStep, directories: KnownDirectories): readonly CopiedPath[] {
  if (step.kind === "workdir") directories.add(step.path);
  return step.kind === "copy" ? copiedPaths(step, directories) : [];
}

interface SortedOut {
  readonly rules: readonly CopiedPath[];
  readonly rebuild: readonly string[];
  readonly notes: readonly string[];
}

/** Which of the copied paths become rules. What does not is copied by docker alone, so that it needs a new image. */
function sortOut(
  copied: readonly CopiedPath[],
  used: readonly Use[],
  place: (line: number) => string,
): SortedOut {
  const rebuild = used.map(({ path }) => toPattern(cleanSource(path.text)));
  const notes: string[] = [];
  const candidates: CopiedPath[] = [];
  const refuse = (src: string, note: string): void => {
    rebuild.push(toPattern(src));
    notes.push(note);
  };
  for (const [index, path] of copied.entries()) {
    const { src, step } = path;
    if (src === undefined) {
      if (path.opaque !== undefined)
        notes.push(`${place(step.line)}: ${step.keyword} is not inferred: ${path.opaque}`);
      continue;
    }
    const named = `${place(step.line)}: ${step.keyword} of ${shownPath({ text: src })}`;
    if (path.opaque !== undefined) {
      refuse(src, `${named} is not inferred: ${path.opaque}`);
      continue;
    }
    const mode = step.flags.get("chmod");
    if (mode !== undefined) {
      refuse(
        src,
        `${named} is not inferred: its files have another mode here than its --chmod=${mode} gives them`,
      );
      continue;
    }
    const later = copied.slice(index + 1).map((other) => ({ other, taken: overwritten(path, other) }));
    const whole = later.find(({ taken }) => taken.kind === "whole");
    if (whole !== undefined) {
      const by = whole.other.step;
      refuse(src, `${named} is not inferred: ${by.keyword} in ${place(by.line)} may write over its files`);
      continue;
    }
    rebuild.push(...later.flatMap(({ taken }) => (taken.kind === "part" ? [taken.pattern] : [])));
    if (mayMatchDirectories(src)) rebuild.push(`${src}/**`);
    candidates.push(path);
  }
  if (rebuild.includes(everything)) return { rules: [], rebuild, notes };
  const matcher = compileIgnore(rebuild);
  const rules = candidates.filter(({ src = "", step }) => {
    const covered = isPattern(src) ? rebuild.includes(src) : matcher.matches(src);
    const use = covered ? used.find(({ path }) => covers(path, src)) : undefined;
    const why = use?.text ?? "it also goes where its changes cannot follow";
    if (covered) notes.push(`${place(step.line)}: ${step.keyword} of ${src} is not inferred: ${why}`);
    return !covered;
  });
  return { rules, rebuild, notes };
}

function covers({ text }: Expanded, src: string): boolean {
  const pattern = toPattern(cleanSource(text));
  return pattern === src || compileIgnore([pattern]).matches(src);
}

/** What a source of `.` is as a pattern. */
const everything = "**";

function toPattern(src: string): string {
  if (src === ".") return everything;
  return isPattern(src) && compileGlob(src) !== undefined ? src : escapePattern(src);
}

function nothingLeft(copied: readonly CopiedPath[], run: string | undefined): string {
  const after = run === undefined ? "" : ` after RUN in ${run}`;
  if (copied.some(({ src }) => src !== undefined)) return `nothing is inferred of what is copied${after}`;
  return copied.length > 0
    ? `nothing is inferred: what is copied${after} does not come from the context`
    : `nothing is inferred: nothing is copied${after}`;
}

function toRule(path: CopiedPath, { ignore, then, dockerfileName }: InferOptions): SyncRule {
  const { step, src = "" } = path;
  return {
    src,
    dest: ruleDest(path),
    ignore,
    then,
    origin: `${step.keyword} in ${dockerfileName}:${step.line}`,
    ...(path.onlyDirectory === true ? { onlyDirectory: true } : {}),
  };
}
