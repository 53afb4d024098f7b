import { addAbortListener } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import type { ChangeType, Collection, Collections, CollectionsOptions } from "../../engine/target.js";
import type { Kube, KubeObject } from "../kube.js";
import { collectionPath } from "./discover.js";
import { reflect } from "./reflector.js";

/** A changing set of reflectors, seen as one. */
export function openCollections(kube: Kube, options: CollectionsOptions): Collections {
  interface Entry extends Collection {
    objects: Map<string, KubeObject>;
    synced: boolean;
    readonly stop: AbortController;
    readonly done: Promise<void>;
  }
  const entries = new Map<string, Entry>();
  const down = new Set<string>();
  const outer = addAbortListener(options.signal, stopAll);

  function stopAll(): void {
    for (const entry of entries.values()) entry.stop.abort();
  }

  const state = (key: string, next: "up" | "down", error?: unknown): void => {
    const before = down.size;
    if (next === "down") down.add(key);
    else down.delete(key);
    if (before === 0 && down.size > 0) options.onState("down", error);
    if (next === "up" && down.size === 0) options.onState("up");
  };

  function start(key: string, kind: string, namespace: string): Entry {
    const stop = new AbortController();
    const follow = async (): Promise<void> => {
      const { signal } = stop;
      const path = await findPath(
        kube,
        kind,
        namespace,
        (next, error) => {
          state(key, next, error);
        },
        signal,
      );
      if (path === undefined) return;
      await reflect(kube, {
        path,
        signal,
        onState: (next, error) => {
          state(key, next, error);
        },
        onSync: (objects) => {
          sync(entry, objects);
        },
        onEvent: (type, object) => {
          change(entry, type, object, false);
        },
      });
    };
    const entry: Entry = {
      kind,
      namespace,
      objects: new Map(),
      synced: false,
      stop,
      // It starts in a later turn: `entry` is there by then. It settles without throwing once it is stopped.
      done: Promise.resolve().then(follow),
    };
    return entry;
  }

  function sync(entry: Entry, objects: readonly KubeObject[]): void {
    const initial = !entry.synced;
    const present = new Set(objects.map((object) => object.metadata.uid ?? ""));
    for (const [uid, object] of [...entry.objects])
      if (!present.has(uid)) change(entry, "DELETED", object, false);
    for (const object of objects) change(entry, "MODIFIED", object, initial);
    entry.synced = true;
    options.onSync(entry);
  }

  function change(entry: Entry, type: ChangeType, object: KubeObject, initial: boolean): void {
    const uid = object.metadata.uid ?? "";
    const previous = entry.objects.get(uid);
    if (type === "DELETED") entry.objects.delete(uid);
    else if (previous?.metadata.resourceVersion === object.metadata.resourceVersion && previous) return;
    else entry.objects.set(uid, object);
    options.onObject(type, object, previous, initial);
  }

  return {
    set(wanted) {
      const keys = new Set(wanted.map(({ kind, namespace }) => `${namespace}/${kind}`));
      for (const [key, entry] of [...entries]) {
        if (keys.has(key)) continue;
        entry.stop.abort();
        entries.delete(key);
        state(key, "up");
        for (const object of entry.objects.values()) options.onObject("DELETED", object, object, false);
      }
      for (const { kind, namespace } of wanted) {
        const key = `${namespace}/${kind}`;
        if (!entries.has(key)) entries.set(key, start(key, kind, namespace));
      }
    },
    get: (kind, namespace) => entries.get(`${namespace}/${kind}`),
    async [Symbol.asyncDispose]() {
      const all = [...entries.values()];
      stopAll();
      outer[Symbol.dispose]();
      await Promise.all(all.map((entry) => entry.done));
    },
  };
}

/** How often discovery is asked again for a kind that the cluster does not know (yet), in ms. */
const lookAgainMs = 5000;

async function findPath(
  kube: Kube,
  kind: string,
  namespace: string,
  onState: (state: "up" | "down", error?: unknown) => void,
  signal: AbortSignal,
): Promise<string | undefined> {
  const stopped = (): boolean => signal.aborted;
  while (!stopped()) {
    try {
      const path = await collectionPath(kube, kind, namespace, { signal });
      onState("up");
      if (path !== undefined) return path;
    } catch (error) {
      if (stopped()) return undefined;
      onState("down", error);
    }
    await delay(lookAgainMs, undefined, { signal }).catch(() => undefined);
  }
  return undefined;
}
