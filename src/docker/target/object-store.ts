import { randomUUID } from "node:crypto";
import type { KubeObject } from "../../engine/kube-object.js";
import type { ChangeType, Collection, Collections, CollectionsOptions } from "../../engine/target.js";

/** The objects that a cluster's API server would show, kept here. */
export interface ObjectStore {
  /** Adds or replaces an object, by its kind, namespace and name. */
  set(object: KubeObject): void;
  remove(kind: string, namespace: string, name: string): void;
  get(kind: string, namespace: string, name: string): KubeObject | undefined;
  all(kind: string): readonly KubeObject[];
  /** Tells that something happened to a container of a pod; the same again is counted. */
  event(about: KubeObject, container: string, reason: string, message: string): void;
  /** Called after each change. Returns how to stop that. */
  subscribe(listener: (type: ChangeType, object: KubeObject) => void): () => void;
  watch(options: CollectionsOptions): Collections;
}

/** How many events about one object are kept. */
const keptEvents = 50;

export function createObjectStore({ now = Date.now }: { readonly now?: () => number } = {}): ObjectStore {
  const objects = new Map<string, KubeObject>();
  const listeners = new Set<(type: ChangeType, object: KubeObject, previous?: KubeObject) => void>();
  let version = 0;

  function set(object: KubeObject): void {
    const key = keyOf(object.kind, object.metadata.namespace ?? "", object.metadata.name);
    const previous = objects.get(key);
    version += 1;
    const { uid = key } = object.metadata;
    const next = { ...object, metadata: { ...object.metadata, uid, resourceVersion: String(version) } };
    objects.set(key, next);
    const replaced = previous && previous.metadata.uid !== next.metadata.uid;
    if (replaced) tell("DELETED", previous, previous);
    tell(previous && !replaced ? "MODIFIED" : "ADDED", next, previous);
  }

  function remove(kind: string, namespace: string, name: string): void {
    const key = keyOf(kind, namespace, name);
    const previous = objects.get(key);
    if (!previous) return;
    objects.delete(key);
    if (kind !== "Event")
      for (const event of eventsAbout(previous)) remove("Event", namespace, event.metadata.name);
    tell("DELETED", previous, previous);
  }

  function tell(type: ChangeType, object: KubeObject, previous?: KubeObject): void {
    for (const listener of [...listeners]) listener(type, object, previous);
  }

  function eventsAbout(object: KubeObject): readonly (KubeObject & EventFields)[] {
    const { uid } = object.metadata;
    return ([...objects.values()] as (KubeObject & EventFields)[]).filter(
      ({ kind, involvedObject }) => kind === "Event" && involvedObject?.uid === uid,
    );
  }

  return {
    set,
    remove,
    get: (kind, namespace, name) => objects.get(keyOf(kind, namespace, name)),
    all: (kind) => [...objects.values()].filter((object) => object.kind === kind),
    event(about, container, reason, message) {
      const before = eventsAbout(about);
      const fieldPath = `spec.containers{${container}}`;
      const same = before.find(
        (each) =>
          each.reason === reason &&
          each.message === message &&
          (each.involvedObject as { readonly fieldPath?: string }).fieldPath === fieldPath,
      );
      const { namespace = "", uid = "", name } = about.metadata;
      const [oldest] = before;
      if (!same && oldest && before.length >= keptEvents) remove("Event", namespace, oldest.metadata.name);
      const fields: EventFields = {
        involvedObject: { uid, kind: about.kind, name, fieldPath },
        reason,
        message,
        count: (same?.count ?? 0) + 1,
        lastTimestamp: new Date(now()).toISOString(),
      };
      set({
        apiVersion: "v1",
        kind: "Event",
        metadata: same?.metadata ?? { name: `${name}.${randomUUID()}`, namespace, uid: randomUUID() },
        ...fields,
      });
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    watch: ({ onObject, onSync }) => {
      const followed = new Map<string, Collection & { readonly objects: Map<string, KubeObject> }>();
      const unsubscribe = subscribe((type, object, previous) => {
        const collection = followed.get(placeOf(object.kind, object.metadata.namespace ?? ""));
        if (!collection) return;
        const uid = object.metadata.uid ?? "";
        if (type === "DELETED") collection.objects.delete(uid);
        else collection.objects.set(uid, object);
        onObject(type, object, previous, false);
      });
      return {
        set(wanted) {
          const keys = new Set(wanted.map(({ kind, namespace }) => placeOf(kind, namespace)));
          for (const [key, { objects: gone }] of followed) {
            if (keys.has(key)) continue;
            followed.delete(key);
            for (const object of gone.values()) onObject("DELETED", object, object, false);
          }
          for (const { kind, namespace } of wanted) {
            const key = placeOf(kind, namespace);
            if (followed.has(key)) continue;
            const found = [...objects.values()].filter(
              (object) => placeOf(object.kind, object.metadata.namespace ?? "") === key,
            );
            const collection = {
              kind,
              namespace,
              objects: new Map(found.map((object) => [object.metadata.uid ?? "", object])),
              synced: true,
            };
            followed.set(key, collection);
            for (const object of found) onObject("ADDED", object, undefined, true);
            onSync(collection);
          }
        },
        get: (kind, namespace) => followed.get(placeOf(kind, namespace)),
        [Symbol.asyncDispose]() {
          unsubscribe();
          return Promise.resolve();
        },
      };
    },
  };

  function subscribe(
    listener: (type: ChangeType, object: KubeObject, previous?: KubeObject) => void,
  ): () => void {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }
}

interface EventFields {
  readonly involvedObject?: {
    readonly uid: string;
    readonly kind: string;
    readonly name: string;
    readonly fieldPath: string;
  };
  readonly reason?: string;
  readonly message?: string;
  readonly count?: number;
  readonly lastTimestamp?: string;
}

function keyOf(kind: string, namespace: string, name: string): string {
  return `${kind}/${namespace}/${name}`;
}

function placeOf(kind: string, namespace: string): string {
  return `${namespace}/${kind}`;
}
