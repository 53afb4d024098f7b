import { posix } from "node:path";
import { hashJson } from "../lib/canonical-json.js";
import { DevloopError } from "../lib/errors.js";
import { compileGlob, compileIgnore, type IgnoreMatcher } from "../lib/ignore-file.js";
import type { SyncAction, SyncRule } from "./project.js";

/** One place in a container that a file or directory of the context goes to. */
export interface SyncTarget {
  readonly rule: SyncRule;
  /** Index of the rule, from 0. */
  readonly index: number;
  /** Absolute path in the container: always `root` or below it. */
  readonly dest: string;
  /** The directory that writes are confined to: the rule's dest, or the directory of a file that is a rule's src. */
  readonly root: string;
  /** Of `dest` below `root`; "" for the root itself. */
  readonly path: string;
}

/** What is at a path of the context, links not followed; for what was deleted, what was there. */
export type PathKind = "file" | "directory" | "link";

/** Why a path is synced, or why a change of it needs a new image. */
export type SyncExplanation =
  | { readonly kind: "synced"; readonly targets: readonly SyncTarget[] }
  /** One of the patterns of `rebuild` has it. */
  | { readonly kind: "rebuild"; readonly pattern: string }
  /** Every rule that covers it leaves it out. */
  | {
      readonly kind: "ignored";
      readonly by: readonly { readonly rule: SyncRule; readonly index: number; readonly pattern: string }[];
    }
  /** A rule covers it and does not tell where docker puts it: a link that docker follows, or what stands there is not what the rule is for. */
  | { readonly kind: "unclear"; readonly index: number; readonly found: PathKind }
  | { readonly kind: "uncovered" };

/** Sync rules, compiled. Paths are relative to the context, with forward slashes, without a leading one; "" is the context. */
export interface SyncMap {
  /** Equal for equal rules, wherever they come from. */
  readonly key: string;
  /** Where a path goes: to a target for each rule that covers it; [] when a change of it needs a new image. */
  targets(path: string, kind?: PathKind): readonly SyncTarget[];
  explain(path: string, kind?: PathKind): SyncExplanation;
}

/**
 * Compiles sync rules. A `src` with one of `* ? [` is a pattern, as in .dockerignore but for one thing: it covers the paths that
 * match themselves, not what a matching directory holds; `\` takes a character's meaning away. Throws CONFIG_INVALID for a
 * malformed pattern.
 */
export function compileSync({
  rules,
  rebuild,
}: {
  readonly rules: readonly SyncRule[];
  readonly rebuild: readonly string[];
}): SyncMap {
  const compiled = rules.map(compileRule);
  const rebuilt = compileIgnore(rebuild);

  function targets(path: string, kind: PathKind = "file"): readonly SyncTarget[] {
    let found: SyncTarget[] | undefined;
    for (const rule of compiled) {
      if (!rule.covers(path, kind)) continue;
      // Sent by the other rules alone, it would be in one place what it is not in the other.
      if (rule.isUnclear(path, kind)) return none;
      if (!rule.ignored.matches(path)) (found ??= []).push(rule.target(path, kind));
    }
    return found === undefined || rebuilt.matches(path) ? none : found;
  }

  function explain(path: string, kind: PathKind = "file"): SyncExplanation {
    const covering = compiled.filter((rule) => rule.covers(path, kind));
    if (covering.length === 0) return { kind: "uncovered" };
    const { ignored, pattern } = rebuilt.explain(path);
    if (ignored && pattern !== undefined) return { kind: "rebuild", pattern };
    const unclear = covering.find((rule) => rule.isUnclear(path, kind));
    if (unclear !== undefined) return { kind: "unclear", index: unclear.index, found: kind };
    const found = targets(path, kind);
    if (found.length > 0) return { kind: "synced", targets: found };
    const by = covering.map((rule) => {
      return { rule: rule.rule, index: rule.index, pattern: rule.ignored.explain(path).pattern ?? "" };
    });
    return { kind: "ignored", by };
  }

  const plain = rules.map(({ origin: _origin, ...rest }) => rest);
  return { key: hashJson([plain, rebuild]), targets, explain };
}

