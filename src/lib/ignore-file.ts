import { readFile } from "node:fs/promises";
import { join, posix } from "node:path";
import { DevloopError } from "./errors.js";

/** One line of an ignore file. Patterns that come from elsewhere have no line. */
export interface IgnoreRule {
  readonly pattern: string;
  /** Counted from 1. */
  readonly line?: number;
}

/** What is decided for a path, and the pattern that decided it: none when nothing matches. */
export interface IgnoreVerdict {
  readonly ignored: boolean;
  readonly pattern?: string;
  readonly line?: number;
}

/** Paths are relative to the context, with forward slashes, without a leading one. */
export interface IgnoreMatcher {
  /** Ignored: it or a directory above it matches, and no later `!` exception takes that back. */
  matches(path: string): boolean;
  /** The directory is ignored and no exception can bring back anything below it. */
  canSkipDirectory(path: string): boolean;
  explain(path: string): IgnoreVerdict;
}

/** The patterns of a .dockerignore, cleaned as Docker does: comments and blank lines gone, `/x/` is `x`, `a/../b` is `b`. */
export function parseIgnoreFile(text: string): string[] {
  return parseIgnoreRules(text).map((rule) => rule.pattern);
}

/** As parseIgnoreFile, with the line of each pattern. */
export function parseIgnoreRules(text: string): IgnoreRule[] {
  const rules: IgnoreRule[] = [];
  for (const [index, raw] of text
    .replace(/^\uFEFF/, "")
    .split("\n")
    .entries()) {
    // Only a # in the first column is a comment; " #x" is a pattern.
    if (raw.startsWith("#")) continue;
    const pattern = cleanPattern(raw);
    if (pattern !== "") rules.push({ pattern, line: index + 1 });
  }
  return rules;
}

/**
 * Compiles patterns into one matcher with the semantics of moby's patternmatcher, walked from the top as BuildKit does:
 * a pattern that matched a directory holds for all below it, and a later pattern wins over an earlier one.
 * Throws CONFIG_INVALID for a malformed pattern.
 */
export function compileIgnore(patterns: readonly (string | IgnoreRule)[]): IgnoreMatcher {
  const compiled = patterns.flatMap((given) => {
    const rule = typeof given === "string" ? { pattern: given } : given;
    const pattern = cleanPattern(rule.pattern);
    return pattern === "" ? [] : [compilePattern({ ...rule, pattern })];
  });
  const exceptions = compiled.filter((pattern) => pattern.exception);
  const directories = new Map<string, Verdict>();
  /** For paths that nothing is below of: most paths are such, and each is asked about several times in a scan. */
  const scratch = new Uint8Array(compiled.length);

  function evaluateDirectory(path: string): Verdict {
    const known = directories.get(path);
    if (known !== undefined) return known;
    if (directories.size >= maxRemembered) directories.clear();
    const verdict = evaluate(path, new Uint8Array(compiled.length));
    directories.set(path, verdict);
    return verdict;
  }

  function evaluate(path: string, matches: Uint8Array): Verdict {
    const slash = path.lastIndexOf("/");
    const parent = slash === -1 ? undefined : evaluateDirectory(path.slice(0, slash));
    let ignored = false;
    let by: Pattern | undefined;
    for (let index = 0; index < compiled.length; index++) {
      const pattern = compiled[index];
      if (pattern === undefined) continue;
      // What matched the directory above is not asked again: that is how an exception for a directory reaches its files.
      let match = parent?.matches[index] === 1;
      matches[index] = 0;
      if (!match) {
        if (pattern.exception !== ignored) continue;
        match = pattern.test(path);
      }
      if (!match) continue;
      matches[index] = 1;
      if (ignored === pattern.exception) by = pattern;
      ignored = !pattern.exception;
    }
    return { ignored, by, matches };
  }

  const isIgnored = (path: string): boolean =>
    compiled.length > 0 && path !== "" && evaluate(path, scratch).ignored;
  return {
    matches: isIgnored,
    canSkipDirectory: (path) =>
      compiled.length > 0 &&
      path !== "" &&
      evaluateDirectory(path).ignored &&
      !exceptions.some((exception) => mayMatchBelow(exception, path)),
    explain(path) {
      const { ignored, by } = path === "" ? { ignored: false, by: undefined } : evaluate(path, scratch);
      if (by === undefined) return { ignored };
      const { pattern, line } = by.rule;
      return { ignored, pattern, ...(line === undefined ? {} : { line }) };
    },
  };
}

/**
 * The ignore file that Docker takes for a Dockerfile: `<dockerfile>.dockerignore` beside it, else `.dockerignore` in the context.
 * `file` is undefined when there is neither.
 */
