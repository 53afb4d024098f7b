import { isOverfull, surveyDisk } from "../../cluster/disk/survey.js";
import type { RunTask } from "../../engine/engine.js";
import type { State } from "../../engine/state.js";
import type { Store } from "../../engine/store.js";
import { pause } from "../../lib/pause.js";
import { imageNames, keptBuilds } from "../disk.js";
import type { TargetAdapter } from "./adapters.js";

/**
 * How long after a loop has ended well old builds are removed, in ms, each after the one before. Not at once: the next
 * edit may come, and the pods that were replaced use their builds while they end: half a minute as a rule, minutes where the
 * kubelet is busy. A look that finds no more than may stay costs one question to each place.
 */
const looksMs = [5_000, 40_000, 60_000, 120_000];

/** Keeps the engine and the nodes from filling up with old builds. Disposing waits for what is under way. */
export interface ImageKeeper extends AsyncDisposable {
  /** The same work, but nothing is removed while it goes on: a build that is found must not go a moment later. */
  guard(run: RunTask): RunTask;
  /** Removes old builds now, if anything was loaded since the last time. Never throws. */
  tidy(options: { readonly signal: AbortSignal }): Promise<void>;
}

/**
 * After each loop that loaded something and ended well, removes all but the newest builds of the project's images. In the
 * background, and no loop fails for it: what could not be done is tried again after a later one. What was removed is told as
 * `images.removed`.
 */
export function keepImages(
  store: Pick<Store, "getSnapshot" | "subscribe" | "dispatch">,
  {
    where,
    newest,
    waitsMs = looksMs,
  }: {
    readonly where: Pick<TargetAdapter, "disk" | "registry">;
    /** Builds that stay whatever is newer, with the reason: see newestBuilds. */
    readonly newest: (keep: number) => Promise<ReadonlyMap<string, string>>;
    readonly waitsMs?: readonly number[];
  },
): ImageKeeper {
  const { disk: places, registry } = where;
  let due = false;
  let working = 0;
  let looking: { readonly stop: AbortController; readonly ended: Promise<void> } | undefined;

  const unsubscribe = store.subscribe((event, state) => {
    if (event.type === "task.succeeded" && event.output.kind === "load") due = true;
    if (!due || looking || working > 0 || state.stopping) return;
    if (state.loops.at(-1)?.outcome === "ready") look();
  });

  function look(): void {
    due = false;
    const stop = new AbortController();
    const ended = lookAfterEachWait(stop.signal)
      .catch(() => {
        // Broken off by work, or somebody did not answer: it is tried again after a later loop.
        due = true;
      })
      .finally(() => (looking = undefined));
    looking = { stop, ended };
  }

  async function lookAfterEachWait(signal: AbortSignal): Promise<void> {
    for (const ms of waitsMs) {
      await pause(ms, { signal });
      await removeOld(store.getSnapshot(), signal);
    }
  }

  async function removeOld(state: State, signal: AbortSignal): Promise<void> {
    const { keepImages: keep, images } = state.project;
    if (keep === 0) return;
    const names = imageNames(images, registry);
    const current = new Map([...(await newest(keep)), ...refsOf(state)]);
    const request = { names, keep: keptBuilds(keep), current };
    if (!(await isOverfull(places, request, { signal }))) return;
    const survey = await surveyDisk(places, request, { signal });
    const { removed, freed } = await survey.remove({ signal });
    if (removed.length === 0) return;
    const builds = new Set(removed.map(({ repository, tag }) => `${repository}:${tag}`)).size;
    store.dispatch({ type: "images.removed", builds, ...freed });
  }

  async function stopLooking(): Promise<void> {
    looking?.stop.abort(new Error("there is work to do"));
    await looking?.ended;
  }

  return {
    guard: (run) => async (task, context) => {
      working += 1;
      try {
        // What is left of it is done after this loop.
        due ||= looking !== undefined;
        await stopLooking();
        return await run(task, context);
      } finally {
        working -= 1;
      }
    },
    async tidy({ signal }) {
      due ||= looking !== undefined;
      await stopLooking();
      if (!due || signal.aborted) return;
      due = false;
      await removeOld(store.getSnapshot(), signal).catch(() => undefined);
    },
    async [Symbol.asyncDispose]() {
      unsubscribe();
      await stopLooking();
    },
  };
}

/** What this session has built and loaded last, whatever was built beside it. */
function refsOf({ tasks }: State): ReadonlyMap<string, string> {
  const refs = Object.values(tasks).flatMap(({ success }) => {
    const output = success?.output;
    return output?.kind === "build" || output?.kind === "load" ? [output.ref] : [];
  });
  return new Map(refs.map((ref) => [ref, "this session"]));
}