/** Whether an exec action runs after a change of these paths. */
export function whenMatches(
  { when }: Extract<SyncAction, { kind: "exec" }>,
  paths: readonly string[],
): boolean {
  if (when.length === 0) return paths.length > 0;
  let matcher = compiledWhen.get(when);
  if (matcher === undefined) compiledWhen.set(when, (matcher = compileIgnore(when)));
  return paths.some((path) => matcher.matches(path));
}
/** By the list itself: rules are never changed in place. */
const compiledWhen = new WeakMap<readonly string[], IgnoreMatcher>();

/** Whether a path of a rule's src is a pattern, as docker and .dockerignore tell it. */
export function isPattern(src: string): boolean {
  return wildcard.test(src);
}

/** What stands before a pattern's first part with wildcards: "" for none, a `src` without wildcards as a whole. */
export function fixedPart(src: string): string {
  const segments = src.split("/");
  const first = segments.findIndex((segment) => wildcard.test(segment));
  const fixed = (first === -1 ? segments : segments.slice(0, first)).join("/");
  return fixed === "." ? "" : fixed.replace(/\\(.)/g, "$1");
}

/** A backslash and what it protects, or a character that stands for others. */
const wildcard = /^(?:[^\\*?[]|\\.)*[*?[]/;

const none: readonly SyncTarget[] = [];

interface CompiledRule {
  readonly rule: SyncRule;
  readonly index: number;
  readonly ignored: IgnoreMatcher;
  covers(path: string, kind: PathKind): boolean;
  /** Where docker puts it cannot be told. */
  isUnclear(path: string, kind: PathKind): boolean;
  target(path: string, kind: PathKind): SyncTarget;
}

function compileRule(rule: SyncRule, index: number): CompiledRule {
  const base = fixedPart(rule.src);
  const below = base === "" ? "" : `${base}/`;
  const asDirectory = rule.dest.replace(/(.)\/$/, "$1");
  const common = { rule, index, ignored: compileIgnore(rule.ignore) };
  const inDirectory = (path: string): SyncTarget => {
    const inside = path === base ? "" : path.slice(below.length);
    return { rule, index, dest: posix.join(asDirectory, inside), root: asDirectory, path: inside };
  };
  if (isPattern(rule.src)) {
    const copied = rule.origin !== undefined;
    const matches = compileGlob(rule.src);
    if (matches === undefined) {
      throw new DevloopError("CONFIG_INVALID", `sync: ${JSON.stringify(rule.src)} is a malformed pattern`);
    }
    return {
      ...common,
      covers: (path, kind) =>
        // Docker copies what a matching directory holds, not the directory.
        !(kind === "directory" && copied) && path !== base && path.startsWith(below) && matches(path),
      // Of written patterns links are taken as such: whoever wrote them meant what is there.
      isUnclear: (_path, kind) => copied && kind === "link",
      target: inDirectory,
    };
  }
  // All that an image has would be in such a directory: only a file goes there.
  const onlyFile = rule.dest === "/";
  return {
    ...common,
    covers: (path) => path === base || path.startsWith(below),
    isUnclear: (path, kind) => {
      if (path !== base || kind === "directory") return onlyFile;
      // Docker follows a link that COPY names: as a link it would be something else.
      return kind === "link" || rule.onlyDirectory === true;
    },
    target: (path, kind) =>
      path === base && kind !== "directory" ? asFile(rule, index, base) : inDirectory(path),
  };
}

/** The rule's src is a file, so that its dest is that file or, with a slash at its end, the directory it goes to. */
function asFile(rule: SyncRule, index: number, src: string): SyncTarget {
  const dest = rule.dest.endsWith("/") ? posix.join(rule.dest, posix.basename(src)) : rule.dest;
  return { rule, index, dest, root: posix.dirname(dest), path: posix.basename(dest) };
}
