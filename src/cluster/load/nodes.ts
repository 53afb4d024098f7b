import type { LoadImage, WorkOptions } from "../../engine/target.js";
import type { ContainerEngine } from "../../engine/container-engine.js";
import type { LoadOutput } from "../../engine/task.js";
import { DevloopError, errorText } from "../../lib/errors.js";
import { containerdName, readDigests, readListing, type Listing } from "./containerd.js";
import { sendArchive } from "./archive.js";
import { nodeFailure } from "./failure.js";
import { deltaSender } from "./delta.js";
import type { LayerMemory } from "./known-layers.js";
import type { ImageLoader } from "./loader.js";
import type { NodeRef } from "../providers/nodes.js";

/**
 * Carries images into the nodes of a kind or k3d cluster. A load is three steps: `check` asks every node at once,
 * by digest; the transport sends what is lacking and returns what each node lists then; `verify` compares that.
 * The transport sends only new layers where that is certain to do, else the whole image. What `memory` keeps lets a later
 * loader do so from its first load on.
 */
export function nodeLoader(
  engine: ContainerEngine,
  nodes: readonly NodeRef[],
  memory?: LayerMemory,
): ImageLoader {
  const delta = deltaSender(engine, memory);
  const sendAll = async (
    lacking: readonly NodeRef[],
    image: LoadImage,
    options: WorkOptions,
  ): Promise<number> => {
    const { bytes, listings } = await sendArchive(engine, lacking, image, options);
    await verify(engine, listings, image, options);
    // The next build's load needs to know this one's layers.
    delta.learn(image);
    return bytes;
  };
  const sendNew = async (
    lacking: readonly NodeRef[],
    image: LoadImage,
    options: WorkOptions,
  ): Promise<number | undefined> => {
    try {
      const sent = await delta.send(lacking, image, options);
      if (sent) await verify(engine, sent.listings, image, options);
      return sent?.bytes;
    } catch (error) {
      options.signal.throwIfAborted();
      if (isLost(error)) throw error;
      options.onNote(`${image.ref} is sent whole, not only its new layers: ${errorText(error)}`);
      return undefined;
    }
  };
  return {
    async load(image, options) {
      const had = await check(engine, nodes, image, options);
      const present = nodes.filter((_, index) => had[index]);
      const lacking = nodes.filter((_, index) => !had[index]);
      const names = nodes.map(({ name }) => name);
      const before = present.map(({ name }) => name);
      const done: LoadOutput = { kind: "load", ref: image.ref, nodes: names, present: before, bytes: 0 };
      if (lacking.length === 0) return done;
      const bytes = (await sendNew(lacking, image, options)) ?? (await sendAll(lacking, image, options));
      return { ...done, bytes };
    },
    [Symbol.asyncDispose]: () => delta[Symbol.asyncDispose](),
  };
}

/** Which nodes have exactly this image under exactly this name; one exec a node. */
async function check(
  engine: ContainerEngine,
  nodes: readonly NodeRef[],
  image: LoadImage,
  { signal }: WorkOptions,
): Promise<readonly boolean[]> {
  const results = await Promise.allSettled(
    nodes.map(async ({ name }) => {
      const listing = await readListing(engine, name, image, { signal });
      return await holds(engine, name, listing, image, { signal });
    }),
  );
  signal.throwIfAborted();
  const failed = results.flatMap((result, index) =>
    result.status === "rejected" ? [{ node: nodes[index]?.name ?? "", error: result.reason as unknown }] : [],
  );
  if (failed.length > 0) throw await nodeFailure(engine, image, nodes.length, failed, { signal });
  return results.map((result) => result.status === "fulfilled" && result.value);
}

/** Throws LOAD_FAILED when a node lists something else than what was sent. */
async function verify(
  engine: ContainerEngine,
  listings: ReadonlyMap<string, Listing>,
  image: LoadImage,
  { signal }: WorkOptions,
): Promise<void> {
  const wrong = await Promise.all(
    [...listings].map(async ([node, listing]) =>
      (await holds(engine, node, listing, image, { signal })) ? [] : [describe(node, listing, image)],
    ),
  );
  const lines = wrong.flat();
  if (lines.length === 0) return;
  throw new DevloopError(
    "LOAD_FAILED",
    `${image.ref} was imported, but ${lines.length === 1 ? "the node has" : "nodes have"} something else under that name`,
    {
      detail: [`expected ${image.imageId}`, ...lines].join("\n"),
      hint: "save again, or press r to build it anew",
    },
  );
}

/** What went wrong would go wrong with the whole image too. */
function isLost(error: unknown): boolean {
  return (
    error instanceof DevloopError &&
    (error.code === "NODE_UNREACHABLE" || error.code === "ENGINE_UNREACHABLE")
  );
}

function describe(node: string, listing: Listing, image: LoadImage): string {
  return `${node}: ${listing.get(containerdName(image.ref)) ?? "no such image"}`;
}

/**
 * Whether a node's listing shows the image: its name leads to the engine's id. The id is the config's digest with the
 * classic image store, and the index's or manifest's with the containerd store; Kubernetes' own entry, named like the
 * config, tells both in one listing. Only where it does not are the documents themselves read.
 */
async function holds(
  engine: ContainerEngine,
  node: string,
  listing: Listing,
  image: LoadImage,
  { signal }: { readonly signal: AbortSignal },
): Promise<boolean> {
  const target = listing.get(containerdName(image.ref));
  if (target === undefined) return false;
  if (target === image.imageId || listing.get(image.imageId) === target) return true;
  return (await readDigests(engine, node, target, { signal })).includes(image.imageId);
}
