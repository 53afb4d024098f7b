import { readFile, stat } from "node:fs/promises";
import path from "node:path";
import type { DeploySpec } from "../../engine/project.js";
import { DevloopError, errorText } from "../../lib/errors.js";
import { globFiles } from "../../lib/glob.js";
import type { KubeObject } from "../kube.js";
import { parseManifests } from "./parse-manifests.js";

type ManifestsSpec = Extract<DeploySpec, { kind: "manifests" }>;

/** Reads the objects in all files that the patterns match, each file once. A directory stands for its YAML and JSON files. */
export async function renderManifests(spec: ManifestsSpec): Promise<KubeObject[]> {
  const files = new Set<string>();
  for (const pattern of spec.patterns) {
    const matches = await globFiles(spec.root, await asFilePattern(spec.root, pattern));
    if (matches.length === 0) {
      throw new DevloopError("RENDER_FAILED", `no file matches ${pattern} in ${spec.root}`, {
        hint: "correct or remove the pattern under deploy.manifests in devloop.yaml",
      });
    }
    for (const file of matches) files.add(file);
  }
  const perFile = [];
  for (const file of files) {
    const source = path.relative(spec.root, file);
    perFile.push(parseManifests(await read(file), source));
  }
  return perFile.flat();
}

/** A pattern that names a directory stands for the manifests directly in it, as `kubectl apply -f DIRECTORY` does. */
export async function asFilePattern(root: string, pattern: string): Promise<string> {
  try {
    const isDirectory = (await stat(path.resolve(root, pattern))).isDirectory();
    return isDirectory ? `${pattern.replace(/\/$/, "")}/*.{yaml,yml,json}` : pattern;
  } catch {
    return pattern;
  }
}

async function read(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new DevloopError("RENDER_FAILED", `${file} cannot be read: ${errorText(error)}`, { cause: error });
  }
}
