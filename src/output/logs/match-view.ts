import { compilePattern } from "../../engine/log-pattern.js";
import { logLevels, type KeptLine, type LogFilter } from "../../engine/log-source.js";
import { errorText } from "../../lib/errors.js";
import { lastPart } from "../../lib/short-name.js";
import { createPacer } from "../../lib/pacer.js";
import { createMatches } from "./matches.js";
import type { NumberedLine, ResourceLog } from "./resource-log.js";
import { createView, droppedOf, type OpenView, type ViewedLogs } from "./views.js";

/** Places of the session's lines that are looked through at once. */
const windowOrders = 2048;
/** Looking through old lines gives way to keys and frames after so long, in ms. */
const sliceMs = 4;

/** The lines that pass a filter: old ones are looked through piece by piece, new ones as they come. */
export function matchView(filter: LogFilter, logs: ViewedLogs): OpenView {
  const pass = filterOf(filter);
  const matches = createMatches();
  const openedAt = logs.order();
  /** Lines up to this place were looked at. */
  let seen = 0;
  let pumping = false;
  let closed = false;
  let problem: string | undefined;

  const resources = (): readonly ResourceLog[] =>
    filter.resources ? filter.resources.flatMap((id) => logs.resource(id) ?? []) : [...logs.resources()];

  return createView((notify) => {
    const pump = async (): Promise<void> => {
      if (pumping) return;
      pumping = true;
      const pace = createPacer(sliceMs);
      try {
        while (!closed && problem === undefined && seen < logs.order()) {
          const among = resources();
          // Nothing of theirs is kept up to there.
          const from = Math.max(
            seen + 1,
            Math.min(...among.map(({ firstOrder }) => firstOrder), logs.order()),
          );
          const to = Math.min(from + windowOrders, logs.order() + 1);
          const lines = await Promise.all(
            among.map(async (resource) =>
              (await resource.orders(from, to, filter.since)).map((each) => ({ ...each, resource })),
            ),
          );
          for (const { resource, number } of pass(lines.flat())) matches.add(resource, number);
          seen = to - 1;
          notify();
          await pace();
        }
      } catch (error) {
        problem = errorText(error);
        notify();
      } finally {
        pumping = false;
      }
    };
    void pump();
    return {
      first: () => matches.first,
      end: () => matches.end,
      reading: () => problem === undefined && seen < openedAt,
      problem: () => problem,
      dropped: () => droppedOf(resources()),
      read: (from, to) => matches.read(from, to),
      onWake: () => void pump(),
      onClose: () => {
        closed = true;
      },
    };
  });
}

type Found = NumberedLine & { readonly resource: ResourceLog };

/** The lines that pass, in order of arrival. */
function filterOf({
  pod,
  container,
  pattern,
  level,
  since,
}: LogFilter): (lines: readonly Found[]) => readonly Found[] {
  const matcher = pattern && compilePattern(pattern);
  const least = level === undefined ? -1 : logLevels.indexOf(level);
  const passes = (line: KeptLine): boolean =>
    (pod === undefined || lastPart(line.pod) === pod) &&
    (container === undefined || line.container === container) &&
    logLevels.indexOf(line.level ?? "info") >= least &&
    (since === undefined || line.time >= since);
  return (lines) => {
    const some = lines.filter(({ line }) => passes(line));
    const fits = matcher?.matches(some.map(({ line }) => line.text));
    return (fits ? some.filter((_, index) => fits[index]) : some).sort((a, b) => a.line.order - b.line.order);
  };
}
