import { imageName } from "../cluster/render/images.js";
import type { PodView } from "../cluster/observe/pod-view.js";
import { compareContainer } from "../cluster/sync/compare.js";
import type { Project } from "../engine/project.js";
import type { ExecTarget } from "../engine/target.js";
import { eachConcurrently } from "../lib/each-concurrently.js";
import { errorText } from "../lib/errors.js";
import { count } from "../lib/format.js";
import { tableLines } from "../lib/table.js";
import { imageNames } from "./disk.js";
import type { Environment, TargetAdapter } from "./session/adapters.js";
import { localRef } from "./session/run-task.js";
import { scanSources } from "./session/sources.js";
import { openSyncTrees } from "./session/sync-trees.js";

/** Whether a container holds the files that are synced into it, as they stand here. */
export type ContainerVerdict = {
  readonly image: string;
  readonly pod: string;
  readonly container: string;
} & (
  | { readonly state: "same"; readonly files: number }
  /** Paths in the container. */
  | { readonly state: "different"; readonly paths: readonly string[] }
  | { readonly state: "unknown"; readonly why: string }
);

/** How many containers are asked at once. */
const atOnce = 8;

/** Compares every running container of the images that are synced with the files here, by their hashes. Changes nothing. */
export async function verifySync(
  { target: access, registry }: TargetAdapter,
  project: Project,
  pods: readonly PodView[],
  { env, signal }: { readonly env: Environment; readonly signal: AbortSignal },
): Promise<readonly ContainerVerdict[]> {
  const trees = openSyncTrees(project.root, env);
  await scanSources(project, {
    onProblem: () => undefined,
    onTree: (image, tree) => {
      trees.set(image, tree);
    },
    signal,
  });
  const containers = project.images.flatMap((image) => {
    const names = new Set(imageNames([image], registry).map(imageName));
    return image.sync ? runningOf(pods, names).map((found) => ({ image: image.name, ...found })) : [];
  });
  return await eachConcurrently(containers, atOnce, async ({ image, ref, target }) => {
    const { pod, container } = target;
    const who = { image, pod, container };
    const tree = trees.get(image);
    if (!tree) return { ...who, state: "unknown", why: "its files here were not read" };
    try {
      const former = await trees.seen(localRef(image, ref));
      const paths = await compareContainer(access, target, { tree, former }, { signal });
      return paths.length === 0
        ? { ...who, state: "same", files: tree.files.size }
        : { ...who, state: "different", paths };
    } catch (error) {
      signal.throwIfAborted();
      return { ...who, state: "unknown", why: errorText(error) };
    }
  });
}

function runningOf(
  pods: readonly PodView[],
  names: ReadonlySet<string>,
): readonly { readonly ref: string; readonly target: ExecTarget }[] {
  return pods
    .filter(({ terminating }) => !terminating)
    .flatMap(({ namespace, name: pod, containers }) =>
      containers
        .filter(({ image, run }) => run && !run.ended && names.has(imageName(image)))
        .map(({ name, image }) => ({ ref: image, target: { namespace, pod, container: name } })),
    );
}

/** How many differing paths of a container are listed. */
const listed = 10;

/** The verdicts for people. */
export function verdictLines(verdicts: readonly ContainerVerdict[]): string[] {
  if (verdicts.length === 0) return ["no container runs an image whose files are synced"];
  return tableLines([
    ["SYNCED", "CONTAINER", "STATE", ""],
    ...verdicts.flatMap((verdict) => {
      const { image, pod, container } = verdict;
      const row = [image, `${pod}/${container}`, verdict.state];
      switch (verdict.state) {
        case "same":
          return [[...row, count(verdict.files, "file")]];
        case "unknown":
          return [[...row, verdict.why]];
        case "different": {
          const { paths } = verdict;
          const more = paths.length > listed ? [`and ${paths.length - listed} more`] : [];
          const [first = "", ...rest] = [...paths.slice(0, listed), ...more];
          return [[...row, first], ...rest.map((path) => ["", "", "", path])];
        }
      }
    }),
  ]);
}
