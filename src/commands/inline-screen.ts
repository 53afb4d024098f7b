import type { LogSource as KeptLogs } from "../engine/log-source.js";
import type { LogLine } from "../engine/state.js";
import { wantsColor } from "../output/paint.js";
import { plainOutput, type Output } from "../output/plain.js";
import { openFooter, type FooterOptions } from "../ui/footer.js";
import type { Ui } from "../ui/start-ui.js";
import type { Store } from "../engine/store.js";

/** Lines that are read and written at once. */
const batch = 500;

/** The screen that scrolls: plain lines in the terminal's own buffer, and below them how the loop stands. */
export function openInline(
  options: Omit<FooterOptions, "store"> & {
    readonly store: Pick<Store, "getSnapshot" | "subscribe">;
    readonly logs: KeptLogs;
  },
): Ui {
  const footer = openFooter(options);
  const color = wantsColor(options.stdout, process.env);
  const feed = linesOf(options.logs);
  const output = plainOutput({
    ...{ store: options.store, logs: feed, stdout: footer.above, color },
    showLogs: true,
  });
  feed.start(output);
  return {
    ...footer,
    unmount: () => {
      feed.stop();
      output[Symbol.dispose]();
      footer.unmount();
    },
  };
}

/** The lines that come from now on, at the pace of whoever prints them: they are read from where they are kept. */
function linesOf(logs: KeptLogs) {
  const listeners = new Set<(lines: readonly LogLine[]) => void>();
  const closed = new AbortController();
  const { signal } = closed;

  async function follow(output: Output): Promise<void> {
    await using view = logs.view({});
    let wake: () => void = () => undefined;
    const remove = view.subscribe(() => {
      wake();
    });
    signal.addEventListener("abort", () => {
      wake();
    });
    let next: number | undefined;
    try {
      while (!signal.aborted) {
        // Until the view has been read its end is not where the newest line stands.
        if (!view.reading) next ??= view.end;
        if (next !== undefined && next < view.end) {
          const from = Math.max(next, view.first);
          const to = Math.min(view.end, from + batch);
          const lines = await view.lines(from, to, { signal });
          for (const listener of listeners) listener(lines);
          next = to;
          await output.drain({ signal });
        } else
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
      }
    } finally {
      remove();
    }
  }

  return {
    subscribeLines: (listener: (lines: readonly LogLine[]) => void) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    start: (output: Output) => {
      // It ends with the screen, or with the loop whose lines they are.
      follow(output).catch(() => undefined);
    },
    stop: () => {
      closed.abort();
    },
  };
}
