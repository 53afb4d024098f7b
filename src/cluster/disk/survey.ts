import type { ContainerEngine } from "../../engine/container-engine.js";
import { DevloopError, errorText } from "../../lib/errors.js";
import { KubeStatusError, type Kube } from "../kube.js";
import { containerdName, runInNode } from "../load/containerd.js";
import type { NodeRef } from "../providers/nodes.js";
import { repositoryOf } from "./build-tag.js";
import { readClusterUses } from "./cluster-uses.js";
import { readEngineStore } from "./engine-store.js";
import type { Amount, ImageStore, ImageUses, NotRemoved, StoredImage } from "./image-store.js";
import { readNodeStore } from "./node-store.js";
import { chooseImages, type Choice } from "./select.js";

/** Where images are kept, and who may use them. */
export interface DiskPlaces {
  readonly engine: ContainerEngine;
  /** Left out when the cluster is not known or does not answer: its nodes are left alone then. */
  readonly cluster?: { readonly kube: Kube; readonly nodes: readonly NodeRef[] };
  /** References that the engine itself may start containers of, with who does. */
  readonly deployed?: (options: { readonly signal: AbortSignal }) => Promise<ReadonlyMap<string, string>>;
}

export interface SurveyRequest {
  /** The images' names; left out: all that devloop built, of whatever project. */
  readonly names?: readonly string[];
  /** How many builds of each are kept. */
  readonly keep: number;
  /** References that are kept all the same, with the reason. */
  readonly current?: ReadonlyMap<string, string>;
}

/** What one place holds of the images that devloop made. */
export interface PlaceSurvey {
  /** `engine`, or a node's name. */
  readonly place: string;
  readonly choices: readonly Choice[];
  /** Bytes that only these images hold. */
  readonly held: Amount;
  /** Bytes that are free once those that can go are gone. */
  readonly freed: Amount;
}

export interface DiskSurvey {
  readonly places: readonly PlaceSurvey[];
  /** What could not be looked at, and why. */
  readonly notes: readonly string[];
  /** Removes what can go. Throws only when a place has gone away. */
  remove(options: { readonly signal: AbortSignal }): Promise<Removal>;
}
export interface Removal {
  readonly removed: readonly StoredImage[];
  readonly freed: Amount;
  readonly left: readonly NotRemoved[];
}

/**
 * Looks at what the engine and the cluster's nodes hold, and decides what of it can go. A node that does not answer, or a
 * cluster that does not say what it runs, is left out with a note. Throws ENGINE_UNREACHABLE.
 */
export async function surveyDisk(
  { engine, cluster, deployed }: DiskPlaces,
  request: SurveyRequest,
  { signal }: { readonly signal: AbortSignal },
): Promise<DiskSurvey> {
  const notes: string[] = [];
  const [own, nodes] = await Promise.all([
    readEngineStore(engine, { signal }),
    readNodes(engine, cluster?.nodes ?? [], notes, signal),
  ]);
  // Asked after what is there was read: what came into use meanwhile is seen.
  const uses = cluster ? await readUses(cluster.kube, notes, signal) : undefined;
  const current = new Map([...(request.current ?? []), ...((await deployed?.({ signal })) ?? [])]);
  // Without nodes the cluster starts its pods from the engine's own images.
  const unknown = cluster?.nodes.length === 0 ? [] : [own];
  const stores = uses ? [own, ...nodes] : unknown;
  const wanted = request.names && new Set(request.names.map((name) => repositoryOf(`${name}:any`)));
  const images = stores
    .flatMap((store) => store.images)
    .filter((image) => wanted?.has(image.repository) ?? true);
  const choices = chooseImages(images, { keep: request.keep, uses: withCurrent(uses, current) });
  const places = stores.map((store) => surveyPlace(store, choices));
  return { places, notes, remove: (options) => removeAll(stores, places, options) };
}

/**
 * Whether there are more builds of these images than are kept, anywhere: a question that costs next to nothing, since most
 * often nothing is to be done. A node that does not answer has nothing to say. Throws ENGINE_UNREACHABLE.
 */
