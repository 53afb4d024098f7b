import { environmentRank, isDevelopment, isEnvironment, withoutAsides } from "./environments.js";
import type { DeployChoice, DeploySource, Findings, FoundKustomization } from "./model.js";

/** Directories whose children are variants of one thing. */
const variantParents: ReadonlySet<string> = new Set([
  "overlays",
  "overlay",
  "environments",
  "envs",
  "env",
  "clusters",
]);

/**
 * What to deploy: what a skaffold.yaml says, else kustomizations where there are such, else charts, else manifests. `leftOut` names what is there
 * besides: a project that keeps a chart beside its overlays deploys the same things with both.
 */
export function chooseDeploys(found: Findings): {
  readonly choices: readonly DeployChoice[];
  readonly leftOut: readonly string[];
} {
  const told = found.skaffold?.deploys.filter((source) => isHere(source, found.files)) ?? [];
  if (told.length > 0)
    return { choices: told.map((source): DeployChoice => ({ options: [source], sure: true })), leftOut: [] };
  const kustomizations = kustomizeChoices(found.kustomizations);
  const charts = withoutAsides(found.charts, ({ directory }) => directory).map(
    ({ directory, name, devValues }): DeployChoice => ({
      options: [
        { kind: "helm", chart: directory, release: name, values: devValues === undefined ? [] : [devValues] },
      ],
      sure: true,
    }),
  );
  const manifests = withoutAsides(found.manifests, (path) => path);
  if (kustomizations.length > 0) {
    return { choices: kustomizations, leftOut: found.charts.map(({ directory }) => directory) };
  }
  if (charts.length > 0) return { choices: charts, leftOut: [] };
  if (manifests.length === 0) return { choices: [], leftOut: [] };
  const patterns = manifestPatterns(manifests, found.files);
  return { choices: [{ options: [{ kind: "manifests", patterns }], sure: true }], leftOut: [] };
}

/** Whether there is something of it; patterns are taken as they are. */
function isHere(source: DeploySource, files: readonly string[]): boolean {
  if (source.kind === "manifests") return true;
  const directory = deployPlace(source);
  return directory === "." || files.some((file) => file.startsWith(`${directory}/`));
}

/** Where a deploy comes from, in a word: a directory or patterns. */
export function deployPlace(source: DeploySource): string {
  switch (source.kind) {
    case "kustomize":
      return source.path;
    case "helm":
      return source.chart;
    case "manifests":
      return source.patterns.join(", ");
  }
}

/** One choice for each set of kustomizations that differ only in the environment they are for. */
function kustomizeChoices(found: readonly FoundKustomization[]): DeployChoice[] {
  const taken = new Set(found.flatMap(({ references }) => references));
  const roots = found.filter(({ directory, component }) => !component && !taken.has(directory));
  const groups = new Map<string, string[]>();
  for (const { directory } of withoutAsides(roots, ({ directory }) => directory)) {
    const key = variantKey(directory);
    groups.set(key, [...(groups.get(key) ?? []), directory]);
  }
  return [...groups.values()].flatMap((paths) => {
    const [first, ...others] = paths
      .sort((left, right) => environmentRank(left) - environmentRank(right) || (left < right ? -1 : 1))
      .map((path): DeploySource => ({ kind: "kustomize", path }));
    if (first === undefined) return [];
    return [{ options: [first, ...others], sure: paths.length === 1 || isDevelopment(paths[0] ?? "") }];
  });
}

/** The path with the environment's name taken out: equal for variants of one thing. */
function variantKey(path: string): string {
  const segments = path.split("/");
  const named = segments.findLastIndex((segment, index) =>
    variantParents.has(segments[index - 1] ?? "") ? true : isEnvironment(segment),
  );
  return segments.map((segment, index) => (index === named ? "*" : segment)).join("/");
}

/** A pattern for each directory in which every YAML file is a manifest, else the files one by one. */
function manifestPatterns(manifests: readonly string[], files: readonly string[]): readonly string[] {
  const patterns = new Set<string>();
  for (const file of manifests) {
    const slash = file.lastIndexOf("/");
    const directory = file.slice(0, slash + 1);
    const extension = /\.[^.]*$/.exec(file)?.[0] ?? "";
    const alike = files.filter(
      (other) => other.lastIndexOf("/") === slash && other.startsWith(directory) && other.endsWith(extension),
    );
    const all = slash >= 0 && alike.every((other) => manifests.includes(other));
    patterns.add(all && alike.length > 1 ? `${directory}*${extension}` : file);
  }
  return [...patterns];
}
