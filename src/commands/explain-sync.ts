import { lstatSync } from "node:fs";
import { relative, sep } from "node:path";
import type { ImageSpec, Project, SyncAction, SyncRule } from "../engine/project.js";
import {
  compileSync,
  whenMatches,
  type PathKind,
  type SyncMap,
  type SyncTarget,
} from "../engine/sync-rules.js";
import type { PathExplanation } from "../watch/classify.js";
import { imageSync } from "./session/image-sync.js";

/** How the changes of an image's files go on: into its containers, or into a new image. */
export interface ExplainedSync {
  readonly context: string;
  readonly map: SyncMap;
  /** What is to be known of inferred rules. */
  readonly notes: readonly string[];
}

/** The compiled rules of all images that have some, by the id of their scope. Throws DOCKERFILE_INVALID for an unreadable Dockerfile. */
export async function explainedSyncs(project: Project): Promise<ReadonlyMap<string, ExplainedSync>> {
  const found = await Promise.all(
    project.images.map(async (image) => [`image:${image.name}`, await explainedSync(image)] as const),
  );
  return new Map(found.flatMap(([id, sync]) => (sync === undefined ? [] : [[id, sync]])));
}

async function explainedSync(image: ImageSpec): Promise<ExplainedSync | undefined> {
  const sync = await imageSync(image);
  return sync && { context: image.context, map: compileSync(sync), notes: sync.notes };
}

/** What a change of a path does, in words: an explanation, with what an image's sync rules make of it. */
export interface Effect {
  readonly id: string;
  /** `rebuild`, `sync to /app/a.js, then restart`; `ignored` for none. */
  readonly effect: string;
  readonly why: string;
}

/** The explanation of a path, with the sync rules of its image where they decide: for what lies in the context, not the context itself. */
export function withSync(
  explanation: PathExplanation,
  path: string,
  sync: ExplainedSync | undefined,
): Effect {
  if (sync === undefined || explanation.tree !== sync.context) return explanation;
  const inside = relative(sync.context, path).split(sep).join("/");
  if (inside === "") return explanation;
  const found = sync.map.explain(inside, kindOf(path));
  switch (found.kind) {
    case "synced": {
      const places = [...new Set(found.targets.map(({ dest }) => dest))].join(" and ");
      const actions = [...new Set(found.targets.map(({ rule }) => thenText(rule.then, inside)))].join("");
      return {
        ...explanation,
        effect: `sync to ${places}${actions}`,
        why: found.targets.map(coverText).join(" and "),
      };
    }
    case "rebuild":
      return { ...explanation, why: `"${found.pattern}" is in its rebuild list` };
    case "ignored":
      return {
        ...explanation,
        why: found.by.map(({ index, pattern }) => `rule ${index + 1} leaves it out: "${pattern}"`).join(", "),
      };
    case "unclear":
      return { ...explanation, why: `rule ${found.index + 1} does not say where a ${found.found} goes` };
    case "uncovered":
      return { ...explanation, why: ["no sync rule covers it", ...sync.notes].join("; ") };
  }
}

function thenText(then: SyncAction, path: string): string {
  switch (then.kind) {
    case "nothing":
      return "";
    case "restart":
      return ", then restart";
    case "exec":
      return whenMatches(then, [path]) ? `, then run ${then.command.join(" ")}` : "";
  }
}

function coverText({ rule, index }: SyncTarget): string {
  return `rule ${index + 1} (${ruleText(rule)}) covers it`;
}

function ruleText({ src, dest, origin }: SyncRule): string {
  return `${src} → ${dest}${origin === undefined ? "" : `, from ${origin}`}`;
}

/** A path that is not there is taken for a file. */
function kindOf(path: string): PathKind {
  try {
    const stats = lstatSync(path);
    return stats.isDirectory() ? "directory" : stats.isSymbolicLink() ? "link" : "file";
  } catch {
    return "file";
  }
}
