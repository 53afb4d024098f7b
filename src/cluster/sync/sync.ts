import type { PullRule } from "../../engine/project.js";
import type { SyncedContainer, SyncOutput } from "../../engine/task.js";
import type { PodAccess } from "../../engine/target.js";
import { DevloopError, errorText } from "../../lib/errors.js";
import { agentBinary } from "./agent-binaries.js";
import type { ProcessState } from "./agent-types.js";
import { openChannel } from "./container-channel.js";
import { type ContainerSync, openContainerSync } from "./container-sync.js";
import type { SyncTree } from "./tree.js";
import type { RunningContainer } from "../../engine/container.js";

export interface SyncRequest {
  readonly image: string;
  /** As it is now: it may change while it is sent. */
  readonly tree: () => SyncTree;
  readonly containers: readonly RunningContainer[];
  /** The names of all files that may have come into the containers since their image was built, or with it. */
  readonly former: Iterable<string>;
  /** The image was built from these very files: building it again would not help. */
  readonly fresh: boolean;
}
export interface SyncContext {
  readonly signal: AbortSignal;
  readonly onOutput: (lines: readonly string[]) => void;
  readonly onNote: (message: string) => void;
}

export interface FollowedContainer {
  readonly container: RunningContainer;
  readonly pull: readonly PullRule[];
}

/** Brings containers up to date, over connections that stand as long as the containers do. */
export interface Syncer extends AsyncDisposable {
  /** The containers to be ready for, with what comes back from each; connections to others are closed. */
  setContainers(containers: readonly FollowedContainer[]): void;
  /**
   * Makes the containers hold the tree, and carries out what follows from what changed in them. Files that cannot be brought in
   * are a reason to build. Throws SYNC_FAILED for a command that fails, or when building would not help, and SYNC_INTERRUPTED
   * when a container that is still there could not be reached.
   */
  sync(request: SyncRequest, context: SyncContext): Promise<SyncOutput>;
  /** Starts the processes of these containers anew, in place; false, with nothing done, where one of them is not its agent's child. */
  restart(
    containers: readonly RunningContainer[],
    options: { readonly signal: AbortSignal },
  ): Promise<boolean>;
}

export interface SyncerOptions {
  /** `linux/amd64`. */
  readonly platform: string;
  readonly onReconnect: (container: string) => void;
  readonly onProcess: (container: string, state: ProcessState) => void;
  /** Something is not as the user may think, and nothing fails for it. */
  readonly onNote: (message: string) => void;
}

export function openSyncer(
  access: Pick<PodAccess, "openExec">,
  { platform, onReconnect, onProcess, onNote }: SyncerOptions,
): Syncer {
  const supported = agentBinary(platform) !== undefined;
  const open = new Map<string, ContainerSync>();
  const closing = new Set<Promise<void>>();

  function setContainers(containers: readonly FollowedContainer[]): void {
    if (!supported) return;
    const ids = new Set(containers.map(({ container }) => container.id));
    for (const [id, sync] of open) {
      if (ids.has(id)) continue;
      open.delete(id);
      const closed = Promise.resolve(sync[Symbol.asyncDispose]());
      closing.add(closed);
      void closed.finally(() => closing.delete(closed));
    }
    for (const { container, pull } of containers) start(container).setPull(pull, onNote);
  }

  function start(target: RunningContainer): ContainerSync {
    const { id } = target;
    const known = open.get(id);
    if (known) return known;
    const sync = openContainerSync((lost) =>
      openChannel(access, target, {
        onReconnect: () => {
          lost();
          onReconnect(id);
        },
        onProcess: (state) => {
          onProcess(id, state);
        },
      }),
    );
    open.set(id, sync);
    return sync;
  }

  return {
    setContainers,
    async sync(request, context) {
      const { image, containers, fresh } = request;
      if (!supported) {
        // Every change is built there: what has been built is what there is.
        const rebuild = `there is no sync for ${platform} yet`;
        return { kind: "sync", containers: [], ...(fresh ? {} : { rebuild }) };
      }
      const none =
        containers.length === 0 ? `no container of ${image} runs that could take the files` : undefined;
      const outcomes = await Promise.all(
        containers.map(async (container) => {
          try {
            const sync = open.get(container.id);
            // One that has left meanwhile is nobody's concern.
            if (!sync) return { container, gone: true, error: undefined };
            return { container, result: await sync.bring(request, container, context) };
          } catch (error) {
            context.signal.throwIfAborted();
            return { container, error, gone: !open.has(container.id) };
          }
        }),
      );
      const done: SyncedContainer[] = [];
      const refused: string[] = none === undefined ? [] : [none];
      let lost: DevloopError | undefined;
      for (const outcome of outcomes) {
        if ("error" in outcome) {
          if (outcome.gone) continue;
          if (outcome.error instanceof DevloopError) throw outcome.error;
          lost = interrupted(image, outcome.container, outcome.error);
        } else if (outcome.result.kind === "refused") {
          refused.push(outcome.result.why);
        } else done.push(outcome.result.container);
      }
      const [why] = refused;
      if (why !== undefined && fresh) throw hopeless(image, why);
      if (why !== undefined) return { kind: "sync", containers: done, rebuild: why };
      if (lost) throw lost;
      return { kind: "sync", containers: done };
    },
    async restart(containers, { signal }) {
      const found = containers.flatMap((container) => {
        const sync = open.get(container.id);
        return sync ? [{ container, sync }] : [];
      });
      if (found.length === 0 || found.length < containers.length) return false;
      const supervised = await Promise.all(found.map(({ sync }) => sync.isSupervised({ signal })));
      if (!supervised.every((each) => each)) return false;
      const context = { signal, onOutput: () => undefined, onNote };
      await Promise.all(found.map(({ container, sync }) => sync.restart(container, context)));
      return true;
    },
    async [Symbol.asyncDispose]() {
      setContainers([]);
      await Promise.all(closing);
    },
  };
}

function interrupted(image: string, { pod, container }: RunningContainer, cause: unknown): DevloopError {
  return new DevloopError(
    "SYNC_INTERRUPTED",
    `${image}: container ${container} of pod ${pod} is not reached: ${errorText(cause)}`,
    { cause, hint: "devloop goes on by itself once it is" },
  );
}

function hopeless(image: string, why: string): DevloopError {
  return new DevloopError("SYNC_FAILED", `${image} cannot be synced: ${why}`, {
    hint: "its image does not bring these files either; let its Dockerfile copy them, or change the rule's dest",
  });
}
