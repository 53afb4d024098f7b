import { addAbortListener } from "node:events";
import type { LogLine } from "../../engine/state.js";
import type { LogQuery, PodAccess } from "../../engine/target.js";
import { terminalText } from "../../lib/terminal-text.js";
import { followContainer } from "./follow-container.js";
import type { ContainerRun, ContainerView, PodView } from "./pod-view.js";

export interface StreamLogsOptions {
  /** Lines of one container, in order. Its stream pauses until the promise resolves; it must not reject. */
  readonly onLines: (lines: readonly LogLine[]) => void | Promise<void>;
  /** Something kept a log from being read, in words. */
  readonly onProblem?: (message: string) => void;
  /** How far back to read containers that are older than the session; left out: their last 20 lines. */
  readonly older?: Pick<LogQuery, "tailLines" | "sinceSeconds">;
  readonly signal: AbortSignal;
}

export interface LogStreams extends AsyncDisposable {
  /** The pods to read from now on. Streams of pods that left end by themselves, or after some seconds. */
  setPods(pods: readonly PodView[]): void;
  /** The last lines (20 at most) of a container's run, or of the one before it. */
  lastLines(pod: PodView, container: string, previous: boolean): readonly string[];
}

/** Lines kept per run for root causes. */
const keptLines = 20;
/** How long the stream of a pod that is gone may take to deliver its rest, in ms. */
const goneMs = 5000;

/** Follows every container of the given pods, from the moment it has started. */
export function streamLogs(
  access: Pick<PodAccess, "openLog" | "clock">,
  options: StreamLogsOptions,
): LogStreams {
  interface Follower {
    view: ContainerView | undefined;
    readonly stop: AbortController;
    readonly waiting: Set<() => void>;
    leaving?: NodeJS.Timeout;
    done: Promise<void>;
  }
  const followers = new Map<string, Follower>();
  const tails = new Map<string, readonly string[]>();
  const sessionStart = access.clock({ signal: options.signal });
  const outer = addAbortListener(options.signal, stopAll);

  function stopAll(): void {
    for (const follower of followers.values()) {
      clearTimeout(follower.leaving);
      follower.stop.abort();
    }
  }

  function start(key: string, pod: PodView, first: ContainerView): void {
    const stop = new AbortController();
    const follower: Follower = { view: first, stop, waiting: new Set(), done: Promise.resolve() };
    const run = async (): Promise<void> => {
      await followContainer(access, {
        namespace: pod.namespace,
        pod: pod.name,
        container: first.name,
        view: () => follower.view,
        changed: (ms) => changed(follower, ms),
        onProblem: (message) => options.onProblem?.(message),
        isNew: async (entry) => entry.startedAt >= (await sessionStart),
        older: options.older ?? { tailLines: keptLines },
        onLines: async (stamped, entry, previous) => {
          const lines = stamped.map((line): LogLine => ({
            workload: pod.workload,
            pod: pod.name,
            container: first.name,
            time: line.time,
            text: terminalText(line.text),
            ...(previous ? { previous: true } : {}),
          }));
          remember(entry, lines);
          await options.onLines(lines);
        },
        signal: stop.signal,
      });
      clearTimeout(follower.leaving);
      if (followers.get(key) === follower) followers.delete(key);
    };
    followers.set(key, follower);
    follower.done = run();
  }

  function changed(follower: Follower, ms: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        follower.waiting.delete(wake);
        follower.stop.signal.removeEventListener("abort", wake);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      follower.waiting.add(wake);
      follower.stop.signal.addEventListener("abort", wake, { once: true });
      if (follower.stop.signal.aborted) wake();
    });
  }

  function remember(run: ContainerRun, lines: readonly LogLine[]): void {
    const tail = [...(tails.get(run.id) ?? []), ...lines.slice(-keptLines).map((line) => line.text)];
    tails.set(run.id, tail.slice(-keptLines));
  }

  function forgetTails(pods: readonly PodView[]): void {
    const runs = new Set(
      pods.flatMap((pod) => pod.containers.flatMap(({ run, previous }) => [run?.id, previous?.id])),
    );
    for (const id of [...tails.keys()]) if (!runs.has(id)) tails.delete(id);
  }

  return {
    setPods(pods) {
      const present = new Set<string>();
      for (const pod of pods) {
        for (const container of pod.containers) {
          const key = `${pod.uid}/${container.name}`;
          present.add(key);
          const follower = followers.get(key);
          if (!follower) {
            start(key, pod, container);
            continue;
          }
          follower.view = container;
          clearTimeout(follower.leaving);
          for (const wake of [...follower.waiting]) wake();
        }
      }
      for (const [key, follower] of followers) {
        if (present.has(key) || follower.view === undefined) continue;
        follower.view = undefined;
        follower.leaving = setTimeout(() => {
          follower.stop.abort();
        }, goneMs).unref();
        for (const wake of [...follower.waiting]) wake();
      }
      forgetTails(pods);
    },
    lastLines(pod, container, previous) {
      const view = pod.containers.find((entry) => entry.name === container);
      const run = previous ? (view?.previous ?? view?.run) : view?.run;
      return (run && tails.get(run.id)) ?? [];
    },
    async [Symbol.asyncDispose]() {
      const all = [...followers.values()];
      stopAll();
      outer[Symbol.dispose]();
      await Promise.all(all.map((follower) => follower.done));
    },
  };
}
