import { lstatSync, readFileSync, realpathSync } from "node:fs";
import { basename, dirname, relative, sep } from "node:path";
import { DevloopError, toFailure, type Failure } from "../lib/errors.js";
import { compileIgnore, parseIgnoreRules, type IgnoreMatcher, type IgnoreRule } from "../lib/ignore-file.js";
import { isNeverWatched } from "./temp-files.js";

/** What one image, deploy or the config depends on. All paths are absolute. */
export interface WatchScope {
  /** The caller's name: "image:monitor-agent", "deploy:k8s/overlays/dev", "config". */
  readonly id: string;
  readonly trees: readonly WatchTree[];
  /** Single files, that may not exist yet. They count also where a tree ignores them. */
  readonly files: readonly string[];
  /** Its reports carry all members. */
  readonly listed?: true;
}

export interface WatchTree {
  /** A directory, that may not exist yet. */
  readonly root: string;
  /** Patterns in .dockerignore syntax, relative to `root`; they come after the ignore file's, so they win over it. */
  readonly ignore: readonly string[];
  /** Places of the ignore file: the first that exists counts, alone. Read again when they change. */
  readonly ignoreFiles: readonly string[];
  /** Leaves out more of what the patterns leave in. */
  readonly filter?: PathFilter;
}

/** A choice among paths, which are relative to the tree's root, with forward slashes; "" is the root itself. */
export interface PathFilter {
  /** Equal for filters that choose the same. */
  readonly key: string;
  accepts(path: string, kind: PathKind): boolean;
}
/** What is at a path, links not followed. */
export type PathKind = "file" | "directory" | "link";

/** A scope with its ignore rules read and compiled. */
export interface CompiledScope {
  readonly id: string;
  readonly trees: readonly CompiledTree[];
  readonly files: readonly string[];
  readonly listed: boolean;
  /** Equal for equal members: the trees, files and rules as text. */
  readonly key: string;
  /** Rules that cannot be used and are left out. */
  readonly problems: readonly Failure[];
}

export interface CompiledTree {
  readonly tree: WatchTree;
  /** Where the tree lies: `tree.root`, or what it points to when that is a symlink. */
  readonly real: string;
  /** What the paths below `real` start with. */
  readonly prefix: string;
  readonly matcher: IgnoreMatcher;
  /** The ignore file in force. */
  readonly ignoreFile: string | undefined;
  readonly rules: readonly IgnoreRule[];
}

/** Reads a scope's ignore files and compiles its rules. Never throws: rules that cannot be used are left out. */
export function compileScope(scope: WatchScope): CompiledScope {
  const problems: Failure[] = [];
  const onProblem = (failure: Failure) => problems.push(failure);
  const trees = scope.trees.map((tree) => {
    const { file, rules } = readRules(tree.ignoreFiles, onProblem);
    const all = [...rules, ...tree.ignore.map((pattern) => ({ pattern }))];
    const real = realRoot(tree.root);
    return {
      tree,
      real,
      prefix: real.endsWith(sep) ? real : real + sep,
      ignoreFile: file,
      rules: all,
      matcher: compileRules(all, file, onProblem),
    };
  });
  const key = JSON.stringify([
    trees.map(({ tree, real, ignoreFile, rules }) => [tree.root, real, ignoreFile, rules, tree.filter?.key]),
    scope.files,
    scope.listed,
  ]);
  return { id: scope.id, files: scope.files, listed: scope.listed === true, trees, key, problems };
}

/**
 * The path as the tree's rules see it: "" for the root itself, undefined outside of the tree or at and below what is
 * never watched.
 */
export function pathInTree({ real, prefix }: CompiledTree, path: string): string | undefined {
  if (path === real) return "";
  if (!path.startsWith(prefix)) return undefined;
  const inside = path.slice(prefix.length);
  return sep === "/" ? inside : inside.replaceAll(sep, "/");
}

/** Whether a path belongs to the tree's content. */
export function isTreeMember(tree: CompiledTree, path: string, kind: PathKind = "file"): boolean {
  const inside = pathInTree(tree, path);
  return (
    inside !== undefined && !tree.matcher.matches(inside) && (tree.tree.filter?.accepts(inside, kind) ?? true)
  );
}

/** Whether a directory must be listed for the tree: a member, or one that may hold members. */
export function isTreeVisited(tree: CompiledTree, path: string): boolean {
  const inside = pathInTree(tree, path);
  return inside !== undefined && !tree.matcher.canSkipDirectory(inside);
}

/** Whether any component of a path below a tree's root is an editor's temporary file or a repository's own directory. */
export function isNeverWatchedInside(inside: string): boolean {
  return inside !== "" && inside.split("/").some(isNeverWatched);
}

/** The name of a path in a scope's revision: relative, so that a checkout that moved keeps its revisions. */
export function memberKey(scope: CompiledScope, path: string): string {
  const base = scope.trees[0]?.tree.root ?? (scope.files[0] === undefined ? sep : dirname(scope.files[0]));
  return relative(base, path);
}

/** A path below a tree's real directory, as the caller of the watcher knows it. */
export function callersPath({ tree, real }: CompiledTree, path: string): string {
  return real === tree.root ? path : tree.root + path.slice(real.length);
}

function realRoot(root: string): string {
  try {
    return lstatSync(root).isSymbolicLink() ? realpathSync(root) : root;
  } catch {
    // Not there, or a broken link: the name itself is waited for.
    return root;
  }
}

function readRules(
  candidates: readonly string[],
  onProblem: (failure: Failure) => void,
): { file: string | undefined; rules: IgnoreRule[] } {
  for (const file of candidates) {
    try {
      return { file, rules: parseIgnoreRules(readFileSync(file, "utf8")) };
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : undefined;
      if (code === "ENOENT" || code === "ENOTDIR") continue;
      onProblem(
        toFailure(
          new DevloopError("CONTEXT_UNREADABLE", `cannot read the ignore rules in ${file}`, { cause: error }),
        ),
      );
      return { file, rules: [] };
    }
  }
  return { file: undefined, rules: [] };
}

function compileRules(
  rules: readonly IgnoreRule[],
  file: string | undefined,
  onProblem: (failure: Failure) => void,
): IgnoreMatcher {
  const usable = rules.filter((rule) => {
    try {
      compileIgnore([rule]);
      return true;
    } catch (error) {
      const where = rule.line === undefined || file === undefined ? "" : ` (${basename(file)}:${rule.line})`;
      const failure = toFailure(error);
      onProblem({ ...failure, message: `${failure.message}${where}; it is left out` });
      return false;
    }
  });
  return compileIgnore(usable);
}
