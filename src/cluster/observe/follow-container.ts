import { setTimeout as delay } from "node:timers/promises";
import type { LogQuery, PodAccess } from "../../engine/target.js";
import { errorText } from "../../lib/errors.js";
import { advance, type LogCursor, sinceTime, skipDelivered } from "./log-cursor.js";
import { LineSplitter, parseStamped, type StampedLine } from "./log-lines.js";
import type { ContainerRun, ContainerView } from "./pod-view.js";

export interface FollowOptions {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  /** What the cluster says of the container now; undefined once its pod is gone. */
  readonly view: () => ContainerView | undefined;
  /** Resolves when the view has changed, after `ms` at the latest. */
  readonly changed: (ms: number) => Promise<void>;
  /** The lines of one chunk. The stream pauses until it resolves. */
  readonly onLines: (lines: readonly StampedLine[], run: ContainerRun, previous: boolean) => Promise<void>;
  readonly onProblem: (message: string) => void;
  /** Whether a run began after the session: then its log is read from the beginning. */
  readonly isNew: (run: ContainerRun) => Promise<boolean>;
  /** How far back runs are read that are older than the session. */
  readonly older: Pick<LogQuery, "tailLines" | "sinceSeconds">;
  readonly signal: AbortSignal;
}

/** Lines of a missed run's end that are fetched. */
const previousLines = 50;
/** How long after a stream's end the pod's status may take to say that the container ended, in ms. */
const statusLagMs = 1500;
/** A run that is over has sent all there is when its stream is silent for this long, in ms. */
const endedSilenceMs = 3000;
/** A silent stream is opened anew after this long: its other end may be gone unnoticed, in ms. */
const silenceMs = 5 * 60_000;

/**
 * Reads all logs of one container, run after run, until its pod is gone or the signal aborts. Every line is delivered
 * once and in order, whatever happens to connections. Never throws.
 *
 *   run A: follow ─ lost ─► follow from the cursor ─ end ─► what is left ─► run B: follow …
 */
export async function followContainer(
  access: Pick<PodAccess, "openLog">,
  options: FollowOptions,
): Promise<void> {
  const { view, changed, signal, isNew, onProblem } = options;
  /** The run being read, and where the reading has come to, over all runs. */
  let reading: ContainerRun | undefined;
  let cursor: LogCursor | undefined;
  /** The runs that are read completely, and one of which nothing was found when it was. */
  const finished = new Set<string>();
  let empty: string | undefined;
  /**
   * Logs are asked for by the container's name, and its status lags behind: a stream that is opened again may already be
   * the next run's.
   */
  let uncertain = false;
  let failures = 0;

  const read = async (
    run: ContainerRun,
    query: RunQuery,
    from: { readonly cursor?: LogCursor | undefined; readonly after?: string | undefined },
  ): Promise<boolean> => {
    const before = cursor;
    await readRun(access, options, run, { ...query, ...from, uncertain }, (line) => {
      cursor = advance(cursor, line);
    });
    return cursor !== before;
  };

  const stopped = (): boolean => signal.aborted;
  while (!stopped()) {
    const now = view();
    if (!now) return;
    try {
      const { run, previous } = now;
      if (previous && previous.id !== run?.id && (!finished.has(previous.id) || previous.id === empty)) {
        const begun = reading?.id === previous.id && previous.id !== empty;
        if (begun && cursor) await read(previous, { previous: true }, { cursor });
        else if (begun || (await isNew(previous)))
          await read(previous, { previous: true, tailLines: previousLines }, { after: cursor?.stamp });
        finished.add(previous.id);
        empty = undefined;
        failures = 0;
      }
      if (!run || finished.has(run.id)) {
        await changed(60_000);
        continue;
      }
      const follow = { follow: !run.ended };
      let some: boolean;
      if (reading?.id === run.id) some = await read(run, follow, { cursor });
      else {
        const first = (await isNew(run)) ? {} : options.older;
        reading = run;
        uncertain = false;
        some = await read(run, { ...first, ...follow }, { after: cursor?.stamp });
        empty = some ? undefined : run.id;
      }
      if (some && empty === run.id) empty = undefined;
      failures = 0;
      // The stream of a running container has ended: it has stopped, which its status says soon, or the connection
      // was closed in order, and the reading goes on.
      if (!run.ended && view()?.run?.id === run.id && view()?.run?.ended === false)
        await changed(statusLagMs);
      const after = view()?.run;
      if (run.ended || (after?.id === run.id && after.ended && !uncertain)) finished.add(run.id);
      else if (after?.id === run.id) uncertain = true;
    } catch (error) {
      if (stopped()) return;
      failures += 1;
      uncertain = true;
      // Not started yet, or gone between two looks: the status will say.
      const waiting = error === noLog;
      if (!waiting && failures === 5) onProblem(`logs of ${options.pod} cannot be read: ${errorText(error)}`);
      // A run's log that the node has removed is not coming back.
      if (waiting && failures >= 3 && now.previous) {
        finished.add(now.previous.id);
        empty = undefined;
      }
      await delay(Math.min(5000, 100 * 2 ** failures), undefined, { signal }).catch(() => undefined);
    }
  }
}

