import { posix } from "node:path";
import { compileGlob } from "../lib/ignore-file.js";
import type { FoundDockerfile } from "./model.js";

/** Directories that hold a Dockerfile for what lies above them. */
export const holders: ReadonlySet<string> = new Set([
  "build",
  "ci",
  "cmd",
  "container",
  "containers",
  "deploy",
  "deployment",
  "deployments",
  "docker",
  "dockerfiles",
  "images",
  "ops",
  "package",
]);

/**
 * The build context of a Dockerfile: the directory at or above it that has the most of what it copies, and where that
 * does not tell, the one that the layout suggests.
 */
export function chooseContext({ path, sources }: FoundDockerfile, files: readonly string[]): string {
  const own = posix.dirname(path);
  const suggested = aboveHolder(own);
  const candidates = [...new Set([suggested, ...upwards(own)])];
  const counted = candidates.map((directory) => ({
    directory,
    count: sources.filter((source) => exists(directory, source, files)).length,
  }));
  const most = Math.max(...counted.map(({ count }) => count));
  return counted.find(({ count }) => count === most)?.directory ?? own;
}

/** The directory before the first one that only holds Dockerfiles: `web` for `web/docker`. */
function aboveHolder(directory: string): string {
  const segments = directory.split("/");
  const holder = segments.findIndex((segment) => holders.has(segment));
  if (holder < 0) return directory;
  return segments.slice(0, holder).join("/") || ".";
}

/** The directory and all above it, the project's own last. */
function upwards(directory: string): string[] {
  return directory === "." ? ["."] : [directory, ...upwards(posix.dirname(directory))];
}

/** Whether the context would have the source. The context as a whole tells nothing. */
function exists(directory: string, source: string, files: readonly string[]): boolean {
  const wanted = posix.join(directory, posix.normalize(`/${source}`)).replace(/\/$/, "");
  if (wanted === directory || wanted === "") return false;
  if (!/[*?[]/.test(wanted)) return files.some((file) => file === wanted || file.startsWith(`${wanted}/`));
  const matches = compileGlob(wanted);
  const depth = wanted.split("/").length;
  return matches !== undefined && files.some((file) => matches(file.split("/").slice(0, depth).join("/")));
}
