import type { LoadImage } from "../../engine/target.js";
import type { ContainerEngine } from "../../engine/container-engine.js";
import { startDeadline, type Deadline } from "../../lib/deadline.js";
import { DevloopError, errorText } from "../../lib/errors.js";
import { unlessAborted } from "../../lib/unless-aborted.js";
import { openPushEndpoint, type PushEndpoint, type PushTarget } from "./push-endpoint.js";

const untagTimeoutMs = 10_000;

/** Loads that wait for their image, and what is learned in the background: each has one push at a time. */
export type PushPath = "load" | "learn";

/** Has the engine push images to this process. Disposing closes the port. */
export interface EnginePush extends AsyncDisposable {
  /**
   * Resolves once the pushes before it on this path are over. What limits a push in time begins then: they may take any
   * time. Throws the signal's reason when that aborts first.
   */
  turn(path: PushPath, options: { readonly signal: AbortSignal }): Promise<PushTurn>;
  /** The engine has tried and does not get here: it will not another time. */
  readonly outOfReach: boolean;
}

/** The right to one push. It ends with the push, or when it is disposed. */
export interface PushTurn extends Disposable {
  /** Throws PushRefusedError, or why the image cannot be pushed now, or why the target or the deadline ended it. */
  push(image: LoadImage, target: PushTarget, limit: Deadline): Promise<void>;
}

/** The engine does not push, for reasons of its own: with another image it will be the same. */
export class PushRefusedError extends Error {
  override readonly name = "PushRefusedError";

  constructor(cause: unknown) {
    super(errorText(cause), { cause });
  }
}

/**
 * The engine gives the layers of an image away only with the whole image, except to a registry, which it asks for each
 * layer first. So it pushes to an endpoint of ours that says of what the nodes have that it is there. The image has another
 * name meanwhile; one that a killed devloop has left behind goes at the next push.
 */
export function enginePush(engine: ContainerEngine): EnginePush {
  let endpoint: Promise<PushEndpoint> | undefined;
  const turns = new Map<PushPath, Promise<void>>();
  let outOfReach = false;

  async function push(path: PushPath, image: LoadImage, target: PushTarget, limit: Deadline): Promise<void> {
    limit.signal.throwIfAborted();
    endpoint ??= openPushEndpoint();
    const opened = await endpoint;
    using reception = opened.receive(`devloop/${path}`, target, (error) => {
      limit.abort(error);
    });
    const name = `${reception.repository}:latest`;
    try {
      await engine.tagImage(image.imageId, name, { signal: limit.signal });
      await pushNamed(name, opened, limit);
    } catch (error) {
      limit.signal.throwIfAborted();
      throw error;
    } finally {
      using rest = startDeadline(untagTimeoutMs, new AbortController().signal);
      await engine.untagImage(name, { signal: rest.signal }).catch(() => undefined);
    }
  }

  async function pushNamed(name: string, opened: PushEndpoint, limit: Deadline): Promise<void> {
    try {
      await engine.pushImage(name, { signal: limit.signal, anonymous: true });
    } catch (error) {
      limit.signal.throwIfAborted();
      // One that is being restarted will push again.
      if (error instanceof DevloopError && error.code === "ENGINE_UNREACHABLE") throw error;
      outOfReach = !opened.wasReached;
      throw new PushRefusedError(error);
    }
  }

  return {
    async turn(path, { signal }) {
      const before = turns.get(path) ?? Promise.resolve();
      let end = (): void => undefined;
      const over = new Promise<void>((resolve) => {
        end = resolve;
      });
      turns.set(
        path,
        before.then(() => over),
      );
      try {
        await unlessAborted(before, signal);
      } catch (error) {
        end();
        throw error;
      }
      return {
        push: (...args) => push(path, ...args).finally(end),
        [Symbol.dispose]: end,
      };
    },
    get outOfReach() {
      return outOfReach;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(turns.values());
      (await endpoint?.catch(() => undefined))?.[Symbol.dispose]();
    },
  };
}

/** Whether a reference is the name that an image has while it is pushed here, and only for that long. */
export function isLoadingName(ref: string): boolean {
  return /^127\.0\.0\.1:\d+\/devloop\/(load|learn):/.test(ref);
}
