import { setMaxListeners } from "node:events";
import { isDeepStrictEqual } from "node:util";
import type { Attestation } from "../../build/frontend-attributes.js";
import { checkPaths } from "../../config/check-paths.js";
import { looksSecret } from "../../config/secret.js";
import { loadConfig, type LoadedConfig } from "../../config/load.js";
import { toProject } from "../../config/to-project.js";
import { startEngine, type Engine } from "../../engine/engine.js";
import type { ResourceDetails } from "../../engine/loop-control.js";
import type { Project } from "../../engine/project.js";
import type { LogLine } from "../../engine/state.js";
import { initialState } from "../../engine/reduce.js";
import { createStore, type Store } from "../../engine/store.js";
import type { Target } from "../../engine/target.js";
import { DevloopError, toFailure, type Failure } from "../../lib/errors.js";
import { unlessAborted } from "../../lib/unless-aborted.js";
import { createRedactor, type Redactor } from "../../output/redact.js";
import {
  openEngine,
  openTarget,
  type EngineAdapter,
  type Environment,
  type TargetAdapter,
} from "./adapters.js";
import { keepImages, type ImageKeeper } from "./image-keeper.js";
import { failWithoutConfig } from "../offer-migrate.js";
import { createLogFeed, type LogFeed } from "./log-feed.js";
import { createManifestStore } from "./manifests.js";
import { observe } from "./observation.js";
import { redacted } from "./redacted.js";
import { localDetails } from "./resource-details.js";
import { followRestarts } from "./restarts.js";
import { newestBuilds, rememberedBuilds } from "./remembered-builds.js";
import { rememberedLayers } from "./remembered-layers.js";
import { taskRunner } from "./run-task.js";
import { superviseServices } from "./services.js";
import { scanSources, watchSources } from "./sources.js";
import { startSync } from "./start-sync.js";
import { openSyncTrees } from "./sync-trees.js";

/** Which project, as the command line says. */
export interface ProjectOptions {
  readonly cwd: string;
  readonly file?: string | undefined;
  /** The file's text, for one that is not written yet. */
  readonly text?: string;
  readonly profiles: readonly string[];
  readonly env: Environment;
}

export interface LoadedProject {
  readonly project: Project;
  readonly loaded: LoadedConfig;
}

/** Reads the config, checks that what it names is there, and makes the project of it. Throws CONFIG_INVALID, CONFIG_NOT_FOUND. */
export async function loadProject(
  options: ProjectOptions,
  {
    check = true,
  }: { /** Its files must be there; not needed to remove what is deployed. */ readonly check?: boolean } = {},
): Promise<LoadedProject> {
  const context = await currentContext(options.env);
  const loaded = await loadConfig({ ...options, context }).catch((error: unknown) =>
    failWithoutConfig(error, options),
  );
  const project = toProject(loaded);
  if (check) await checkPaths(project, loaded);
  return { project, loaded };
}

/** The kubeconfig's current context, by which profiles may be active; undefined without one. */
export async function currentContext(env: Environment): Promise<string | undefined> {
  const { readKubeconfig } = await import("../../cluster/providers/kubeconfig.js");
  try {
    const context = readKubeconfig(env).getCurrentContext();
    return context === "" ? undefined : context;
  } catch {
    // A kubeconfig that cannot be read is told of by the command that needs the cluster.
    return undefined;
  }
}

export interface SessionOptions extends ProjectOptions {
  /** Goes on after the first round: watches files and config, and keeps local ports bound. */
  readonly watch: boolean;
  /** What the images are to carry, as BuildKit makes it. */
  readonly attest?: readonly Attestation[];
}

/** The loop's parts before anything runs: an output can be attached, and then it is begun. */
export interface Session {
  readonly store: Store;
  readonly logs: LogFeed;
  readonly redactor: Redactor;
  readonly details: ResourceDetails;
  /**
   * Finds the engine and the cluster and starts the loop. Throws what keeps it from starting: ENGINE_UNREACHABLE,
   * CLUSTER_NOT_FOUND, CLUSTER_NOT_ALLOWED and the like. Resolves when the loop runs.
   */
  begin(options: { readonly onNote: (message: string) => void }): Promise<void>;
  /** Removes old builds now instead of when the loop rests. Never throws. */
  tidy(options: { readonly signal: AbortSignal }): Promise<void>;
  /** Ends everything that was begun, in order: tasks, forwards, watches. `reason`, in words. */
  end(reason: string): Promise<void>;
}

