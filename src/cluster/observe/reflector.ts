import type { IncomingMessage } from "node:http";
import { StringDecoder } from "node:string_decoder";
import { setTimeout as delay } from "node:timers/promises";
import type { ChangeType } from "../../engine/target.js";
import { DevloopError } from "../../lib/errors.js";
import { type Kube, type KubeObject, KubeStatusError } from "../kube.js";

export interface ReflectOptions {
  /** The collection: `/api/v1/namespaces/dev/pods`, `/apis/apps/v1/deployments`. */
  readonly path: string;
  /** Everything there is, after each list: it replaces what was known before. */
  readonly onSync: (objects: readonly KubeObject[]) => void;
  readonly onEvent: (type: ChangeType, object: KubeObject) => void;
  /** `down` when the API server does not answer, with what it was; `up` once it does. Told on changes only. */
  readonly onState?: (state: "up" | "down", error?: unknown) => void;
  readonly signal: AbortSignal;
  /** How long the server keeps one watch open, in seconds. */
  readonly timeoutSeconds?: number;
  /** Silence beyond `timeoutSeconds` after which the connection counts as dead, in ms. */
  readonly graceMs?: number;
  readonly backoffMs?: { readonly first: number; readonly most: number };
}

/**
 * Follows a collection until the signal aborts, whatever happens to the connection: list, watch from there, resume
 * where the watch ended, list again when the server has forgotten that point. Never throws.
 */
export async function reflect(kube: Kube, options: ReflectOptions): Promise<void> {
  const { path, signal, onSync, onEvent, onState } = options;
  const { first, most } = options.backoffMs ?? { first: 200, most: 5000 };
  let version: string | undefined;
  let state: "up" | "down" | undefined;
  let failures = 0;
  const turn = (next: "up" | "down", error?: unknown): void => {
    if (next === state) return;
    state = next;
    onState?.(next, error);
  };

  const stopped = (): boolean => signal.aborted;
  while (!stopped()) {
    try {
      if (version === undefined) {
        const list = await listAll(kube, path, signal);
        onSync(list.objects);
        version = list.version;
      }
      const stream = await openWatch(kube, options, version);
      turn("up");
      for await (const change of readWatch(stream, options)) {
        failures = 0;
        version = change.object.metadata.resourceVersion ?? version;
        if (change.type !== "BOOKMARK") onEvent(change.type, change.object);
      }
      // The server ends a watch after its time, which is no failure; ending it at once, over and over, is.
      failures += 1;
      if (failures > 1) await delay(backoff(failures - 1, first, most), undefined, { signal });
    } catch (error) {
      if (stopped()) return;
      failures += 1;
      if (error instanceof KubeStatusError) {
        // 410, or a point that this server has not reached (it was restored): what is known is no longer a start.
        version = undefined;
        if (error.reason === "Expired" || error.reason === "Gone" || error.status === 410) {
          if (failures === 1) continue;
        } else if (error.status === 404) {
          // The kind itself is not there (any more): nothing of it exists.
          onSync([]);
          turn("up");
        } else turn("down", error);
      } else if (error instanceof DevloopError) turn("down", error);
      // Else a watch was cut off: whether the server is down shows when it is opened again.
      await delay(backoff(failures, first, most), undefined, { signal }).catch(() => undefined);
    }
  }
}

function backoff(failures: number, first: number, most: number): number {
  return Math.min(most, first * 2 ** (failures - 1));
}

async function listAll(
  kube: Kube,
  path: string,
  signal: AbortSignal,
): Promise<{ objects: readonly KubeObject[]; version: string }> {
  const list = (await kube.request(path, { signal })) as {
    readonly apiVersion: string;
    readonly kind: string;
    readonly metadata: { readonly resourceVersion: string };
    readonly items?: readonly KubeObject[] | null;
  };
  // The items of a list leave out what the list itself says.
  const kind = list.kind.replace(/List$/, "");
  return {
    objects: (list.items ?? []).map((item) => ({ ...item, apiVersion: list.apiVersion, kind })),
    version: list.metadata.resourceVersion,
  };
}

function openWatch(kube: Kube, options: ReflectOptions, version: string): Promise<IncomingMessage> {
  const query = new URLSearchParams({
    watch: "true",
    allowWatchBookmarks: "true",
    resourceVersion: version,
    timeoutSeconds: String(options.timeoutSeconds ?? 300),
  });
  return kube.stream(`${options.path}?${query.toString()}`, { signal: options.signal });
}

interface Change {
  readonly type: ChangeType | "BOOKMARK";
  readonly object: KubeObject;
}

/** The changes as they come. Throws KubeStatusError for an ERROR event, and an error for a dead connection. */
async function* readWatch(
  stream: IncomingMessage,
  { timeoutSeconds = 300, graceMs = 10_000 }: ReflectOptions,
): AsyncGenerator<Change> {
  // A connection whose other end vanished (sleep, a restarted node) reports nothing by itself.
  const silence = setTimeout(
    () => stream.destroy(new Error("no bytes for longer than the watch may last")),
    timeoutSeconds * 1000 + graceMs,
  );
  const decoder = new StringDecoder("utf8");
  let rest = "";
  try {
    for await (const chunk of stream) {
      silence.refresh();
      const text = decoder.write(chunk as Buffer);
      if (!text.includes("\n")) {
        rest += text;
        continue;
      }
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) if (line.trim() !== "") yield parseChange(line);
    }
  } finally {
    clearTimeout(silence);
    stream.destroy();
  }
}

function parseChange(line: string): Change {
  const change = JSON.parse(line) as
    | Change
    | {
        readonly type: "ERROR";
        readonly object: { readonly code?: number; readonly reason?: string; readonly message?: string };
      };
  if (change.type === "ERROR") {
    const { code = 500, reason = "Unknown", message = "the watch failed" } = change.object;
    throw new KubeStatusError(code, reason, message);
  }
  return change;
}
