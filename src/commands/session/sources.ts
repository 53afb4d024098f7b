import { relative, sep } from "node:path";
import { projectBases } from "../../build/dockerfile.js";
import { readDockerfile } from "../../build/read-dockerfile.js";
import { renderInputs, type RenderInputs } from "../../cluster/render/inputs.js";
import type { DeployId, ImageSpec, Project, SourceChange } from "../../engine/model.js";
import type { Failure } from "../../lib/errors.js";
import { dockerignoreCandidates } from "../../lib/ignore-file.js";
import { scanScopes, watchProject, type ScopeChange, type WatchScope } from "../../watch/watcher.js";

export interface SourcesOptions {
  /** New contents of images and deploys: one call for all that changed together. */
  readonly onChange: (changes: readonly SourceChange[]) => void;
  /** One of the config's files has changed. */
  readonly onConfigChange: () => void;
  readonly onProblem: (failure: Failure) => void;
  readonly signal: AbortSignal;
}

/** The project's files, watched. */
export interface Sources extends AsyncDisposable {
  /** Takes a config in: what to watch, and whose changes mean what. Resolves when all of it was scanned and reported. */
  setProject(project: Project, configFiles: readonly string[]): Promise<void>;
}

/** Watches what a project's images, deploys and config are made from, and tells what changed in the engine's terms. */
export async function watchSources({
  onChange,
  onConfigChange,
  onProblem,
  signal,
}: SourcesOptions): Promise<Sources> {
  let current: { readonly project: Project; readonly configFiles: readonly string[] } | undefined;
  const inputs = new Map<DeployId, RenderInputs>();
  /** The newest report of each image's files. */
  const reported = new Map<string, ScopeChange>();
  let handled = Promise.resolve();

  const watcher = await watchProject({
    signal,
    onProblem,
    onChange: (changes) => {
      // One after the other: a later batch must not overtake an earlier one that still reads a Dockerfile.
      handled = handled.then(() => handle(changes)).catch(() => undefined);
    },
  });

  async function handle(changes: readonly ScopeChange[]): Promise<void> {
    if (!current || signal.aborted) return;
    const { project } = current;
    if (changes.some(({ id, changed }) => id === configScope && changed.length > 0)) onConfigChange();
    // A kustomization that was edited may read other files now: they are part of its content.
    const outdated = await findNewInputs(project, changes);
    const known = changes.filter(({ id }) => id !== configScope && !outdated.has(id));
    for (const change of known) reported.set(change.id, change);
    const reports = await Promise.all(known.map((change) => toSourceChange(project, change)));
    const found = reports.filter((report) => report !== undefined);
    if (found.length > 0) onChange(found);
    if (outdated.size > 0) await watcher.setScopes(scopesOf(project, current.configFiles, inputs));
  }

  /** Another target, argument or context may build on other images, without any file having changed. */
  async function tellBases(before: Project | undefined, project: Project): Promise<void> {
    const changes = project.images.flatMap(({ name, specHash }) => {
      const old = before?.images.find((image) => image.name === name);
      const report = reported.get(imageScope(name));
      return old && report && old.specHash !== specHash ? [{ ...report, changed: [] }] : [];
    });
    const found = await Promise.all(changes.map((change) => toSourceChange(project, change)));
    if (found.length > 0) onChange(found.filter((report) => report !== undefined));
  }

  async function findNewInputs(
    project: Project,
    changes: readonly ScopeChange[],
  ): Promise<ReadonlySet<string>> {
    const outdated = new Set<string>();
    for (const spec of project.deploys) {
      if (!changes.some((change) => change.id === deployScope(spec.id))) continue;
      const now = await renderInputs(spec);
      if (JSON.stringify(now) !== JSON.stringify(inputs.get(spec.id))) outdated.add(deployScope(spec.id));
      inputs.set(spec.id, now);
    }
    return outdated;
  }

  return {
    async setProject(project, configFiles) {
      const before = current?.project;
      current = { project, configFiles };
      await readInputs(project, inputs);
      await watcher.setScopes(scopesOf(project, configFiles, inputs));
      await handled;
      await tellBases(before, project);
    },
    [Symbol.asyncDispose]: () => watcher[Symbol.asyncDispose](),
  };
}

