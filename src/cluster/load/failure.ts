import type { LoadImage } from "../../engine/target.js";
import type { ContainerEngine } from "../../engine/container-engine.js";
import { DevloopError, errorText } from "../../lib/errors.js";
import { findLocalClusters } from "../providers/nodes.js";

/** What one node failed with. */
export interface NodeFailure {
  readonly node: string;
  readonly error: unknown;
}

/**
 * One error for the nodes that failed, of `total`: NODE_UNREACHABLE where one of them is down, with the command that
 * brings it back, else LOAD_FAILED. An engine that does not answer is told as that.
 */
export async function nodeFailure(
  engine: ContainerEngine,
  image: LoadImage,
  total: number,
  failed: readonly NodeFailure[],
  { signal }: { readonly signal: AbortSignal },
): Promise<DevloopError> {
  const clusters = await findLocalClusters(engine, { signal });
  const running = new Map(
    clusters.flatMap(({ nodes }) => nodes.map((node) => [node.name, node.running] as const)),
  );
  const found = failed.map(({ node, error }) => diagnose(node, error, running.get(node)));
  const names = failed.map(({ node }) => node).join(", ");
  const where = total === 1 ? `node ${names}` : `node ${names} (${failed.length} of ${total} nodes)`;
  const down = found.filter(({ unreachable }) => unreachable);
  const [first] = down.length > 0 ? down : found;
  const lines = found.flatMap(({ node, words }) => (total === 1 ? words.split("\n") : [`${node}: ${words}`]));
  const [headline = ""] = (first?.words ?? "").split("\n");
  return new DevloopError(
    down.length > 0 ? "NODE_UNREACHABLE" : "LOAD_FAILED",
    `could not load ${image.ref} into ${where}: ${headline}`,
    {
      cause: failed[0]?.error,
      detail: lines.length > 1 ? lines.join("\n") : undefined,
      hint: first?.hint,
    },
  );
}

interface Diagnosis {
  readonly node: string;
  readonly unreachable: boolean;
  readonly words: string;
  readonly hint?: string;
}

function diagnose(node: string, error: unknown, running: boolean | undefined): Diagnosis {
  if (running === undefined) {
    return { node, unreachable: true, words: "its container is gone", hint: "start devloop again" };
  }
  const words = errorText(error);
  if (/is paused/.test(words)) {
    return { node, unreachable: true, words: "its container is paused", hint: `docker unpause ${node}` };
  }
  if (!running)
    return { node, unreachable: true, words: "its container is stopped", hint: `docker start ${node}` };
  if (error instanceof DevloopError && error.code === "LOAD_FAILED") {
    return { node, unreachable: false, words, hint: `is its disk full? docker exec ${node} df -h /var/lib` };
  }
  return { node, unreachable: true, words, hint: `docker restart ${node}` };
}
