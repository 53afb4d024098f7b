import { setTimeout as sleep } from "node:timers/promises";
import { externalBaseIds } from "../../build/base-ids.js";
import { buildImage } from "../../build/build.js";
import type { Attestation } from "../../build/frontend-attributes.js";
import { readDockerfile } from "../../build/read-dockerfile.js";
import { readSecrets } from "../../build/read-secrets.js";
import { heldBack } from "../../cluster/render/held-back.js";
import {
  imageNames,
  replaceImages,
  unusedImage,
  usedImages,
  waitingFor,
} from "../../cluster/render/images.js";
import { restartedWith } from "../../cluster/render/restarted-with.js";
import { renderDeploy } from "../../cluster/render/render.js";
import { secretValues } from "../../cluster/render/secret-values.js";
import { type SyncedImage, withAgent } from "../../cluster/sync/inject.js";
import type { Syncer } from "../../cluster/sync/sync.js";
import type { SyncTree } from "../../cluster/sync/tree.js";
import type { RunTask, TaskContext } from "../../engine/engine.js";
import type {
  BuildOutput,
  DeployOutput,
  RenderOutput,
  SyncOutput,
  Task,
  TaskInput,
} from "../../engine/task.js";
import type { Target } from "../../engine/target.js";
import { DevloopError } from "../../lib/errors.js";
import { unreachable } from "../../lib/unreachable.js";
import type { EngineAdapter } from "./adapters.js";
import type { ManifestStore } from "./manifests.js";
import { buildKey, type RememberedBuilds } from "./remembered-builds.js";
import type { SyncTrees } from "./sync-trees.js";

export interface TaskAdapters {
  readonly project: string;
  readonly engine: EngineAdapter;
  /** Available once a task that needs it may run. */
  readonly target: () => Target;
  readonly manifests: ManifestStore;
  readonly remembered: RememberedBuilds;
  readonly trees: SyncTrees;
  /** Available once a task that needs it may run. */
  readonly syncer: () => Syncer;
  /** What the images are to carry, as BuildKit makes it. */
  readonly attest: readonly Attestation[];
  /** A variable's value: of the environment, else of `.env`. */
  readonly variable: (name: string) => string | undefined;
  /** Secret values that a render or a build brought in: hidden wherever text is shown. */
  readonly onSecrets: (values: readonly string[]) => void;
}

/** The work of every kind of task, over the adapters. */
export function taskRunner(adapters: TaskAdapters): RunTask {
  return (task, context) => {
    const { input } = task;
    switch (input.kind) {
      case "build":
        return build(adapters, task, input, context);
      case "load": {
        if (input.unusedAmong) throw unusedImage(input.image, input.unusedAmong);
        return adapters.target().load(input, context);
      }
      case "render":
        return render(adapters, input, context);
      case "deploy":
        return deploy(adapters, input, context);
      case "sync":
        return sync(adapters, input, context);
      case "prune": {
        const request = { project: adapters.project, keep: input.keep };
        return adapters
          .target()
          .prune(request, context)
          .then((pruned) => ({ kind: "prune", pruned }));
      }
      default:
        return unreachable(input);
    }
  };
}

type Input<K extends TaskInput["kind"]> = Extract<TaskInput, { kind: K }>;

async function build(
  {
    engine: { engine, docker, credentials },
    target,
    remembered,
    trees,
    variable,
    attest,
    onSecrets,
  }: TaskAdapters,
  task: Task,
  { image, bases, synced, basis: taskBasis, anew }: Input<"build">,
  context: TaskContext,
): Promise<BuildOutput> {
  const platform = image.platform ?? target().cluster.platform;
  const key = buildKey(task.key, platform);
  const basis = taskBasis === undefined ? undefined : buildKey(taskBasis, platform);
  const memorable = !image.noCache && !image.pullBases && attest.length === 0;
  const outside = (): Promise<Record<string, string>> => baseIds(image, engine, context.signal);
  if (memorable) {
    const before =
      (await remembered.find(image.name, key)) ??
      (basis === undefined || anew ? undefined : await remembered.findByBasis(image.name, basis));
    if (before && (await isCurrent(before, engine, outside, context.signal))) {
      // It counts as newly used, in the engine and in the memory: of the builds of an image the oldest go.
      await engine.tagImage(before.imageId, before.ref, { signal: context.signal });
      await remembered.add(image.name, before);
      return {
        kind: "build",
        imageId: before.imageId,
        ref: before.ref,
        remembered: true,
        cachedSteps: 0,
        steps: 0,
        ...(before.synced === undefined ? {} : { synced: before.synced }),
      };
    }
  }
  const secrets = await readSecrets(image, { variable, signal: context.signal });
  onSecrets([...secrets.values()].flatMap((value) => secretParts(value.toString("utf8"))));
  const request = { image, bases, platform, secrets, attest, agent: variable("SSH_AUTH_SOCK") };
  const before = trees.get(image.name);
  const built = await buildImage(docker, engine, request, { ...context, credentials });
  const { imageId, ref } = built;
  const after = trees.get(image.name);
  // What came or went while it was built may be in it.
  if (synced !== undefined) await trees.note(ref, [...names(before), ...names(after)]);
  // What changed and changed back may be in it too: it is of no revision then.
  const steady = before === after;
  const state = synced === undefined || !steady ? {} : { synced };
  if (memorable && steady) {
    const more = basis === undefined ? {} : { basis };
    await remembered.add(image.name, { key, imageId, ref, bases: await outside(), ...more, ...state });
  }
  return { kind: "build", remembered: false, ...built, ...state };
}

