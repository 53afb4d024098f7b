import { posix, relative, resolve, sep } from "node:path";
import type { DockerfileSource, ImageSpec, PullRule, SyncAction, SyncSpec } from "../engine/project.js";
import { dockerignoreCandidates, escapePattern } from "../lib/ignore-file.js";
import type { Config } from "./schema.js";

type ImageConfig = Config["images"][string];
type ActionConfig = Extract<NonNullable<ImageConfig["sync"]>, readonly unknown[]>[number]["then"];

/** An image's sync rules, with its Dockerfile and ignore files among what needs a new image; undefined where nothing is synced. */
export function toSync(
  { sync, rebuild: given }: Pick<ImageConfig, "sync" | "rebuild">,
  { context, dockerfile }: Pick<ImageSpec, "context" | "dockerfile">,
): SyncSpec | undefined {
  if (sync === undefined) return undefined;
  const rebuild = [...given, ...buildFiles(context, dockerfile).map(escapePattern)];
  if (sync === "auto") return { kind: "auto", rebuild, ignore: [], then: { kind: "nothing" } };
  if (!Array.isArray(sync)) return { kind: "auto", rebuild, ignore: sync.ignore, then: toAction(sync.then) };
  if (sync.length === 0) return undefined;
  const rules = sync.map(({ src, dest, ignore, then }) => ({
    src: cleanSource(src),
    dest: posix.normalize(dest),
    ignore,
    then: toAction(then),
  }));
  return { kind: "rules", rebuild, rules };
}

/** What comes back from an image's containers, with absolute paths. */
export function toPull(pull: ImageConfig["pull"], root: string): readonly PullRule[] {
  return pull.map(({ src, dest }) => ({
    src: posix.normalize(src).replace(/(.)\/$/, "$1"),
    dest: resolve(root, dest),
  }));
}

/** `./src/` is `src`. */
export function cleanSource(src: string): string {
  return posix.normalize(src).replace(/\/$/, "");
}

function toAction(then: ActionConfig): SyncAction {
  if (typeof then === "string") return { kind: then };
  const { exec, workdir, when } = then;
  return {
    kind: "exec",
    // Only what the user wrote as a shell command reaches a shell.
    command: typeof exec === "string" ? ["sh", "-c", exec] : exec,
    ...(workdir === undefined ? {} : { workdir }),
    when,
  };
}

/** Files in the context that say how the image is built: no copy of them in a container makes up for that. */
function buildFiles(context: string, dockerfile: DockerfileSource): readonly string[] {
  const path = dockerfile.kind === "file" ? dockerfile.path : undefined;
  return [...(path === undefined ? [] : [path]), ...dockerignoreCandidates(context, path)]
    .map((file) => relative(context, file).split(sep).join("/"))
    .filter((file) => file !== ".." && !file.startsWith("../"));
}
