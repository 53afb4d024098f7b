import { isDeepStrictEqual } from "node:util";
import { relative, sep } from "node:path";
import { projectBases } from "../../build/dockerfile.js";
import { readDockerfile } from "../../build/read-dockerfile.js";
import { renderInputs, type RenderInputs } from "../../cluster/render/inputs.js";
import { changeTree, makeTree, type SyncTree } from "../../cluster/sync/tree.js";
import type { SourceChange } from "../../engine/event.js";
import type { DeployId, ImageSpec, Project } from "../../engine/project.js";
import type { Failure } from "../../lib/errors.js";
import { hashJson } from "../../lib/canonical-json.js";
import { dockerignoreCandidates } from "../../lib/ignore-file.js";
import { readSyncs, resolveSync, type ResolvedSync } from "./resolve-sync.js";
import type { PathFilter, PathKind } from "../../watch/scope.js";
import { scanScopes, watchProject, type ScopeChange, type WatchScope } from "../../watch/watcher.js";

export interface SourcesOptions {
  /** Takes the files that are synced, before their change is told. */
  readonly onTree: (image: string, tree: SyncTree) => void;
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
  onTree,
  onConfigChange,
  onProblem,
  signal,
}: SourcesOptions): Promise<Sources> {
  let current: { readonly project: Project; readonly configFiles: readonly string[] } | undefined;
  const inputs = new Map<DeployId, RenderInputs>();
  const syncs = new Map<string, ResolvedSync>();
  const trees = new Map<string, SyncTree>();
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
    // A kustomization that was edited may read other files now, and a Dockerfile copy others: they are part of the content.
    const outdated = new Set([
      ...(await findNewInputs(project, changes)),
      ...(await findNewSyncs(project, changes)),
    ]);
    const known = changes.filter(({ id }) => id !== configScope && !outdated.has(id));
    for (const change of known) reported.set(change.id, change);
    await tell(project, known);
    if (outdated.size === 0) return;
    await watcher.setScopes(scopesOf(project, current.configFiles, { inputs, syncs }));
    const late = changes.filter(({ id }) => outdated.has(id));
    const before = late.map(({ id }) => reported.get(id));
    // The new scopes' own reports are next in line. Where there is none, their content is what was reported here.
    handled = handled.then(async () => {
      const missing = late.filter(({ id }, at) => reported.get(id) === before[at]);
      for (const change of missing) reported.set(change.id, change);
      await tell(project, missing);
    });
  }

  async function tell(project: Project, changes: readonly ScopeChange[]): Promise<void> {
    const reports = await Promise.all(
      changes.map((change) => toSourceChange(project, change, { syncs, trees, onTree })),
    );
    const found = reports.filter((report) => report !== undefined);
    if (found.length > 0) onChange(found);
  }

  /**
   * Another target, argument or context may build on other images, and other rules sync elsewhere, without any file having
   * changed.
   */
  async function tellAgain(before: Project | undefined, project: Project): Promise<void> {
    const changes = project.images.flatMap((image) => {
      const old = before?.images.find(({ name }) => name === image.name);
      if (!old || isDeepStrictEqual(old, image)) return [];
      return [imageScope(image.name), syncScope(image.name)].flatMap((id) => {
        const report = reported.get(id);
        return report ? [{ ...report, changed: [] }] : [];
      });
    });
    await tell(project, changes);
  }

  /** The scopes of images whose rules are others than before. */
  async function findNewSyncs(
    project: Project,
    changes: readonly ScopeChange[],
  ): Promise<ReadonlySet<string>> {
    const outdated = new Set<string>();
    for (const image of project.images) {
      if (!image.sync || !changes.some(({ id }) => id === imageScope(image.name))) continue;
      const now = await resolveSync(image);
      if (now.map.key !== syncs.get(image.name)?.map.key) {
        outdated.add(imageScope(image.name)).add(syncScope(image.name));
      }
      syncs.set(image.name, now);
    }
    return outdated;
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
      await Promise.all([readInputs(project, inputs), readSyncs(project, syncs)]);
      await watcher.setScopes(scopesOf(project, configFiles, { inputs, syncs }));
      await handled;
      await tellAgain(before, project);
    },
    [Symbol.asyncDispose]: () => watcher[Symbol.asyncDispose](),
  };
}

type ScanOptions = Pick<SourcesOptions, "onProblem" | "signal"> & Partial<Pick<SourcesOptions, "onTree">>;

/** The same content once, without watching: for commands that end by themselves. */
export async function scanSources(
  project: Project,
  { onProblem, onTree = () => undefined, signal }: ScanOptions,
): Promise<readonly SourceChange[]> {
  const inputs = new Map<DeployId, RenderInputs>();
  const syncs = new Map<string, ResolvedSync>();
  await Promise.all([readInputs(project, inputs), readSyncs(project, syncs)]);
  const changes = await scanScopes(scopesOf(project, [], { inputs, syncs }), { signal, onProblem });
  const reports = await Promise.all(
    changes.map((change) => toSourceChange(project, change, { syncs, trees: new Map(), onTree })),
  );
  return reports.filter((report) => report !== undefined);
}

