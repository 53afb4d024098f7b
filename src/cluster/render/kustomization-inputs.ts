import { readFile, stat } from "node:fs/promises";
import path from "node:path";
import { parseAllDocuments } from "yaml";

const kustomizationNames = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

export interface KustomizationInputs {
  readonly files: readonly string[];
  readonly directories: readonly string[];
  /** Some kustomization inflates a helm chart: kustomize has to be allowed to. */
  readonly charts: boolean;
}

/**
 * Every local file that building the kustomization in `directory` reads, bases and components included, as absolute
 * paths. References to other hosts are left out, files that do not exist kept. Never throws for what the files hold.
 */
export async function kustomizationInputs(directory: string): Promise<KustomizationInputs> {
  const found: Found = { files: new Set(), directories: new Set(), visited: new Set(), charts: false };
  await visitKustomization(path.resolve(directory), found);
  return { files: [...found.files].sort(), directories: [...found.directories].sort(), charts: found.charts };
}

interface Found {
  readonly files: Set<string>;
  readonly directories: Set<string>;
  /** Kustomizations seen, so that a cycle ends. */
  readonly visited: Set<string>;
  charts: boolean;
}

async function visitKustomization(directory: string, found: Found): Promise<void> {
  if (found.visited.has(directory)) return;
  found.visited.add(directory);
  const candidates = kustomizationNames.map((name) => path.join(directory, name));
  const present = await firstExisting(candidates);
  if (present === undefined) {
    for (const file of candidates) found.files.add(file);
    return;
  }
  found.files.add(present);
  for (const document of await readDocuments(present)) await visitFields(document, directory, found);
}

async function visitFields(kustomization: Fields, directory: string, found: Found): Promise<void> {
  for (const key of ["resources", "bases", "components"]) {
    for (const entry of strings(kustomization[key])) await visitEntry(entry, directory, found);
  }
  // Plugins are configured by files, inline, or by a kustomization that yields them.
  for (const key of ["generators", "transformers", "validators"]) {
    for (const entry of strings(kustomization[key])) {
      const file = await visitEntry(entry, directory, found);
      if (file === undefined) continue;
      for (const plugin of await readDocuments(file)) addFileFields(plugin, directory, found);
    }
  }
  for (const key of ["patchesStrategicMerge", "configurations", "crds"]) {
    for (const entry of strings(kustomization[key])) addFile(entry, directory, found);
  }
  for (const key of ["patches", "patchesJson6902", "replacements"]) {
    for (const entry of records(kustomization[key])) addFileFields(entry, directory, found);
  }
  for (const key of ["configMapGenerator", "secretGenerator"]) {
    for (const entry of records(kustomization[key])) addFileFields(entry, directory, found);
  }
  if (isRecord(kustomization["openapi"])) addFileFields(kustomization["openapi"], directory, found);
  addCharts(kustomization, directory, found);
}

/** A file, or a directory with a kustomization of its own. Returns the path if it is, or may become, a file. */
async function visitEntry(entry: string, directory: string, found: Found): Promise<string | undefined> {
  if (isInline(entry)) return undefined;
  const target = path.resolve(directory, entry);
  const kind = await kindOf(target);
  if (kind === "directory") {
    await visitKustomization(target, found);
    return undefined;
  }
  // kustomize itself looks on the disk first, and at other hosts then.
  if (kind === undefined && isRemote(entry)) return undefined;
  found.files.add(target);
  return target;
}

/** The fields of generators, patches and plugins that name files: `key=path` or a path each. */
function addFileFields(fields: Fields, directory: string, found: Found): void {
  for (const key of ["path", "env", "valuesFile"]) {
    const entry = fields[key];
    if (typeof entry === "string") addFile(entry, directory, found);
  }
  for (const key of ["files", "envs", "paths", "additionalValuesFiles"]) {
    for (const entry of strings(fields[key])) addFile(entry.replace(/^[^=]*=/, ""), directory, found);
  }
}

function addFile(entry: string, directory: string, found: Found): void {
  if (isInline(entry) || isRemote(entry)) return;
  found.files.add(path.resolve(directory, entry));
}

function addCharts(kustomization: Fields, directory: string, found: Found): void {
  const charts = [
    ...records(kustomization["helmCharts"]),
    ...records(kustomization["helmChartInflationGenerator"]),
  ];
  if (charts.length === 0) return;
  found.charts = true;
  const globals = kustomization["helmGlobals"];
  const home =
    isRecord(globals) && typeof globals["chartHome"] === "string" ? globals["chartHome"] : "charts";
  for (const chart of charts) {
    addFileFields(chart, directory, found);
    const name = chart["name"] ?? chart["chartName"];
    // A chart with a repository is fetched, and its copy under chartHome written by the render itself.
    if (typeof name === "string" && chart["repo"] === undefined) {
      found.directories.add(path.resolve(directory, home, name));
    }
  }
}

/** YAML or JSON in the place of a path. */
function isInline(entry: string): boolean {
  return /\n|: |^\s*\{/.test(entry);
}

/** A URL, or one of the short forms that kustomize takes for a git repository. */
function isRemote(entry: string): boolean {
  return (
    /^[a-z][a-z0-9+.-]*:\/\//i.test(entry) ||
    /^(git::|git@|[\w.-]+@[\w.-]+:)/.test(entry) ||
    /^(github|gitlab|bitbucket)\.(com|org)[/:]/.test(entry) ||
    /[?&]ref=/.test(entry) ||
    /\.git(\/|$|\?)/.test(entry)
  );
}

type Fields = Readonly<Record<string, unknown>>;

/** The documents of a file, as far as they can be read: a broken one still names what stands before the break. */
async function readDocuments(file: string): Promise<Fields[]> {
  try {
    const documents = parseAllDocuments(await readFile(file, "utf8"), { logLevel: "silent" });
    return (Array.isArray(documents) ? documents : []).map((each) => each.toJS() as unknown).filter(isRecord);
  } catch {
    return [];
  }
}

async function firstExisting(files: readonly string[]): Promise<string | undefined> {
  for (const file of files) if ((await kindOf(file)) === "file") return file;
  return undefined;
}

async function kindOf(target: string): Promise<"file" | "directory" | undefined> {
  try {
    return (await stat(target)).isDirectory() ? "directory" : "file";
  } catch {
    return undefined;
  }
}

function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((entry) => typeof entry === "string") : [];
}

function records(value: unknown): Fields[] {
  return Array.isArray(value) ? value.filter(isRecord) : [];
}

function isRecord(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
