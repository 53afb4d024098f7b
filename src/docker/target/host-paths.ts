import { readlinkSync, realpathSync } from "node:fs";
import { posix } from "node:path";
import { PodConfigError } from "./objects.js";

/**
 * Throws PodConfigError unless a path of the engine's machine is one that pods may have, or below one. Links are followed where the path
 * is on this machine as well: what a link in an allowed directory leads to is not allowed by that.
 */
export function checkHostPath(volume: string, path: string, allowed: readonly string[]): void {
  if (isUpward(path))
    throw new PodConfigError(`volume ${volume} is the path ${path}: it must not contain '..'`);
  const wanted = posix.normalize(path).replace(/(?<=.)\/$/, "");
  if (!allowed.some((root) => isWithin(wanted, root)))
    throw new PodConfigError(
      `volume ${volume} is the path ${path} of this machine, which is not allowed: cluster: {hostPaths: [${path}]} in devloop.yaml allows it`,
    );
  const real = realPath(wanted);
  if (!allowed.some((root) => isWithin(real, realPath(root))))
    throw new PodConfigError(
      `volume ${volume} is the path ${path} of this machine, which is a link to ${real}, and that is not allowed: cluster: {hostPaths: [${real}]} in devloop.yaml allows it`,
    );
}

/** Throws PodConfigError for a subPath that a cluster's API server refuses. */
export function checkSubPath(volume: string, subPath: string): void {
  if (isUpward(subPath))
    throw new PodConfigError(`subPath ${subPath} of volume ${volume} must not contain '..'`);
  if (posix.isAbsolute(subPath))
    throw new PodConfigError(`subPath ${subPath} of volume ${volume} must be a relative path`);
}

function isUpward(path: string): boolean {
  return path.split("/").includes("..");
}

function isWithin(path: string, root: string): boolean {
  return path === root || path.startsWith(root === "/" ? "/" : `${root}/`);
}

/** The path without links; what is not there yet is below what is, and where a link to nothing leads. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const parent = posix.dirname(path);
    return parent === path ? path : posix.resolve(realPath(parent), linkAt(path) ?? posix.basename(path));
  }
}

function linkAt(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
