import type { DeploySpec } from "../../engine/project.js";
import { DevloopError } from "../../lib/errors.js";
import { runTool } from "../../lib/run-tool.js";
import type { KubeObject } from "../kube.js";
import { parseManifests } from "./parse-manifests.js";
import type { RenderOptions } from "./render-options.js";

type HelmSpec = Extract<DeploySpec, { kind: "helm" }>;

/** Renders a chart with `helm template`, its CRDs included. Hooks and tests are left out, with a note that names them. */
export async function renderHelm(
  spec: HelmSpec,
  { signal, env, namespace }: RenderOptions,
): Promise<{ objects: KubeObject[]; notes: string[] }> {
  let text: string;
  try {
    text = await runTool("helm", helmArguments(spec, namespace), {
      signal,
      ...(env === undefined ? {} : { env }),
    });
  } catch (error) {
    if (!(error instanceof DevloopError)) throw error;
    if (error.code === "TOOL_MISSING") {
      throw new DevloopError("TOOL_MISSING", error.message, {
        cause: error,
        hint: "install helm: https://helm.sh/docs/intro/install/",
      });
    }
    const output = error.detail ?? error.message;
    throw new DevloopError(
      "RENDER_FAILED",
      `chart ${spec.chart} cannot be rendered: ${shortenHelm(output)}`,
      {
        cause: error,
        detail: output,
        hint: /missing in charts\/ directory/.test(output)
          ? `helm dependency build ${spec.chart}`
          : undefined,
      },
    );
  }
  // Charts do repeat keys, and helm takes the last one.
  const all = parseManifests(text, `helm template ${spec.chart}`, { repeatedKeys: true });
  const hooks = all.filter((object) => hookOf(object) !== undefined);
  const notes = hooks.map(
    (object) =>
      `left out ${object.kind}/${object.metadata.name}: helm hooks (${hookOf(object) ?? ""}) are not run`,
  );
  return { objects: all.filter((object) => hookOf(object) === undefined), notes };
}

/** The arguments of `helm template` for a deploy. */
export function helmArguments(spec: HelmSpec, namespace: string | undefined): string[] {
  const release = spec.namespace ?? namespace;
  return [
    "template",
    spec.release,
    spec.chart,
    "--include-crds",
    ...(release === undefined ? [] : ["--namespace", release]),
    ...spec.values.flatMap((file) => ["--values", file]),
    ...Object.entries(spec.set).flatMap(([key, value]) => ["--set", `${key}=${setValue(value)}`]),
  ];
}

/** A comma would start the next assignment; `{a,b}` is helm's own way to write a list. */
function setValue(value: string): string {
  return value.startsWith("{") ? value : value.replace(/[\\,]/g, "\\$&");
}

/** Helm's last line of error, without the hint to run it again with --debug. */
export function shortenHelm(output: string): string {
  const lines = output
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !/^(WARNING|walk\.go|coalesce\.go)/.test(line));
  const from = lines.findIndex((line) => line.startsWith("Error:"));
  return (
    lines
      .slice(Math.max(from, 0))
      .filter((line) => !line.startsWith("Use --debug flag"))
      .join(" ")
      .replace(/^Error: /, "") || output.trim()
  );
}

function hookOf(object: KubeObject): string | undefined {
  return object.metadata.annotations?.["helm.sh/hook"];
}
