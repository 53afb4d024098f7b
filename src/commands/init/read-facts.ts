import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parse } from "yaml";
import type { KubeObject } from "../../cluster/kube.js";
import { imageName, imageNames } from "../../cluster/render/images.js";
import { renderInputs } from "../../cluster/render/inputs.js";
import { parseManifests } from "../../cluster/render/parse-manifests.js";
import { podSpecs } from "../../cluster/render/pod-specs.js";
import { renderDeploy } from "../../cluster/render/render.js";
import type { DeploySpec } from "../../engine/project.js";
import type { DeployFacts, DeploySource, FoundService } from "../../init/model.js";
import { errorText } from "../../lib/errors.js";

/** A render that takes longer waits for another host; init goes on without it. In ms. */
const renderTimeoutMs = 20_000;

/**
 * What a deploy's objects say, rendered as the loop would. Where that fails (its tool is not installed, a base is on
 * another host) the files themselves are read, and `problem` says so.
 */
export async function readFacts(
  root: string,
  source: DeploySource,
  { signal }: { readonly signal: AbortSignal },
): Promise<DeployFacts> {
  const spec = specOf(root, source);
  try {
    const timeout = AbortSignal.timeout(renderTimeoutMs);
    const { objects } = await renderDeploy(spec, { signal: AbortSignal.any([signal, timeout]) });
    return factsOf(objects);
  } catch (error) {
    signal.throwIfAborted();
    const read = source.kind === "helm" ? await valuesFacts(root, source) : await fileFacts(spec);
    return { ...read, problem: errorText(error) };
  }
}

function specOf(root: string, source: DeploySource): DeploySpec {
  const shared = { id: "init", specHash: "" };
  switch (source.kind) {
    case "kustomize":
      return { ...shared, kind: "kustomize", path: resolve(root, source.path) };
    case "manifests":
      return { ...shared, kind: "manifests", patterns: source.patterns, root };
    case "helm":
      return {
        ...shared,
        kind: "helm",
        release: source.release,
        chart: resolve(root, source.chart),
        values: source.values.map((file) => resolve(root, file)),
        set: {},
      };
  }
}

/** The images, services and namespaces of rendered objects. */
export function factsOf(objects: readonly KubeObject[]): DeployFacts {
  const running = objects.filter((object) => object.kind === "Service" || podSpecs(object).length > 0);
  return {
    images: imageNames(objects),
    services: objects.flatMap((object) => serviceOf(object) ?? []),
    namespaces: [...new Set(running.map(({ metadata }) => metadata.namespace))],
  };
}

interface ServiceSpec {
  readonly type?: string;
  readonly selector?: Readonly<Record<string, string>>;
  readonly ports?: readonly {
    readonly port?: unknown;
    readonly name?: string;
    readonly protocol?: string;
  }[];
}

/** A Service that pods stand behind, with the ports that a forward can reach: TCP alone. */
function serviceOf(object: KubeObject): FoundService | undefined {
  if (object.kind !== "Service" || object.apiVersion !== "v1") return undefined;
  const { type, selector, ports } = (object["spec"] ?? {}) as ServiceSpec;
  if (type === "ExternalName" || selector === undefined) return undefined;
  const tcp = (ports ?? []).flatMap(({ port, name, protocol = "TCP" }) =>
    typeof port === "number" && protocol === "TCP" ? [{ port, ...(name === undefined ? {} : { name }) }] : [],
  );
  const { name, namespace } = object.metadata;
  return tcp.length === 0 ? undefined : { name, namespace, ports: tcp };
}

/** Of files that could not be rendered: each that holds objects counts as it is. */
async function fileFacts(spec: DeploySpec): Promise<DeployFacts> {
  const { files } = await renderInputs(spec);
  const objects: KubeObject[] = [];
  for (const file of files) {
    try {
      objects.push(...parseManifests(await readFile(file, "utf8"), file));
    } catch {
      // A kustomization, a patch, a file of settings: none of them is an object.
    }
  }
  const { images, services } = factsOf(objects);
  return { images, services, namespaces: [] };
}

/** Of a chart that could not be rendered: its values name images where charts keep them by custom. */
async function valuesFacts(
  root: string,
  source: Extract<DeploySource, { kind: "helm" }>,
): Promise<DeployFacts> {
  const names = new Set<string>();
  for (const file of [`${source.chart}/values.yaml`, ...source.values]) {
    try {
      collectRepositories(parse(await readFile(join(root, file), "utf8")), names);
    } catch {
      // Without values, or with broken ones, nothing is known.
    }
  }
  return { images: [...names].sort(), services: [], namespaces: [] };
}

/** `image: {registry, repository}` wherever it stands. */
function collectRepositories(node: unknown, names: Set<string>): void {
  if (typeof node !== "object" || node === null) return;
  const { repository, registry } = node as Partial<Record<string, unknown>>;
  if (typeof repository === "string" && repository !== "") {
    const prefix = typeof registry === "string" && registry !== "" ? `${registry}/` : "";
    names.add(imageName(prefix + repository));
  }
  for (const child of Object.values(node)) collectRepositories(child, names);
}
