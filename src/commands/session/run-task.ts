import { externalBaseIds } from "../../build/base-ids.js";
import { buildImage } from "../../build/build.js";
import type { Attestation } from "../../build/frontend-attributes.js";
import { readDockerfile } from "../../build/read-dockerfile.js";
import { readSecrets } from "../../build/read-secrets.js";
import { applyDeploy } from "../../cluster/apply/apply.js";
import { pruneDeploys } from "../../cluster/apply/prune.js";
import { openResourceTypes } from "../../cluster/apply/resource-types.js";
import {
  imageNames,
  replaceImages,
  unusedImage,
  usedImages,
  waitingFor,
} from "../../cluster/render/images.js";
import { renderDeploy } from "../../cluster/render/render.js";
import type { RunTask, TaskContext } from "../../engine/engine.js";
import type { BuildOutput, DeployOutput, RenderOutput, Task, TaskInput } from "../../engine/model.js";
import { unreachable } from "../../lib/unreachable.js";
import type { ClusterAdapter, EngineAdapter } from "./adapters.js";
import type { ManifestStore } from "./manifests.js";
import { buildKey, type RememberedBuilds } from "./remembered-builds.js";

export interface TaskAdapters {
  readonly project: string;
  readonly engine: EngineAdapter;
  /** Available once a task that needs it may run. */
  readonly cluster: () => ClusterAdapter;
  readonly manifests: ManifestStore;
  readonly remembered: RememberedBuilds;
  /** What the images are to carry, as BuildKit makes it. */
  readonly attest: readonly Attestation[];
  /** A variable's value: of the environment, else of `.env`. */
  readonly variable: (name: string) => string | undefined;
  /** Secret values that a render or a build brought in: hidden wherever text is shown. */
  readonly onSecrets: (values: readonly string[]) => void;
}

/** The work of every kind of task, over the adapters. */
export function taskRunner(adapters: TaskAdapters): RunTask {
  let types: ReturnType<typeof openResourceTypes> | undefined;
  return (task, context) => {
    const { input } = task;
    switch (input.kind) {
      case "build":
        return build(adapters, task, input, context);
      case "load": {
        if (input.unusedAmong) throw unusedImage(input.image, input.unusedAmong);
        return adapters.cluster().loader.load(input, context);
      }
      case "render":
        return render(adapters, input, context);
      case "deploy":
        types ??= openResourceTypes(adapters.cluster().kube);
        return deploy(adapters, input, context, types);
      case "prune": {
        const { kube, cluster } = adapters.cluster();
        const request = { project: adapters.project, namespace: cluster.namespace, keep: input.keep };
        return pruneDeploys(kube, request, context).then((pruned) => ({ kind: "prune", pruned }));
      }
      default:
        return unreachable(input);
    }
  };
}

type Input<K extends TaskInput["kind"]> = Extract<TaskInput, { kind: K }>;

async function build(
  { engine: { engine, docker, credentials }, cluster, remembered, variable, attest, onSecrets }: TaskAdapters,
  task: Task,
  { image, bases }: Input<"build">,
  context: TaskContext,
): Promise<BuildOutput> {
  const platform = image.platform ?? cluster().cluster.platform;
  const key = buildKey(task.key, platform);
  const memorable = !image.noCache && !image.pull && attest.length === 0;
  const outside = (): Promise<Record<string, string>> => baseIds(image, engine, context.signal);
  if (memorable) {
    const before = await remembered.find(image.name, key);
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
      };
    }
  }
  const secrets = await readSecrets(image, { variable, signal: context.signal });
  onSecrets([...secrets.values()].flatMap((value) => secretParts(value.toString("utf8"))));
  const request = { image, bases, platform, secrets, attest, agent: variable("SSH_AUTH_SOCK") };
  const built = await buildImage(docker, engine, request, { ...context, credentials });
  if (memorable) {
    await remembered.add(image.name, { key, imageId: built.imageId, ref: built.ref, bases: await outside() });
  }
  return { kind: "build", remembered: false, ...built };
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
  { manifests, cluster, onSecrets }: TaskAdapters,
  { deploy: spec, images }: Input<"render">,
  context: TaskContext,
): Promise<RenderOutput> {
  const { namespace } = cluster().cluster;
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

/** The values of the Secrets among the objects, decoded. */
export function secretValues(
  objects: readonly { readonly kind: string; readonly [field: string]: unknown }[],
): string[] {
  return objects
    .filter((object) => object.kind === "Secret")
    .flatMap(({ data, stringData }) => [
      ...texts(data).map((value) => Buffer.from(value, "base64").toString("utf8")),
      ...texts(stringData),
    ]);
}

function texts(values: unknown): string[] {
  if (typeof values !== "object" || values === null) return [];
  return Object.values(values).filter((value) => typeof value === "string");
}

async function deploy(
  adapters: TaskAdapters,
  { deploy: spec, render: hash, refs, missing }: Input<"deploy">,
  context: TaskContext,
  types: ReturnType<typeof openResourceTypes>,
): Promise<DeployOutput> {
  const { kube, cluster } = adapters.cluster();
  const rendered = adapters.manifests.get(hash);
  const { waiting, ready } = waitingFor(rendered, missing);
  const request = {
    project: adapters.project,
    deploy: spec.id,
    namespace: cluster.namespace,
    objects: replaceImages(ready, refs).objects,
    imageNames: Object.keys(refs),
    waiting,
  };
  return applyDeploy(kube, request, { ...context, types });
}
