import type { DeploySpec } from "../../engine/project.js";
import { hashJson } from "../../lib/canonical-json.js";
import { unreachable } from "../../lib/unreachable.js";
import type { KubeObject } from "../kube.js";
import { renderHelm } from "./helm.js";
import { renderInputs, type RenderInputs } from "./inputs.js";
import { renderKustomize } from "./kustomize.js";
import { renderManifests } from "./manifests.js";
import type { RenderOptions } from "./render-options.js";

/** What a deploy asks for, before images are replaced. */
export interface Rendered {
  readonly objects: readonly KubeObject[];
  /** SHA-256 of the objects' canonical JSON. */
  readonly hash: string;
  readonly inputs: RenderInputs;
  /** What was left out and why, a line each. */
  readonly notes: readonly string[];
}

/**
 * Renders one deploy with kustomize, helm, or by reading files. Throws RENDER_FAILED with the tool's own reason,
 * TOOL_MISSING when the tool is not installed.
 */
export async function renderDeploy(spec: DeploySpec, options: RenderOptions): Promise<Rendered> {
  const [inputs, { objects, notes }] = await Promise.all([renderInputs(spec), renderObjects(spec, options)]);
  return { objects, hash: hashJson(objects), inputs, notes };
}

interface RenderedObjects {
  readonly objects: readonly KubeObject[];
  readonly notes: readonly string[];
}

async function renderObjects(spec: DeploySpec, options: RenderOptions): Promise<RenderedObjects> {
  switch (spec.kind) {
    case "kustomize":
      return { objects: await renderKustomize(spec.path, options), notes: [] };
    case "helm":
      return await renderHelm(spec, options);
    case "manifests":
      return { objects: await renderManifests(spec), notes: [] };
    default:
      return unreachable(spec);
  }
}
