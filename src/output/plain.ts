import type { Writable } from "node:stream";
import type { Event } from "../engine/event.js";
import type { LogLine, State } from "../engine/state.js";
import type { Store } from "../engine/store.js";
import { terminalText } from "../lib/terminal-text.js";
import { describeEvent, describeLoopEnd, type Description } from "./describe.js";
import { labelWidth, taskLabel, workloadLabel } from "./labels.js";
import { createLineWriter } from "./line-writer.js";
import { labelColor, paint, toneColor } from "./paint.js";
import { createProgressLines } from "./progress-lines.js";

/** Where log lines come from: the listener gets them in batches, in order per container. */
export interface LogSource {
  readonly subscribeLines: (listener: (lines: readonly LogLine[]) => void) => () => void;
}

export interface PlainOutputOptions {
  readonly store: Pick<Store, "getSnapshot" | "subscribe">;
  readonly logs: LogSource;
  readonly stdout: Writable;
  /** Colour is an addition: every line says in words what its colour says. */
  readonly color: boolean;
  readonly showLogs: boolean;
  /** Hides secret values; see createRedactor. */
  readonly redact?: (text: string) => string;
}

/** An output under way; disposing ends it. */
export interface Output extends Disposable {
  /** Resolves once the stream takes more lines: who delivers logs awaits it after each batch. */
  readonly drain: (options?: { readonly signal?: AbortSignal }) => Promise<void>;
}

/** Appends lines for people to `stdout`: no cursor movement, so it suits pipes, files and build servers. */
export function plainOutput(options: PlainOutputOptions): Output {
  const { store, logs, stdout, color, showLogs, redact = (text: string) => text } = options;
  const writer = createLineWriter(stdout);
  const progress = createProgressLines();
  const containers = new Map<string, Set<string>>();
  let before = store.getSnapshot();
  let width = labelWidth(before);

  const line = (label: string, separator: string, text: string): string =>
    `${paint(label.padEnd(width), color ? labelColor(label) : undefined)}${separator}${text}\n`;

  function describe({ label, lines, tone }: Description): string {
    const [first = "", ...more] = lines.map((text) => redact(terminalText(text, { color })));
    const tint = color ? toneColor[tone] : undefined;
    const head = line(label, "  ", paint(first, tint));
    return head + more.map((text) => `${" ".repeat(width)}    ${text}\n`).join("");
  }

  function onEvent(event: Event, state: State): void {
    width = Math.max(width, labelWidth(state));
    const step = progress(event);
    const descriptions: (Description | undefined)[] = [
      step && { label: taskLabel(state, step.id), lines: [step.line], tone: "dim" },
      describeEvent(event, state, before),
      describeLoopEnd(state, before),
    ];
    before = state;
    const text = descriptions.map((description) => (description ? describe(description) : "")).join("");
    if (text !== "") writer.write(text);
  }

  function onLines(lines: readonly LogLine[]): void {
    const state = store.getSnapshot();
    let text = "";
    for (const log of lines) {
      const seen = containers.get(log.workload) ?? new Set();
      containers.set(log.workload, seen.add(log.container));
      const name = workloadLabel(state, log.workload);
      const label = seen.size > 1 ? `${name}/${log.container}` : name;
      const mark = log.previous ? " │ (before its restart) " : " │ ";
      text += line(label, mark, redact(terminalText(log.text, { color })));
    }
    if (text !== "") writer.write(text);
  }

  const removals = [store.subscribe(onEvent), ...(showLogs ? [logs.subscribeLines(onLines)] : [])];
  return {
    drain: writer.drain,
    [Symbol.dispose]() {
      for (const remove of removals) remove();
    },
  };
}