export async function isOverfull(
  { engine, cluster }: DiskPlaces,
  { names, keep }: { readonly names: readonly string[]; readonly keep: number },
  { signal }: { readonly signal: AbortSignal },
): Promise<boolean> {
  const script = `client images ls -q 'name~=":devloop-[0-9a-f]{16}$"'`;
  const [entries, ...lists] = await Promise.all([
    engine.images({ signal }),
    ...(cluster?.nodes ?? []).map(({ name }) =>
      runInNode(engine, name, script, { signal }).catch((error: unknown) => {
        signal.throwIfAborted();
        if (error instanceof DevloopError) return "";
        throw error;
      }),
    ),
  ]);
  const places = [entries.flatMap(({ tags }) => tags), ...lists.map((list) => list.split("\n"))];
  return names.some((name) => {
    const prefix = `${repositoryOf(`${name}:any`)}:devloop-`;
    return places.some(
      (refs) => refs.filter((ref) => containerdName(ref.trim()).startsWith(prefix)).length > keep,
    );
  });
}

async function readNodes(
  engine: ContainerEngine,
  nodes: readonly NodeRef[],
  notes: string[],
  signal: AbortSignal,
): Promise<readonly ImageStore[]> {
  const stores = await Promise.all(
    nodes.map(async ({ name }) => {
      try {
        return [await readNodeStore(engine, name, { signal })];
      } catch (error) {
        signal.throwIfAborted();
        notes.push(`node ${name} is left out: ${errorText(error)}`);
        return [];
      }
    }),
  );
  return stores.flat();
}

async function readUses(kube: Kube, notes: string[], signal: AbortSignal): Promise<ImageUses | undefined> {
  try {
    return await readClusterUses(kube, { signal });
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof KubeStatusError) && !(error instanceof DevloopError)) throw error;
    notes.push(
      `what the cluster may use is left alone, since ${kube.context} does not say what it runs: ${errorText(error)}`,
    );
    return undefined;
  }
}

function withCurrent(uses: ImageUses | undefined, current: ReadonlyMap<string, string>): ImageUses {
  const refs = [...current].map(([ref, who]): [string, string] => [containerdName(ref), who]);
  // Who runs it says more than that it is new.
  return { refs: new Map([...refs, ...(uses?.refs ?? [])]), digests: uses?.digests ?? new Map() };
}

function surveyPlace(store: ImageStore, all: readonly Choice[]): PlaceSurvey {
  const choices = all.filter(({ image }) => image.place === store.place);
  return {
    place: store.place,
    choices,
    held: store.held(choices.map(({ image }) => image)),
    freed: store.freed(leaving(choices)),
  };
}

/** Those that can go, the oldest first: it may be broken off. */
function leaving(choices: readonly Choice[]): StoredImage[] {
  return [...choices].reverse().flatMap(({ image, keptFor }) => (keptFor === undefined ? [image] : []));
}

async function removeAll(
  stores: readonly ImageStore[],
  places: readonly PlaceSurvey[],
  { signal }: { readonly signal: AbortSignal },
): Promise<Removal> {
  const removed: StoredImage[] = [];
  const amounts: Amount[] = [];
  const left: NotRemoved[] = [];
  // The engine comes first: a build that came into use again there stays in the nodes too.
  for (const [index, store] of stores.entries()) {
    const gone = leaving(places[index]?.choices ?? []).filter(
      (image) => !left.some((other) => isSame(other, image)),
    );
    if (gone.length === 0) continue;
    const here = await removeFrom(store, gone, signal);
    left.push(...here);
    const done = gone.filter((image) => !here.some((other) => other.image === image));
    removed.push(...done);
    amounts.push(store.freed(done));
  }
  return { removed, freed: sumOf(amounts), left };
}

/** A place that goes away meanwhile takes nothing from what was done elsewhere. */
async function removeFrom(
  store: ImageStore,
  gone: readonly StoredImage[],
  signal: AbortSignal,
): Promise<readonly NotRemoved[]> {
  try {
    return await store.remove(gone, { signal });
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof DevloopError)) throw error;
    return gone.map((image) => ({ image, reason: "refused" as const, message: errorText(error) }));
  }
}

function isSame({ image, reason }: NotRemoved, other: StoredImage): boolean {
  return reason === "used" && image.repository === other.repository && image.tag === other.tag;
}

/** The sum of amounts; exact when all are. */
export function sumOf(amounts: readonly Amount[]): Amount {
  return {
    bytes: amounts.reduce((sum, { bytes }) => sum + bytes, 0),
    exact: amounts.every(({ exact }) => exact),
  };
}