export async function readDockerignore(
  contextDir: string,
  dockerfile?: string,
): Promise<{ file: string | undefined; patterns: string[] }> {
  for (const file of dockerignoreCandidates(contextDir, dockerfile)) {
    try {
      return { file, patterns: parseIgnoreFile(await readFile(file, "utf8")) };
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : undefined;
      if (code === "ENOENT" || code === "ENOTDIR") continue;
      throw new DevloopError("CONTEXT_UNREADABLE", `cannot read ${file}`, { cause: error });
    }
  }
  return { file: undefined, patterns: [] };
}

/** The places of an ignore file; the first that exists counts, alone. One that belongs to a Dockerfile needs that file. */
export function dockerignoreCandidates(contextDir: string, dockerfile?: string): string[] {
  const own = dockerfile === undefined ? [] : [`${dockerfile}.dockerignore`];
  return [...own, join(contextDir, ".dockerignore")];
}

/** The pattern that matches this path and nothing else on its level. */
export function escapePattern(path: string): string {
  return path.replace(/[\\*?[\]]/g, "\\$&").replace(/^!/, "\\!");
}

/** Directories whose verdicts are kept: enough for a walk, bounded for a session. */
const maxRemembered = 8192;

interface Verdict {
  readonly ignored: boolean;
  readonly by: Pattern | undefined;
  /** Per pattern, 1 if it matched the path or a directory above it. */
  readonly matches: Uint8Array;
}

interface Pattern {
  readonly rule: IgnoreRule;
  readonly exception: boolean;
  /** Without the `!`. */
  readonly glob: string;
  /** What every match starts with, as it stands before the first wildcard. */
  readonly prefix: string;
  readonly test: (path: string) => boolean;
}

function cleanPattern(raw: string): string {
  const text = raw.trim();
  const exception = text.startsWith("!");
  const glob = exception ? text.slice(1).trim() : text;
  if (glob === "") return text;
  const clean = posix.normalize(glob).replace(/(.)\/$/, "$1");
  const relative = clean.length > 1 && clean.startsWith("/") ? clean.slice(1) : clean;
  return exception ? `!${relative}` : relative;
}

function compilePattern(rule: IgnoreRule): Pattern {
  const exception = rule.pattern.startsWith("!");
  const glob = exception ? rule.pattern.slice(1) : rule.pattern;
  const test = glob === "" ? undefined : compileGlob(glob);
  if (test === undefined) {
    throw new DevloopError("CONFIG_INVALID", `ignore pattern ${JSON.stringify(rule.pattern)} is malformed`, {
      hint: "close every [ with a ], and write a literal \\ as \\\\",
    });
  }
  return { rule, exception, glob, prefix: /^[^*?[\\]*/.exec(glob)?.[0] ?? "", test };
}

function mayMatchBelow({ glob, prefix }: Pattern, directory: string): boolean {
  const below = `${directory}/`;
  if (prefix.startsWith(below)) return true;
  return prefix.length < glob.length && below.startsWith(prefix);
}

/**
 * moby's translation, quirks included: `**` crosses slashes, a slash after `**` is part of it, a pattern that has no other
 * wildcard than a `**` at one end is compared as text. Undefined when malformed. It answers for the path alone: what a
 * matching directory holds does not match by that.
 */
export function compileGlob(glob: string): ((path: string) => boolean) | undefined {
  let kind: "exact" | "prefix" | "suffix" | "expression" = "exact";
  let source = "";
  const chars = Array.from(glob);
  for (let at = 0, step = 0; at < chars.length; step++) {
    const char = chars[at++] ?? "";
    if (char === "*" && chars[at] === "*") {
      at++;
      if (chars[at] === "/") at++;
      if (at < chars.length) {
        source += "(.*/)?";
        kind = "expression";
      } else if (kind === "exact") {
        kind = "prefix";
      } else {
        source += ".*";
        kind = "expression";
      }
      if (step === 0) kind = "suffix";
    } else if (char === "*" || char === "?") {
      source += char === "*" ? "[^/]*" : "[^/]";
      kind = "expression";
    } else if (".+()|{}$".includes(char)) {
      source += `\\${char}`;
    } else if (char === "\\") {
      const escaped = chars[at++];
      if (escaped === undefined) return undefined;
      source += `\\${escaped}`;
      kind = "expression";
    } else {
      if (char === "[" || char === "]") kind = "expression";
      source += char;
    }
  }
  if (kind === "exact") return (path) => path === glob;
  if (kind === "prefix") {
    const prefix = glob.slice(0, -2);
    return (path) => path.startsWith(prefix);
  }
  if (kind === "suffix") {
    const suffix = glob.slice(2);
    return (path) => path.endsWith(suffix) || (suffix.startsWith("/") && path === suffix.slice(1));
  }
  const expression = parseExpression(`^${source}$`);
  return expression === undefined ? undefined : (path) => expression.test(path);
}

function parseExpression(source: string): RegExp | undefined {
  // With "u" a ? is one character beyond the basic plane too; it refuses some escapes that Go takes.
  for (const flags of ["u", ""]) {
    try {
      return new RegExp(source, flags);
    } catch {
      // Tried without the flag next; a source that neither takes is malformed.
    }
  }
  return undefined;
}