function names(tree: SyncTree | undefined): readonly string[] {
  return tree ? [...tree.files.keys()] : [];
}

/** A file of secrets is hidden by its values too: what stands behind the = or : of a line, addresses left out. */
function secretParts(text: string): readonly string[] {
  const values = text
    .split(/\r?\n/)
    .flatMap((line) => /(?:=|:\s)\s*["']?([^"'\s]{8,})/.exec(line)?.[1] ?? []);
  return [text, ...values.filter((value) => !/^https?:\/\/[^@]*$/.test(value))];
}

/** The engine still has the image under its name, and what it was built FROM is what stands there today. */
async function isCurrent(
  before: {
    readonly imageId: string;
    readonly ref: string;
    readonly bases: Readonly<Record<string, string>>;
  },
  engine: EngineAdapter["engine"],
  outside: () => Promise<Record<string, string>>,
  signal: AbortSignal,
): Promise<boolean> {
  const [image, bases] = await Promise.all([engine.image(before.ref, { signal }), outside()]);
  const sameBases = Object.entries(bases).every(([ref, id]) => before.bases[ref] === id);
  return image?.id === before.imageId && sameBases;
}

/** The ids of the Dockerfile's base images from outside the project; those that the engine does not have are left out. */
async function baseIds(
  image: Input<"build">["image"],
  engine: EngineAdapter["engine"],
  signal: AbortSignal,
): Promise<Record<string, string>> {
  const ids = await externalBaseIds(await readDockerfile(image, { signal }), image, engine, { signal });
  return Object.fromEntries(
    Object.entries(ids).flatMap(([ref, id]) => (id === undefined ? [] : [[ref, id]])),
  );
}

async function render(
  { manifests, target, onSecrets }: TaskAdapters,
  { deploy: spec, images }: Input<"render">,
  context: TaskContext,
): Promise<RenderOutput> {
  const { namespace } = target().cluster;
  const { objects, hash, notes } = await renderDeploy(spec, { signal: context.signal, namespace });
  for (const note of notes) context.onNote(note);
  onSecrets(secretValues(objects));
  manifests.add(spec.id, hash, objects);
  return {
    kind: "render",
    hash,
    images: usedImages(objects, images),
    names: imageNames(objects),
    objects: objects.length,
  };
}

/**
 * How long after a pod is ready its Services may still refuse, in ms: kube-proxy takes changes in once a second
 * (iptables.minSyncPeriod), and tells nobody when it has. What starts after it calls it at once.
 */
const reachableMs = 1_500;

async function deploy(
  adapters: TaskAdapters,
  { deploy: spec, render: hash, refs, missing, agents, later, freed, restarts }: Input<"deploy">,
  context: TaskContext,
): Promise<DeployOutput> {
  const target = adapters.target();
  const rendered = adapters.manifests.get(hash);
  const { waiting, ready } = waitingFor(rendered, missing);
  const { namespace, platform } = target.cluster;
  const images = await syncedImages(adapters, { refs, agents }, context);
  const complete = withAgent(replaceImages(ready, refs).objects, images, {
    project: adapters.project,
    namespace,
    platform,
  });
  // Held back or not: what a workload is started anew with may be on either side.
  const { held, others } = heldBack(restartedWith(complete, restarts), later);
  const request = {
    project: adapters.project,
    deploy: spec.id,
    namespace,
    objects: others,
    imageNames: Object.keys(refs),
    waiting,
    later: held,
  };
  if (freed) await sleep(reachableMs, undefined, { signal: context.signal });
  return target.apply(request, context);
}

/** What the images whose containers get the agent start by themselves, by the references that they are run by. */
async function syncedImages(
  { engine: { engine } }: TaskAdapters,
  { refs, agents }: Pick<Input<"deploy">, "refs" | "agents">,
  { signal }: TaskContext,
): Promise<ReadonlyMap<string, SyncedImage>> {
  const found = await Promise.all(
    Object.entries(agents).map(async ([name, need]) => {
      const ref = refs[name];
      if (ref === undefined) return [];
      const image = await engine.image(localRef(name, ref), { signal });
      // What it starts is not known without it, and would be left out.
      if (!image)
        throw new DevloopError("LOAD_FAILED", `the container engine no longer has ${localRef(name, ref)}`, {
          hint: `was it removed? press r to build ${name} again`,
        });
      return [[ref, { need, starts: image }] as const];
    }),
  );
  return new Map(found.flat());
}

/** Under the name that the engine has it by: a registry's reference begins with the registry. */
export function localRef(name: string, ref: string): string {
  return `${name}:${ref.slice(ref.lastIndexOf(":") + 1)}`;
}

async function sync(
  { syncer, trees }: TaskAdapters,
  { image: { name }, ref, revision, containers, fresh }: Input<"sync">,
  context: TaskContext,
): Promise<SyncOutput> {
  const build = localRef(name, ref);
  const before = revision === undefined ? trees.brought(name, build) : undefined;
  const tree = (): SyncTree => {
    const now = before ?? trees.get(name);
    if (!now) throw new Error(`the files of ${name} have not been read`);
    return now;
  };
  const former = await trees.seen(build);
  await trees.note(build, tree().files.keys());
  const output = await syncer().sync({ image: name, tree, containers, former, fresh }, context);
  await trees.note(build, tree().files.keys());
  if (output.rebuild === undefined) trees.setBrought(name, build, tree());
  return output;
}
