import type { LogLine } from "../engine/model.js";
import { throttle } from "../lib/throttle.js";

export interface LogLimits {
  /** Lines kept of each workload. */
  readonly lines?: number;
  /** Bytes of text (UTF-8) kept of each workload. */
  readonly bytes?: number;
}

/** At most this many characters of one line are kept: no screen shows more, and one line must not fill a buffer. */
const maxLineLength = 16_384;
/** Listeners are told at most this often, in ms: 20 times a second. */
const notifyMs = 50;

/**
 * The newest log lines of every workload, each in a ring of its own: a chatty one never evicts another's. Bounded, so
 * that memory stays flat over a day; full delivery is what the plain and JSON outputs are for.
 */
export class LogBuffer {
  readonly #rings = new Map<string, Ring>();
  readonly #listeners = new Set<() => void>();
  readonly #limits: Required<LogLimits>;
  readonly #notify = throttle(() => {
    for (const listener of [...this.#listeners]) listener();
  }, notifyMs);
  #version = 0;

  constructor({ lines = 5000, bytes = 2_000_000 }: LogLimits = {}) {
    this.#limits = { lines, bytes };
  }

  /** Raised by each line: equal versions, equal contents. */
  readonly getVersion = (): number => this.#version;

  /** The listener is told at most 20 times a second, and always after the last line. Returns its removal. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  append(lines: readonly LogLine[]): void {
    if (lines.length === 0) return;
    for (const line of lines) {
      this.#version += 1;
      let ring = this.#rings.get(line.workload);
      if (!ring) this.#rings.set(line.workload, (ring = new Ring(this.#limits)));
      ring.push({ line: cut(line), order: this.#version });
    }
    this.#notify();
  }

  /** The newest `count` lines of one workload, or of all in order of arrival; oldest first. */
  tail(workload: string | undefined, count: number): readonly LogLine[] {
    const rings = workload === undefined ? [...this.#rings.values()] : [this.#rings.get(workload)];
    return rings
      .flatMap((ring) => ring?.tail(count) ?? [])
      .sort((a, b) => a.order - b.order)
      .slice(count > 0 ? -count : Infinity)
      .map((entry) => entry.line);
  }

  /** How many lines of a workload are kept, and how many of its oldest were dropped to stay within the limits. */
  counts(workload: string): { readonly kept: number; readonly dropped: number } {
    const ring = this.#rings.get(workload);
    return { kept: ring?.length ?? 0, dropped: ring?.dropped ?? 0 };
  }
}

interface Entry {
  readonly line: LogLine;
  /** Place among all lines of all workloads. */
  readonly order: number;
}

/** The newest entries; the space of dropped ones is given back in large steps, so that a push costs the same always. */
class Ring {
  #entries: Entry[] = [];
  #start = 0;
  #bytes = 0;
  dropped = 0;

  constructor(private readonly limits: Required<LogLimits>) {}

  get length(): number {
    return this.#entries.length - this.#start;
  }

  push(entry: Entry): void {
    this.#entries.push(entry);
    this.#bytes += Buffer.byteLength(entry.line.text);
    while (this.length > this.limits.lines || (this.#bytes > this.limits.bytes && this.length > 1)) {
      this.#bytes -= Buffer.byteLength(this.#entries[this.#start]?.line.text ?? "");
      this.#start += 1;
      this.dropped += 1;
    }
    if (this.#start > 1000 && this.#start > this.#entries.length / 2) {
      this.#entries = this.#entries.slice(this.#start);
      this.#start = 0;
    }
  }

  tail(count: number): readonly Entry[] {
    return this.#entries.slice(Math.max(this.#start, this.#entries.length - count));
  }
}

function cut(line: LogLine): LogLine {
  const over = line.text.length - maxLineLength;
  return over <= 0
    ? line
    : { ...line, text: `${line.text.slice(0, maxLineLength)}… (${over} more characters)` };
}
