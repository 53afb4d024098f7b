import { relative } from "node:path";
import { DevloopError } from "../../lib/errors.js";
import { runTool } from "../../lib/run-tool.js";
import type { KubeObject } from "../kube.js";
import { findBrokenYaml } from "./broken-yaml.js";
import { kustomizationInputs } from "./kustomization-inputs.js";
import { parseManifests } from "./parse-manifests.js";
import type { RenderOptions } from "./render-options.js";

/** Builds a kustomization with `kustomize`, or with `kubectl kustomize` where that is not installed. */
export async function renderKustomize(
  directory: string,
  { signal, env }: RenderOptions,
): Promise<KubeObject[]> {
  const { charts, files } = await kustomizationInputs(directory);
  const args = [...(charts ? ["--enable-helm"] : []), directory];
  const options = { signal, ...(env === undefined ? {} : { env }) };
  let text: string;
  try {
    try {
      text = await runTool("kustomize", ["build", ...args], options);
    } catch (error) {
      if (!isMissing(error)) throw error;
      text = await runTool("kubectl", ["kustomize", ...args], options);
    }
  } catch (error) {
    if (isMissing(error)) {
      throw new DevloopError("TOOL_MISSING", "neither kustomize nor kubectl is installed or on PATH", {
        cause: error,
        hint: "install kustomize: https://kubectl.docs.kubernetes.io/installation/kustomize/",
      });
    }
    if (!(error instanceof DevloopError) || error.code !== "TOOL_FAILED") throw error;
    const output = error.detail ?? error.message;
    const shown = relative(process.cwd(), directory) || ".";
    const why = (await findBrokenYaml(files, output)) ?? shortenKustomize(output);
    throw new DevloopError(
      "RENDER_FAILED",
      `${shown.startsWith("..") ? directory : shown} cannot be rendered: ${why}`,
      { cause: error, detail: output },
    );
  }
  return parseManifests(text, `kustomize build ${directory}`);
}

/**
 * The one sentence that matters in kustomize's output: it wraps a reason once for each directory on the way to it, and
 * then says that the file is not a directory either.
 */
export function shortenKustomize(output: string): string {
  const line = output
    .split("\n")
    .filter((text) => text.trim() !== "" && !text.startsWith("#"))
    .join(" ")
    .trim();
  const logged = /err="((?:[^"\\]|\\.)*)"/.exec(line)?.[1]?.replace(/\\"/g, '"');
  let text = (logged ?? line).replace(/^.*?\bError: /, "");
  const innermost = text.split(/recursed accumulation of path '[^']*': /).at(-1) ?? text;
  text = innermost.replace(/^(accumulating resources: )+/, "").replace(/^accumulation err='/, "");
  // What follows only says that the file could not be read as a directory either.
  text = text.replace(/'?: must build at directory: .*$/, "");
  text = text.replace(/^accumulating resources from '([^']*)': /, "$1: ");
  text = text.replace(/evalsymlink failure on '[^']*' ?: l?stat /g, "");
  text = text.replace(/^trouble configuring builtin (\w+) with config: `.*?`: /, "$1: ");
  return text.replace(/'+$/, (quotes) => (isBalanced(text) ? quotes : quotes.slice(1))).trim();
}

function isBalanced(text: string): boolean {
  return (text.split("'").length - 1) % 2 === 0;
}

function isMissing(error: unknown): boolean {
  return error instanceof DevloopError && error.code === "TOOL_MISSING";
}
