import { resolve, sep } from "node:path";
import { explainPath } from "../watch/classify.js";
import { compileScope } from "../watch/scope.js";
import { explainedSyncs, withSync, type Effect } from "./explain-sync.js";
import { loadProject, type ProjectOptions } from "./session/session.js";
import { projectScopes } from "./session/sources.js";
import { DevloopError, type Failure } from "../lib/errors.js";

export interface ExplainOptions extends ProjectOptions {
  /** Relative to `cwd`; they need not exist. */
  readonly paths: readonly string[];
}

/** `devloop explain PATH…`: which images and deploys a change touches, how (a new image, or into the containers), and why. Throws USAGE without a path. */
export async function explainCommand(options: ExplainOptions): Promise<number> {
  if (options.paths.length === 0) {
    throw new DevloopError("USAGE", "explain needs a path", { hint: "devloop explain src/server.js" });
  }
  const { problems, explained } = await explainPaths(options);
  for (const { message } of problems) process.stderr.write(`${message}\n`);
  for (const { path, effects } of explained) {
    for (const line of printExplanation(path, effects)) {
      process.stdout.write(`${line.replaceAll(options.cwd + sep, "")}\n`);
    }
  }
  return 0;
}

/** What a change of each path would do; `problems` are ignore files and the like that cannot be read. */
export async function explainPaths(options: ExplainOptions): Promise<{
  readonly problems: readonly Failure[];
  readonly explained: readonly { readonly path: string; readonly effects: readonly Effect[] }[];
}> {
  const { project, loaded } = await loadProject(options);
  // An image's own scope stands for its synced files too: its rules say which these are.
  const scopes = (await projectScopes(project, loaded.files))
    .filter(({ id }) => !id.startsWith("sync:"))
    .map(compileScope);
  const syncs = await explainedSyncs(project);
  const explained = options.paths.map((path) => {
    const absolute = resolve(options.cwd, path);
    const effects = explainPath(absolute, scopes).map((found) =>
      withSync(found, absolute, syncs.get(found.id)),
    );
    return { path, effects };
  });
  return { problems: scopes.flatMap((scope) => scope.problems), explained };
}

/** The lines that `devloop explain PATH` prints: one for each scope, those that are touched first. */
export function printExplanation(path: string, explanations: readonly Effect[]): string[] {
  if (explanations.length === 0) return [`${path}: no image, deploy or config depends on it`];
  const touched = explanations.filter(({ effect }) => effect !== "ignored");
  const ignored = explanations.filter(({ effect }) => effect === "ignored");
  const head =
    touched.length === 0 ? `${path}: a change of it does nothing` : `${path}: a change of it does this`;
  return [head, ...[...touched, ...ignored].map((explanation) => `  ${explanationLine(explanation)}`)];
}

function explanationLine({ id, effect, why }: Effect): string {
  const subject = id.replace(/^(image|deploy):/, "$1 ");
  return effect === "ignored" ? `${subject}: nothing, ${why}` : `${subject}: ${effect}, because ${why}`;
}
