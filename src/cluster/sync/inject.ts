import { createHash } from "node:crypto";
import type { EngineImage } from "../../engine/container-engine.js";
import type { AgentNeed } from "../../engine/task.js";
import type { KubeObject } from "../kube.js";
import { podSpecs, type PodPlace } from "../render/pod-specs.js";
import { agentBinary } from "./agent-binaries.js";
import { signalNumber, sigterm } from "./stop-signal.js";

/** Where the agent stands in the containers that are synced. */
const agentDirectory = "/.devloop";
export const agentPath = `${agentDirectory}/agent`;
const volumeName = "devloop-agent";

/** How long a container that runs to its end waits for its files, in seconds: devloop may not be there to bring them. */
const holdSeconds = 15;

export interface SyncedImage {
  readonly need: AgentNeed;
  /** What it starts where the manifest does not say, and how that is asked to end. */
  readonly starts: Pick<EngineImage, "entrypoint" | "command" | "stopSignal">;
}

/**
 * The objects with the agent in the containers that run synced images, named by their references: a read-only volume from a
 * ConfigMap that is added, and, for a process that can be started anew, the agent as its parent. Init containers and those of
 * jobs begin once they have their files. Nothing changes on a platform that the agent is not made for.
 */
export function withAgent(
  objects: readonly KubeObject[],
  images: ReadonlyMap<string, SyncedImage>,
  {
    project,
    namespace,
    platform,
  }: { readonly project: string; readonly namespace: string; readonly platform: string },
): readonly KubeObject[] {
  const binary = agentBinary(platform);
  if (!binary || images.size === 0) return objects;
  // Each project's own: an object belongs to one project.
  const hash = createHash("sha256").update(`${project}\n`).update(binary).digest("hex");
  const name = `devloop-agent-${hash.slice(0, 10)}`;
  const homes = new Set<string>();
  const changed = objects.map((object) => {
    const copy = structuredClone(object);
    const specs = podSpecs(copy).filter((place) => addTo(place, images, name));
    if (specs.length === 0) return object;
    homes.add(object.metadata.namespace ?? namespace);
    return copy;
  });
  return [...[...homes].map((home) => configMap(name, home, binary)), ...changed];
}

function configMap(name: string, namespace: string, binary: Uint8Array): KubeObject {
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name, namespace },
    immutable: true,
    binaryData: { agent: Buffer.from(binary).toString("base64") },
  };
}

/** Returns whether any of its containers is synced. */
function addTo(
  { spec, runsToEnd }: PodPlace,
  images: ReadonlyMap<string, SyncedImage>,
  configMapName: string,
): boolean {
  const { initContainers = [], containers = [] } = spec;
  const touched = [
    ...initContainers.map((container) => ({ container, once: container.restartPolicy !== "Always" })),
    ...containers.map((container) => ({ container, once: runsToEnd })),
  ].flatMap(({ container, once }) => {
    const image = images.get(container.image ?? "");
    return image ? [{ container, image, once }] : [];
  });
  if (touched.length === 0) return false;
  for (const { container, image, once } of touched) {
    container.volumeMounts = [
      ...(container.volumeMounts ?? []),
      { name: volumeName, mountPath: agentDirectory, readOnly: true },
    ];
    if (image.need === "pull") continue;
    if (once) supervise(container, image.starts, ["--once", "--hold", String(holdSeconds)]);
    else if (image.need === "process") supervise(container, image.starts, []);
  }
  spec.volumes = [
    ...(spec.volumes ?? []),
    { name: volumeName, configMap: { name: configMapName, defaultMode: 0o555 } },
  ];
  return true;
}

/**
 * Starts the container's process as the agent's child. `command` replaces an image's entrypoint, and its CMD with it; `args` its
 * CMD alone (kubernetes.io/docs/tasks/inject-data-application/define-command-argument-container).
 */
function supervise(
  container: { command?: string[]; args?: string[] },
  { entrypoint, command, stopSignal = "SIGTERM" }: SyncedImage["starts"],
  options: readonly string[],
): void {
  const own = container.command ?? entrypoint.map(literally);
  const args = container.args ?? (container.command ? [] : command.map(literally));
  if (own.length + args.length === 0) return;
  const end = signalNumber(stopSignal);
  const asked = end === undefined || end === sigterm ? [] : ["--stop-signal", String(end)];
  container.command = [agentPath, "run", ...asked, ...options, "--", ...own];
  container.args = [...args];
}

/** Kubernetes replaces `$(NAME)` and `$$` in a manifest's words, and nothing in an image's own. */
function literally(word: string): string {
  return word.replaceAll("$", "$$$$");
}