/** The same content once, without watching: for commands that end by themselves. */
export async function scanSources(
  project: Project,
  { onProblem, signal }: Pick<SourcesOptions, "onProblem" | "signal">,
): Promise<readonly SourceChange[]> {
  const changes = await scanScopes(await projectScopes(project, []), { signal, onProblem });
  const reports = await Promise.all(changes.map((change) => toSourceChange(project, change)));
  return reports.filter((report) => report !== undefined);
}

/** The scopes of a project as its files stand now. */
export async function projectScopes(
  project: Project,
  configFiles: readonly string[],
): Promise<readonly WatchScope[]> {
  const inputs = new Map<DeployId, RenderInputs>();
  await readInputs(project, inputs);
  return scopesOf(project, configFiles, inputs);
}

/** What is watched for a project: its config, a scope for each image, and one for each deploy. */
function scopesOf(
  project: Project,
  configFiles: readonly string[],
  inputs: ReadonlyMap<DeployId, RenderInputs>,
): readonly WatchScope[] {
  return [
    { id: configScope, trees: [], files: configFiles },
    ...project.images.map((image) => ({ id: imageScope(image.name), ...imageFiles(image) })),
    ...project.deploys.map((deploy) => {
      const { files = [], directories = [] } = inputs.get(deploy.id) ?? {};
      const trees = directories.map((root) => ({ root, ignore: [], ignoreFiles: [] }));
      return { id: deployScope(deploy.id), trees, files };
    }),
  ];
}

const configScope = "config";
const imageScope = (name: string): string => `image:${name}`;
const deployScope = (id: string): string => `deploy:${id}`;

function imageFiles({ context, dockerfile, ignore, contexts }: ImageSpec): Omit<WatchScope, "id"> {
  const path = dockerfile.kind === "file" ? dockerfile.path : undefined;
  const ignoreFiles = dockerignoreCandidates(context, path);
  const further = Object.values(contexts).flatMap((place) => {
    if (place.kind !== "directory") return [];
    return [{ root: place.path, ignore: [], ignoreFiles: dockerignoreCandidates(place.path) }];
  });
  // The Dockerfile and the ignore files count even where they are ignored themselves.
  return {
    trees: [{ root: context, ignore, ignoreFiles }, ...further],
    files: [
      ...(path === undefined ? [] : [path]),
      ...ignoreFiles,
      ...further.flatMap((tree) => tree.ignoreFiles),
    ],
  };
}

async function readInputs(project: Project, inputs: Map<DeployId, RenderInputs>): Promise<void> {
  const read = await Promise.all(
    project.deploys.map(async (spec) => [spec.id, await renderInputs(spec)] as const),
  );
  inputs.clear();
  for (const [id, found] of read) inputs.set(id, found);
}

async function toSourceChange(project: Project, change: ScopeChange): Promise<SourceChange | undefined> {
  const { revision, changedAt } = change;
  const changed = change.changed.map((path) => relative(project.root, path).split(sep).join("/"));
  const image = project.images.find(({ name }) => imageScope(name) === change.id);
  if (image) {
    const bases = await findBases(image, project);
    return { target: { image: image.name }, revision, changed, changedAt, bases };
  }
  const deploy = project.deploys.find(({ id }) => deployScope(id) === change.id);
  return deploy && { target: { deploy: deploy.id }, revision, changed, changedAt };
}

/** The project's images that a Dockerfile builds on. A missing Dockerfile builds on none: its build says what is wrong. */
async function findBases(image: ImageSpec, { images }: Project): Promise<readonly string[]> {
  const others = images.map(({ name }) => name).filter((other) => other !== image.name);
  try {
    return projectBases(await readDockerfile(image), image, others);
  } catch {
    return [];
  }
}
