import { readFile } from "node:fs/promises";
import { join, posix } from "node:path";
import { parse } from "yaml";
import { stageChain, stageSteps } from "../../build/dockerfile-steps.js";
import { readStages, type Stage } from "../../build/dockerfile-stages.js";
import { parseManifests } from "../../cluster/render/parse-manifests.js";
import type { KubeObject } from "../../cluster/kube.js";
import { isDevelopment } from "../../init/environments.js";
import type { Findings, FoundChart, FoundDockerfile, FoundKustomization } from "../../init/model.js";
import { readSkaffold } from "../../init/skaffold.js";
import { listFiles } from "./list-files.js";

/** Reads a project's directory: what of it builds images, and what deploys them. Broken files are passed over. */
export async function findParts(
  root: string,
  { signal }: { readonly signal: AbortSignal },
): Promise<Findings> {
  const files = await listFiles(root, { signal });
  const read = (path: string): Promise<string> => readFile(join(root, path), { encoding: "utf8", signal });
  const dockerfiles = await readAll(files.filter(isDockerfile), async (path) =>
    dockerfileOf(path, await read(path), await packageName(path, read)),
  );
  const kustomizations = await readAll(
    files.filter((path) => /^kustomization(\.ya?ml)?$/i.test(posix.basename(path))),
    async (path) => kustomizationOf(path, await read(path), files),
  );
  const chartFiles = files.filter((path) => posix.basename(path) === "Chart.yaml");
  const charts = await readAll(chartFiles, async (path) => chartOf(path, await read(path), files));
  const owned = [
    ...chartFiles.map((path) => posix.dirname(path)),
    ...kustomizations.map(({ directory }) => directory),
  ];
  const manifests = await readAll(
    files.filter((path) => /\.ya?ml$/.test(path) && !owned.some((directory) => isBelow(path, directory))),
    async (path) => (isManifest(await read(path)) ? path : undefined),
  );
  const [skaffold] = await readAll(
    files.filter((path) => /^skaffold\.ya?ml$/.test(path)),
    async (path) => readSkaffold(path, await read(path)),
  );
  return {
    files,
    dockerfiles,
    kustomizations,
    charts: charts.filter(
      ({ directory }) => !charts.some((outer) => isBelow(directory, posix.join(outer.directory, "charts"))),
    ),
    manifests,
    ...(skaffold === undefined ? {} : { skaffold }),
    unread: files.filter((path) =>
      /^(Tiltfile|devspace\.yaml|okteto\.ya?ml|garden\.ya?ml|project\.garden\.yml)$/.test(path),
    ),
  };
}

/** What each file says, without those that say nothing or cannot be read. */
async function readAll<T>(
  paths: readonly string[],
  read: (path: string) => Promise<T | undefined>,
): Promise<T[]> {
  const found: T[] = [];
  for (const path of paths) {
    const part = await read(path).catch(() => undefined);
    if (part !== undefined) found.push(part);
  }
  return found;
}

function isDockerfile(path: string): boolean {
  const base = posix.basename(path);
  return /^(Dockerfile|Containerfile)([.-].+)?$|^.+\.Dockerfile$/i.test(base) && !/ignore$/.test(base);
}

function dockerfileOf(path: string, text: string, name: string | undefined): FoundDockerfile | undefined {
  const parsed = readStages(text, { args: {}, contexts: {} });
  const { stages } = parsed;
  if (stages.length === 0) return undefined;
  const all = new Set(stages.flatMap((_, index) => stageSteps(parsed, index, {})).flat());
  const sources = [...all].flatMap((step) =>
    step.kind === "copy" && !step.flags.has("from")
      ? step.sources.filter(({ unknown }) => unknown === undefined).map((source) => source.text)
      : [],
  );
  return {
    path,
    stages: stages.flatMap((stage) => stage.name ?? []),
    sources: [...new Set(sources)].filter((source) => !/^[a-z]+:\/\/|^git@/.test(source)),
    ...(name === undefined ? {} : { packageName: name }),
    ports: exposedPorts(stageChain(stages, stages.length - 1)),
  };
}

/** Numbers alone: what a variable says may be set elsewhere. */
function exposedPorts(stages: readonly Stage[]): readonly number[] {
  const exposed = stages
    .flatMap(({ instructions }) => instructions)
    .filter(({ keyword }) => keyword === "EXPOSE");
  const ports = exposed.flatMap(({ text }) =>
    text.split(/\s+/).flatMap((word) => /^(\d{1,5})(?:\/tcp)?$/i.exec(word)?.[1] ?? []),
  );
  return [...new Set(ports.map(Number))].filter((port) => port > 0 && port < 65_536);
}

async function packageName(
  dockerfile: string,
  read: (path: string) => Promise<string>,
): Promise<string | undefined> {
  try {
    const { name } = JSON.parse(await read(posix.join(posix.dirname(dockerfile), "package.json"))) as Partial<
      Record<string, unknown>
    >;
    return typeof name === "string" ? name.replace(/^@[^/]*\//, "") : undefined;
  } catch {
    // Not there, or not for us to mend.
    return undefined;
  }
}

function kustomizationOf(path: string, text: string, files: readonly string[]): FoundKustomization {
  const directory = posix.dirname(path);
  const fields = (parse(text) ?? {}) as Partial<Record<string, unknown>>;
  const entries = ["resources", "bases", "components"].flatMap((key) => {
    const value = fields[key];
    return Array.isArray(value) ? value.filter((entry) => typeof entry === "string") : [];
  });
  const references = entries
    .map((entry) => posix.join(directory, entry).replace(/\/$/, ""))
    .filter((target) => target === "." || files.some((file) => isBelow(file, target)));
  return { directory, references, component: fields["kind"] === "Component" };
}

function chartOf(path: string, text: string, files: readonly string[]): FoundChart | undefined {
  const directory = posix.dirname(path);
  const fields = parse(text) as Partial<Record<string, unknown>>;
  if (typeof fields["name"] !== "string" || fields["type"] === "library") return undefined;
  const devValues = files.find((file) => {
    const word = /^values[-._](.+)\.ya?ml$/.exec(posix.basename(file))?.[1];
    return posix.dirname(file) === directory && word !== undefined && isDevelopment(word);
  });
  return { directory, name: fields["name"], ...(devValues === undefined ? {} : { devValues }) };
}

/** Files with apiVersion and kind that are read by a tool and by no API server. */
const toolGroups =
  /(^|\.)(kind\.x-k8s\.io|k3d\.io|eksctl\.io|ctlptl\.dev|backstage\.io|kustomize\.config\.k8s\.io)$|^skaffold$/;

function isManifest(text: string): boolean {
  if (!/^["']?apiVersion\b/m.test(text)) return false;
  const objects: readonly KubeObject[] = parseManifests(text, "");
  return objects.length > 0 && objects.every(({ apiVersion }) => !toolGroups.test(groupOf(apiVersion)));
}

function groupOf(apiVersion: string): string {
  return apiVersion.includes("/") ? apiVersion.slice(0, apiVersion.indexOf("/")) : "";
}

function isBelow(path: string, directory: string): boolean {
  return directory === "." || path.startsWith(`${directory}/`);
}
