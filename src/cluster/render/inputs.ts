import path from "node:path";
import type { DeploySpec } from "../../engine/project.js";
import { globDirectories } from "../../lib/glob.js";
import { unreachable } from "../../lib/unreachable.js";
import { kustomizationInputs } from "./kustomization-inputs.js";
import { asFilePattern } from "./manifests.js";

/** What a render reads, as absolute paths: to be watched. Files that do not exist yet are among them. */
export interface RenderInputs {
  readonly files: readonly string[];
  /** Everything below them counts. */
  readonly directories: readonly string[];
}

/** Every local file and directory that rendering `spec` reads. Works on broken files too, with what can be known. */
export async function renderInputs(spec: DeploySpec): Promise<RenderInputs> {
  switch (spec.kind) {
    case "kustomize": {
      const { files, directories } = await kustomizationInputs(spec.path);
      return { files, directories };
    }
    case "helm":
      return {
        files: spec.values.filter((file) => path.isAbsolute(file)),
        directories: path.isAbsolute(spec.chart) ? [spec.chart] : [],
      };
    case "manifests": {
      const directories = new Set<string>();
      for (const pattern of spec.patterns) {
        const files = await asFilePattern(spec.root, pattern);
        for (const directory of globDirectories(spec.root, files)) directories.add(directory);
      }
      return { files: [], directories: [...directories].sort() };
    }
    default:
      return unreachable(spec);
  }
}
