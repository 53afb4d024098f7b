import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join, relative, sep } from "node:path";
import type { DeploySpec, ImageSpec, Project } from "../engine/project.js";
import { fixedPart, isPattern } from "../engine/sync-rules.js";
import { nearest } from "../lib/nearest.js";
import type { LoadedConfig } from "./load.js";
import { formatPath, type Path } from "./path.js";
import { invalidConfig, type Problem } from "../lib/problems.js";
import { isAddress } from "./to-project.js";
import { find } from "./validate.js";

/**
 * Checks that what the configuration names is there: contexts, Dockerfiles, kustomizations, charts, values files.
 * Throws CONFIG_INVALID with the place of each value. Apart from loading, as a running loop gets over a missing file.
 */
export async function checkPaths(project: Project, loaded: LoadedConfig): Promise<void> {
  const wanted = [
    ...project.images.flatMap(imagePaths),
    ...project.deploys.flatMap((deploy, index) => deployPaths(deploy, ["deploy", index])),
  ];
  const problems = await Promise.all(wanted.map((path) => check(path, project.root, loaded)));
  const found = problems.flat();
  if (found.length > 0) throw invalidConfig(loaded.source, found);
}

interface WantedPath {
  readonly at: Path;
  readonly path: string;
  readonly kind: "directory" | "file" | "kustomization" | "any";
  readonly hint?: string;
  /** Said only when this directory is there: else that is the problem. */
  readonly within?: string;
}

function imagePaths({
  name,
  context,
  dockerfile,
  secrets,
  contexts,
  sync,
}: ImageSpec): readonly WantedPath[] {
  const at = ["images", name];
  const file: readonly WantedPath[] =
    dockerfile.kind === "inline"
      ? []
      : [
          {
            at: [...at, "dockerfile"],
            path: dockerfile.path,
            kind: "file",
            within: context,
            hint: "dockerfile is relative to the image's context",
          },
        ];
  return [
    { at: [...at, "context"], path: context, kind: "directory" },
    ...file,
    ...Object.entries(contexts).flatMap(([id, place]): readonly WantedPath[] => {
      return place.kind === "directory"
        ? [{ at: [...at, "contexts", id], path: place.path, kind: "directory" }]
        : [];
    }),
    ...Object.entries(secrets).flatMap(([id, source]): readonly WantedPath[] => {
      return source.kind === "file"
        ? [{ at: [...at, "secrets", id, "file"], path: source.path, kind: "file" }]
        : [];
    }),
    ...(sync?.kind === "rules" ? sync.rules : []).map(({ src }, index): WantedPath => ({
      at: [...at, "sync", index, "src"],
      path: join(context, fixedPart(src)),
      kind: isPattern(src) ? "directory" : "any",
      within: context,
      hint: "src is relative to the image's context",
    })),
  ];
}

function deployPaths(deploy: DeploySpec, at: Path): readonly WantedPath[] {
  switch (deploy.kind) {
    case "kustomize":
      return [{ at: [...at, "kustomize"], path: deploy.path, kind: "kustomization" }];
    case "helm": {
      const chart: WantedPath = {
        at: [...at, "helm", "chart"],
        path: deploy.chart,
        kind: "any",
        hint: "a chart is a path relative to devloop.yaml, or an address: oci://registry/chart",
      };
      const values = deploy.values.map((path, index): WantedPath => ({
        at: [...at, "helm", "values", index],
        path,
        kind: "file",
      }));
      return [chart, ...values].filter(({ path }) => !isAddress(path));
    }
    case "manifests":
      // A pattern may match nothing yet; a path without wildcards names one file or directory.
      return deploy.patterns.flatMap((pattern, index): WantedPath[] =>
        /[*?[\]{}!()]/.test(pattern)
          ? []
          : [{ at: [...at, "manifests", index], path: join(deploy.root, pattern), kind: "any" }],
      );
  }
}

async function check(wanted: WantedPath, root: string, loaded: LoadedConfig): Promise<readonly Problem[]> {
  const { at, path, kind, hint } = wanted;
  const span = nearestSpan(loaded, at);
  const shown = relative(root, path).split(sep).join("/") || ".";
  const problem = (message: string, advice = hint): readonly Problem[] => [
    { span, message: `${formatPath(at)}: ${message}`, hint: advice },
  ];
  const found = await kindOf(path);
  if (found === undefined) {
    if (wanted.within !== undefined && (await kindOf(wanted.within)) !== "directory") return [];
    const what = kind === "any" ? "file or directory" : kind === "kustomization" ? "directory" : kind;
    const meant = await similar(path);
    return problem(`there is no ${what} ${shown}${meant === undefined ? "" : ` — did you mean ${meant}?`}`);
  }
  switch (kind) {
    case "any":
      return [];
    case "file":
      return found === "directory" ? problem(`${shown} is a directory, not a file`) : [];
    case "directory":
      return found === "directory" ? [] : problem(`${shown} is not a directory`);
    case "kustomization":
      if (found !== "directory") {
        return problem(`${shown} is not a directory`, "name the directory that holds kustomization.yaml");
      }
      return (await hasKustomization(path)) ? [] : problem(`${shown} holds no kustomization.yaml`);
  }
}

function nearestSpan({ tree }: LoadedConfig, at: Path): Problem["span"] {
  for (let length = at.length; length > 0; length--) {
    const node = find(tree, at.slice(0, length));
    if (node !== undefined) return node.span;
  }
  return tree.span;
}

async function kindOf(path: string): Promise<"directory" | "file" | undefined> {
  try {
    return (await stat(path)).isDirectory() ? "directory" : "file";
  } catch {
    // Missing, or behind a directory that cannot be entered: it cannot be used either way.
    return undefined;
  }
}

async function hasKustomization(directory: string): Promise<boolean> {
  const names = ["kustomization.yaml", "kustomization.yml", "Kustomization"];
  const kinds = await Promise.all(names.map((name) => kindOf(join(directory, name))));
  return kinds.includes("file");
}

/** A sibling with nearly the same name. */
async function similar(path: string): Promise<string | undefined> {
  try {
    return nearest(basename(path), await readdir(dirname(path)));
  } catch {
    // Without the directory above there is nothing to suggest.
    return undefined;
  }
}