type RunQuery = Partial<Pick<LogQuery, "previous" | "follow" | "tailLines" | "sinceSeconds">>;
interface ReadQuery extends RunQuery {
  /** Goes on from here. */
  readonly cursor?: LogCursor | undefined;
  /** Lines up to this stamp are left out. */
  readonly after?: string | undefined;
  /** The stream may be the next run's: it is ended once this run is known to be over. */
  readonly uncertain: boolean;
}

/** Reads one stream to its end. `delivered` is told of each line that is passed on. */
async function readRun(
  access: Pick<PodAccess, "openLog">,
  options: FollowOptions,
  run: ContainerRun,
  { cursor, after, uncertain, previous = false, follow: following = false, ...query }: ReadQuery,
  delivered: (line: StampedLine) => void,
): Promise<void> {
  const { namespace, pod, container, signal, onLines, onProblem } = options;
  const target = { namespace, pod, container, run: run.id };
  const stream = await access.openLog(target, {
    ...query,
    previous,
    follow: following,
    ...(cursor ? { sinceTime: sinceTime(cursor) } : {}),
    signal,
  });
  if (!stream) throw noLog;
  const isNewLine = cursor
    ? skipDelivered(cursor)
    : (line: StampedLine) => after === undefined || line.stamp > after;
  // What is stamped later than the end of a run is the next one's.
  const lastSecond = previous || following ? undefined : run.endedAt;
  const isOwn = (line: StampedLine): boolean => lastSecond === undefined || line.second * 1000 <= lastSecond;
  const splitter = new LineSplitter();

  const deliver = async (texts: readonly string[]): Promise<void> => {
    const lines: StampedLine[] = [];
    for (const text of texts) {
      const line = parseStamped(text);
      if (!line) {
        if (text !== "") onProblem(`logs of ${pod}: ${text.slice(0, 300)}`);
      } else if (isNewLine(line) && isOwn(line)) lines.push(line);
    }
    // Before the lines are handed on: a failure there must not bring them twice.
    for (const line of lines) delivered(line);
    if (lines.length > 0) await onLines(lines, run, previous);
  };

  let silentSince = performance.now();
  let busy = false;
  const watchdog = setInterval(() => {
    const ms = performance.now() - silentSince;
    const now = options.view();
    const over = now?.run?.id !== run.id || now.run.ended;
    const allowed = over ? (uncertain ? 0 : endedSilenceMs) : silenceMs;
    // Ending it in order: the reading goes on from the cursor, or is complete.
    if (!busy && ms > allowed) stream.destroy(endOfStream);
  }, 500);
  try {
    for await (const chunk of stream) {
      busy = true;
      await deliver(splitter.push(chunk as Buffer));
      busy = false;
      silentSince = performance.now();
    }
    // A line without an end: of a followed log it may be half of one, and is read again.
    const rest = following ? undefined : splitter.end();
    if (rest !== undefined) await deliver([rest]);
  } catch (error) {
    if (error !== endOfStream) throw error;
  } finally {
    clearInterval(watchdog);
    stream.destroy();
  }
}

const noLog = new Error("there is no log to be read yet");
const endOfStream = new Error("the stream has nothing more to say");