/** Puts a project's store and adapters together. `signal` ends the session. */
export function openSession(
  { project: given, loaded }: LoadedProject,
  options: SessionOptions,
  signal: AbortSignal,
): Session {
  const { env, watch } = options;
  const project = watch ? given : withoutSync(given);
  const store = createStore(initialState(project, Date.now()));
  const redactor = createRedactor();
  const logs = createLogFeed(redactor);
  const manifests = createManifestStore();
  const trees = openSyncTrees(project.root, env);
  const closers: (() => Promise<void>)[] = [];
  let variable = loaded.variable;
  let keeper: ImageKeeper | undefined;
  let opened: Target | undefined;
  // What was begun outlives the signal until `end` has let the running tasks finish.
  const life = new AbortController();
  // Each forward listens to it.
  setMaxListeners(0, life.signal);

  async function begin({ onNote }: { readonly onNote: (message: string) => void }): Promise<void> {
    redactor.add(secretArgs(project));
    store.dispatch({ type: "config.loaded", project, files: [loaded.file] });
    const engine = openEngine(env);
    const onProblem = (failure: Failure): void => {
      store.dispatch({ type: "watch.problem", failure });
    };
    // The files are read while the cluster is asked.
    const sources = watch ? startWatching(onProblem) : scanOnce(onProblem);
    const failed = sources.then(
      () => new Promise<never>(() => undefined),
      (error: unknown) => Promise.reject(error as Error),
    );
    failed.catch(() => undefined);
    await engine.engine.ping({ signal });
    store.dispatch({ type: "service.up", service: "engine" });
    const where = await Promise.race([
      openTarget(project.cluster, {
        project: project.name,
        engine,
        env,
        onNote,
        layers: rememberedLayers(project.root, env),
        signal,
      }),
      failed,
    ]);
    closers.push(() => Promise.resolve(where.target[Symbol.asyncDispose]()));
    startLoop(engine, where);
    // Reading thousands of files takes a while, which whoever wants to leave need not wait for.
    await unlessAborted(sources, signal);
  }

  function startLoop(engine: EngineAdapter, where: TargetAdapter): void {
    const { target } = where;
    opened = target;
    const services = superviseServices(store, { engine, target, signal: life.signal });
    const observation = observe({
      store,
      target,
      manifests,
      redact: redactor.redact,
      onLines: (lines: readonly LogLine[]) => logs.deliver(lines),
      forwards: watch,
      onLost: () => {
        services.probe("cluster");
      },
      signal: life.signal,
    });
    closers.push(() => Promise.resolve(observation[Symbol.asyncDispose]()));
    const syncing = startSync(store, target);
    closers.push(() => Promise.resolve(syncing[Symbol.asyncDispose]()));
    const restarts = followRestarts(store, target, { syncer: syncing.syncer, signal: life.signal });
    closers.push(() => {
      restarts[Symbol.dispose]();
      return Promise.resolve();
    });
    store.dispatch({ type: "cluster.connected", cluster: target.cluster });
    const run = taskRunner({
      project: project.name,
      trees,
      syncer: () => syncing.syncer,
      engine,
      target: () => target,
      manifests,
      remembered: rememberedBuilds(project.root, env),
      variable: (name) => variable(name),
      attest: options.attest ?? [],
      onSecrets: (values) => {
        redactor.add(values);
      },
    });
    keeper = keepImages(store, {
      where,
      newest: (keep) => newestBuilds(keep, env),
    });
    closers.push(() => Promise.resolve(keeper?.[Symbol.asyncDispose]()));
    const running: Engine = startEngine(store, redacted(keeper.guard(run), redactor.redact));
    closers.push(() => running.stop());
  }

  async function scanOnce(onProblem: (failure: Failure) => void): Promise<void> {
    const changes = await scanSources(project, { signal, onProblem });
    store.dispatch({ type: "sources.changed", changes });
  }

  async function startWatching(onProblem: (failure: Failure) => void): Promise<void> {
    let reloading = Promise.resolve();
    const sources = await watchSources({
      signal: life.signal,
      onProblem,
      onTree: (image, tree) => {
        const known = trees.get(image)?.notes ?? [];
        const news = tree.notes.filter((note) => !known.includes(note));
        for (const note of news) store.dispatch({ type: "sync.note", message: `${image}: ${note}` });
        trees.set(image, tree);
      },
      onChange: (changes) => {
        store.dispatch({ type: "sources.changed", changes });
      },
      onConfigChange: () => {
        // One after the other, each reading what is on disk then: the last edit wins.
        reloading = reloading.then(reload);
      },
    });
    closers.push(() => Promise.resolve(sources[Symbol.asyncDispose]()));
    await sources.setProject(project, loaded.files);

    async function reload(): Promise<void> {
      try {
        const next = await loadProject(options);
        checkUnchanged(project, next.project);
        redactor.add(secretArgs(next.project));
        variable = next.loaded.variable;
        store.dispatch({ type: "config.loaded", project: next.project, files: [next.loaded.file] });
        await sources.setProject(next.project, next.loaded.files);
      } catch (error) {
        if (!life.signal.aborted) store.dispatch({ type: "config.failed", failure: toFailure(error) });
      }
    }
  }

  return {
    store,
    logs,
    redactor,
    details: localDetails({
      getState: store.getSnapshot,
      manifests,
      target: () => opened,
      redact: redactor.redact,
    }),
    begin,
    tidy: (options) => keeper?.tidy(options) ?? Promise.resolve(),
    async end(reason) {
      store.dispatch({ type: "session.stopping", reason });
      for (const close of closers.reverse()) await close();
      life.abort();
      closers.length = 0;
    },
  };
}

/** What is promoted later holds all of the files in its images: so do the images of a session that ends by itself. */
function withoutSync(project: Project): Project {
  return {
    ...project,
    images: project.images.map(({ sync: _, ...image }) => ({ ...image, pull: [] })),
  };
}

/** Build arguments and chart values that look like secrets: steps and failures may print them. */
export function secretArgs({ images, deploys }: Project): string[] {
  const settings = [
    ...images.map(({ args }) => args),
    ...deploys.map((deploy) => (deploy.kind === "helm" ? deploy.set : {})),
  ];
  return settings.flatMap((setting) =>
    Object.entries(setting).flatMap(([name, value]) => (looksSecret(name) ? [value] : [])),
  );
}

/** A running loop keeps its cluster and its name: its inventory and its forwards hang on them. */
function checkUnchanged(before: Project, after: Project): void {
  const what =
    before.name !== after.name
      ? "name"
      : isDeepStrictEqual(before.cluster, after.cluster)
        ? undefined
        : "cluster";
  if (what === undefined) return;
  throw new DevloopError(
    "CONFIG_INVALID",
    `${what} changed in devloop.yaml: a running loop keeps the one it has`,
    {
      hint: "restart devloop to use the new one",
    },
  );
}
