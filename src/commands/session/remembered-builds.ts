import { readFile } from "node:fs/promises";
import { z } from "zod";
import type { Environment } from "./adapters.js";
import { stateFiles, statePath, writeState } from "./state-file.js";

const entry = z.object({
  key: z.string(),
  imageId: z.string(),
  ref: z.string(),
  /** The key's part that says nothing of the files that are synced, where there are such, and their revision then. */
  basis: z.string().optional(),
  synced: z.string().optional(),
  /** The base images from outside the project, as the engine had them: a newer one outdates the build. */
  bases: z.record(z.string(), z.string()),
});
const file = z.object({ version: z.literal(1), images: z.record(z.string(), z.array(entry)) });
type Entry = z.infer<typeof entry>;

/** How many builds of one image are remembered: going back to another branch finds its build. */
const keptBuilds = 8;

/**
 * Which image came out of which inputs, over sessions: a file in the user's state directory. It is a memory of the
 * engine's images, never a store of its own: whoever asks checks that the engine still has the image.
 */
export interface RememberedBuilds {
  find(image: string, key: string): Promise<Entry | undefined>;
  /** The newest build from these inputs and any state of the files that are synced. */
  findByBasis(image: string, basis: string): Promise<Entry | undefined>;
  /** The newest build from these inputs, for whichever platform; with a basis, from any state of the files that are synced. */
  findForAnyPlatform(
    image: string,
    task: { readonly key: string; readonly basis?: string | undefined },
  ): Promise<Entry | undefined>;
  add(image: string, build: Entry): Promise<void>;
}

/** Opens the memory of the project at `root`. A file that cannot be read counts as empty. */
export function rememberedBuilds(root: string, env: Environment): RememberedBuilds {
  const path = statePath(root, env, "builds.json");
  let images: Promise<Record<string, Entry[]>> | undefined;
  let writing = Promise.resolve();
  return {
    async find(image, key) {
      images ??= read(path);
      return (await images)[image]?.find((build) => build.key === key);
    },
    async findByBasis(image, basis) {
      images ??= read(path);
      return (await images)[image]?.find((build) => build.basis === basis);
    },
    async findForAnyPlatform(image, task) {
      images ??= read(path);
      const key = buildKey(task.key, "");
      const basis = task.basis === undefined ? undefined : buildKey(task.basis, "");
      return (await images)[image]?.find(
        (build) =>
          build.key.startsWith(key) || (basis !== undefined && build.basis?.startsWith(basis) === true),
      );
    },
    async add(image, build) {
      images ??= read(path);
      const known = await images;
      known[image] = [build, ...(known[image] ?? []).filter(({ key }) => key !== build.key)].slice(
        0,
        keptBuilds,
      );
      // One write after the other: two builds may end at once.
      writing = writing.then(() => writeState(path, { version: 1, images: known })).catch(() => undefined);
      await writing;
    },
  };
}

/**
 * The references of the newest builds of every project on this machine, with the project's name: what gc must leave, since
 * projects may have images of the same name, and a build of long ago may be in use again.
 */
export async function newestBuilds(keep: number, env: Environment): Promise<ReadonlyMap<string, string>> {
  const projects = await stateFiles("builds.json", env);
  const found = await Promise.all(
    projects.map(async ({ project, path }) => {
      const builds = Object.values(await read(path)).flatMap((known) => known.slice(0, keep));
      return builds.map(({ ref }) => [ref, `among the newest of ${project}`] as const);
    }),
  );
  return new Map(found.flat());
}

/** Names a build by its inputs: the task's key, which leaves the platform to the cluster, and that platform. */
export function buildKey(taskKey: string, platform: string): string {
  return `${taskKey}|${platform}`;
}

async function read(path: string): Promise<Record<string, Entry[]>> {
  try {
    return file.parse(JSON.parse(await readFile(path, "utf8"))).images;
  } catch {
    return {};
  }
}