/** The scopes of a project as its files stand now; an image's has what is synced of it too. */
export async function projectScopes(
  project: Project,
  configFiles: readonly string[],
): Promise<readonly WatchScope[]> {
  const inputs = new Map<DeployId, RenderInputs>();
  await readInputs(project, inputs);
  return scopesOf(project, configFiles, { inputs, syncs: new Map() });
}

/** What is watched for a project: its config, a scope for each image, and one for each deploy. */
function scopesOf(
  project: Project,
  configFiles: readonly string[],
  {
    inputs,
    syncs,
  }: {
    readonly inputs: ReadonlyMap<DeployId, RenderInputs>;
    readonly syncs: ReadonlyMap<string, ResolvedSync>;
  },
): readonly WatchScope[] {
  return [
    { id: configScope, trees: [], files: configFiles },
    ...project.images.flatMap((image) => imageScopes(image, syncs.get(image.name))),
    ...project.deploys.map((deploy) => {
      const { files = [], directories = [] } = inputs.get(deploy.id) ?? {};
      const trees = directories.map((root) => ({ root, ignore: [], ignoreFiles: [] }));
      return { id: deployScope(deploy.id), trees, files };
    }),
  ];
}

const configScope = "config";
const imageScope = (name: string): string => `image:${name}`;
const syncScope = (name: string): string => `sync:${name}`;
const deployScope = (id: string): string => `deploy:${id}`;

/** What an image is made from; where it has rules, without what they sync, which is a scope of its own. */
function imageScopes(image: ImageSpec, sync: ResolvedSync | undefined): readonly WatchScope[] {
  const { name, context } = image;
  const { trees, files } = imageFiles(image);
  const [own, ...further] = trees;
  if (!own) return [];
  const pulled = image.pull.map(({ dest }) => relative(context, dest).split(sep).join("/"));
  const isPulled = (path: string): boolean =>
    pulled.some((place) => path === place || path.startsWith(`${place}/`));
  const isSynced = (path: string, kind: PathKind): boolean =>
    sync !== undefined && sync.map.targets(path, kind).length > 0;
  const key = (part: string): string => JSON.stringify([part, sync?.map.key, pulled]);
  const built: PathFilter = {
    key: key("built"),
    accepts: (path, kind) => !isPulled(path) && !isSynced(path, kind),
  };
  const synced: PathFilter = {
    key: key("synced"),
    accepts: (path, kind) => !isPulled(path) && isSynced(path, kind),
  };
  const filtered = sync || pulled.length > 0 ? { ...own, filter: built } : own;
  const scope: WatchScope = { id: imageScope(name), trees: [filtered, ...further], files };
  if (!sync) return [scope];
  return [scope, { id: syncScope(name), trees: [{ ...own, filter: synced }], files: [], listed: true }];
}

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

async function toSourceChange(
  project: Project,
  change: ScopeChange,
  {
    syncs,
    trees,
    onTree,
  }: {
    readonly syncs: ReadonlyMap<string, ResolvedSync>;
    /** The trees told last. */
    readonly trees: Map<string, SyncTree>;
    readonly onTree: SourcesOptions["onTree"];
  },
): Promise<SourceChange | undefined> {
  const { revision, changedAt } = change;
  const changed = change.changed.map((path) => relative(project.root, path).split(sep).join("/"));
  const image = project.images.find(({ name }) => imageScope(name) === change.id);
  if (image) {
    const bases = await findBases(image, project);
    return { target: { image: image.name }, revision, changed, changedAt, bases };
  }
  const synced = project.images.find(({ name }) => syncScope(name) === change.id);
  const sync = synced && syncs.get(synced.name);
  if (synced && sync) {
    const tree = syncTree(synced, sync, change, trees.get(synced.name));
    trees.set(synced.name, tree);
    onTree(synced.name, tree);
    return { target: { sync: synced.name }, revision: tree.revision, changed, changedAt };
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

/** The tree after a change of its files; `before` is the one of the last report. */
function syncTree(
  { context }: ImageSpec,
  { map, rules, notes }: ResolvedSync,
  { revision, changed, members }: ScopeChange,
  before: SyncTree | undefined,
): SyncTree {
  const nameOf = (path: string): string => path.slice(context.length + 1).replaceAll(sep, "/");
  // Other rules bring the same files elsewhere.
  const source = { revision: hashJson([revision, map.key]), context, rules, notes, map };
  if (before?.map === map && before.context === context)
    return changeTree(
      before,
      source.revision,
      changed.map((path) => [nameOf(path), members?.get(path)]),
    );
  return makeTree(
    source,
    [...(members ?? [])].map(([path, entry]) => [nameOf(path), entry]),
  );
}
