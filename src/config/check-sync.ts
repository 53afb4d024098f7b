import { dirname, posix, relative, resolve, sep } from "node:path";
import { fixedPart, isPattern } from "../engine/sync-rules.js";
import { compileIgnore } from "../lib/ignore-file.js";
import { looksLikeFile } from "../lib/looks-like-file.js";
import type { Path } from "./path.js";
import type { Config } from "./schema.js";
import { cleanSource } from "./to-sync.js";

/** What cannot be of an image's sync and pull, told by the text alone. */
export interface SyncProblem {
  readonly path: Path;
  /** The earlier place that it clashes with. */
  readonly other?: Path;
  readonly message: string;
  readonly hint?: string;
}

type ImageConfig = Config["images"][string];

/** What is wrong with the sync rules and the pulls of all images. `file` is devloop.yaml's absolute path. */
export function findSyncProblems({ images }: Config, file: string): readonly SyncProblem[] {
  const root = dirname(file);
  return Object.entries(images).flatMap(([name, image]) => {
    const at = ["images", name];
    return [
      ...uselessRebuild(image, at),
      ...sharedDests(image, at),
      ...image.pull.flatMap(({ dest }, index) =>
        pullProblem(dest, { images, root, at: [...at, "pull", index, "dest"] }),
      ),
    ];
  });
}

function uselessRebuild({ sync, rebuild }: ImageConfig, at: Path): readonly SyncProblem[] {
  if (sync !== undefined || rebuild.length === 0) return [];
  return [
    {
      path: [...at, "rebuild"],
      message: "stands without sync: every change builds the image anyway",
      hint: "add sync, or take rebuild away",
    },
  ];
}

/** Two rules for one file: seen where their src have an extension, so that they are files, or are taken for such. */
function sharedDests({ sync }: ImageConfig, at: Path): readonly SyncProblem[] {
  const places = rulesOf(sync).map(({ src, dest }) => ({ src: cleanSource(src), dest: fileDest(src, dest) }));
  return places.flatMap(({ src, dest }, index): readonly SyncProblem[] => {
    const other = places.findIndex((earlier) => earlier.dest === dest && earlier.src !== src);
    if (dest === undefined || other === -1 || other >= index) return [];
    return [
      {
        path: [...at, "sync", index, "dest"],
        other: [...at, "sync", other, "dest"],
        message: `another file goes to ${dest} too`,
      },
    ];
  });
}

function fileDest(src: string, dest: string): string | undefined {
  if (!looksLikeFile(src) || isPattern(src)) return undefined;
  return posix.normalize(dest.endsWith("/") ? dest + posix.basename(src) : dest);
}

interface PullSurroundings {
  readonly images: Config["images"];
  readonly root: string;
  readonly at: Path;
}

/** What is pulled is not watched: a place for it must hold nothing that is built or synced. */
function pullProblem(dest: string, { images, root, at }: PullSurroundings): readonly SyncProblem[] {
  const target = resolve(root, dest);
  if (target.split(sep).includes(".git")) return [{ path: at, message: "lies in a repository's .git" }];
  for (const [name, image] of Object.entries(images)) {
    const context = resolve(root, image.context);
    if (isWithin(context, target)) {
      return [{ path: at, message: `holds the context of image ${name}, whose files come from here` }];
    }
    const rule = rulesOf(image.sync).findIndex((candidate) => isSynced(target, candidate, image, context));
    if (rule === -1) continue;
    return [
      {
        path: at,
        message: `lies in what images.${name}.sync[${rule}] covers: what comes back would be sent again`,
        hint: "choose another place, or put it into that rule's ignore",
      },
    ];
  }
  return [];
}

function isSynced(
  target: string,
  { src, ignore }: { readonly src: string; readonly ignore: readonly string[] },
  image: ImageConfig,
  context: string,
): boolean {
  const synced = resolve(context, fixedPart(cleanSource(src)));
  if (isWithin(synced, target)) return true;
  if (!isWithin(target, synced)) return false;
  const inside = relative(context, target).split(sep).join("/");
  return ![ignore, image.ignore].some((patterns) => compileIgnore(patterns).matches(inside));
}

/** Whether a path is `directory` or below it. */
function isWithin(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory + sep);
}

function rulesOf(sync: ImageConfig["sync"]): Extract<ImageConfig["sync"], readonly unknown[]> {
  return Array.isArray(sync) ? sync : [];
}
