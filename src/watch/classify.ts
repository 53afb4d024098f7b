import { basename } from "node:path";
import { isNeverWatchedInside, pathInTree, type CompiledScope, type CompiledTree } from "./scope.js";

/** What a change of a path means to one scope, and why. */
export interface PathExplanation {
  readonly id: string;
  readonly effect: "rebuild" | "render" | "reload config" | "ignored";
  readonly why: string;
  /** The root of the tree that it lies in, where that is the reason. */
  readonly tree?: string;
}

/** What a change of an absolute path touches: one answer for each scope that it lies in; [] when it is in none. Pure. */
export function explainPath(path: string, scopes: readonly CompiledScope[]): readonly PathExplanation[] {
  return scopes.flatMap((scope) => explainInScope(path, scope) ?? []);
}

function explainInScope(path: string, scope: CompiledScope): PathExplanation | undefined {
  const { id } = scope;
  const effect = effectOf(id);
  if (scope.files.includes(path)) return { id, effect, why: "it is one of the files that are read by name" };
  const excluded: string[] = [];
  for (const tree of scope.trees) {
    if (tree.tree.ignoreFiles.includes(path)) {
      return { id, effect, why: `its patterns say what in ${tree.tree.root} counts` };
    }
    const inside = pathInTree(tree, path);
    if (inside === undefined) continue;
    const reason = whyExcluded(tree, inside);
    if (reason !== undefined) {
      excluded.push(reason);
      continue;
    }
    const { pattern, line } = tree.matcher.explain(inside);
    const exception = pattern === undefined ? "" : `, brought back by "${pattern}" (${placeOf(tree, line)})`;
    return { id, effect, why: `it lies in ${tree.tree.root}${exception}`, tree: tree.tree.root };
  }
  return excluded.length === 0 ? undefined : { id, effect: "ignored", why: excluded.join("; ") };
}

function whyExcluded(tree: CompiledTree, inside: string): string | undefined {
  if (isNeverWatchedInside(inside))
    return `${basename(inside)} is an editor's temporary file or belongs to git`;
  if (tree.tree.filter?.accepts(inside, "file") === false) return "it comes back from a container (pull)";
  const { ignored, pattern, line } = tree.matcher.explain(inside);
  if (!ignored || pattern === undefined) return undefined;
  return `"${pattern}" excludes it (${placeOf(tree, line)})`;
}

/** `.dockerignore` patterns have a line; those of the config have none. */
function placeOf({ ignoreFile }: CompiledTree, line: number | undefined): string {
  return line === undefined || ignoreFile === undefined ? "ignore in devloop.yaml" : `${ignoreFile}:${line}`;
}

function effectOf(id: string): "rebuild" | "render" | "reload config" {
  if (id.startsWith("image:")) return "rebuild";
  return id.startsWith("deploy:") ? "render" : "reload config";
}
