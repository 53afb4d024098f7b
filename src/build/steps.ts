import { StringDecoder } from "node:string_decoder";
import { terminalText } from "../lib/terminal-text.js";
import type { Trace, TraceVertex } from "./buildkit/progress.js";

/** One step of a build, or one of BuildKit's own. */
export interface BuildStep {
  readonly digest: string;
  /** `[build 2/4] RUN npm ci`. */
  readonly name: string;
  /** The instruction as BuildKit shows it: `RUN npm ci`; empty for BuildKit's own steps. */
  readonly instruction: string;
  /** Its stage's name and its place in it, where the name tells. */
  readonly place?: { readonly stage: string; readonly index: number };
  readonly cached: boolean;
  /** ms since the epoch. */
  readonly started?: number;
  readonly completed?: number;
  readonly error?: string;
  /** Bytes sent or fetched for it so far. The total is 0 where it is not known. */
  readonly transfer?: { readonly current: number; readonly total: number };
  /** What it printed, safe for a terminal: the last lines of it when it printed very many. */
  readonly lines: readonly string[];
}

/** Follows a build's trace. */
export interface BuildSteps {
  /** Takes a message in and gives the steps that it finished, each once. */
  apply(trace: Trace): readonly BuildStep[];
  /** Every step known so far, in the order of appearance. */
  all(): readonly BuildStep[];
}

const maxLines = 2000;

/** A build's steps, put together from its trace. */
export function trackSteps(): BuildSteps {
  const steps = new Map<string, Tracked>();
  return {
    apply({ vertexes, statuses, logs }) {
      const finished: Tracked[] = [];
      for (const vertex of vertexes) {
        const step = steps.get(vertex.digest) ?? newStep(vertex);
        steps.set(vertex.digest, step);
        const before = step.vertex.completed;
        step.vertex = { ...step.vertex, ...vertex };
        if (before === undefined && vertex.completed !== undefined) finished.push(step);
      }
      for (const { vertex, data } of logs) steps.get(vertex)?.print(data);
      for (const { id, vertex, current, total } of statuses) {
        steps.get(vertex)?.transfers.set(id, { current, total });
      }
      return finished.map(toStep);
    },
    all: () => [...steps.values()].map(toStep),
  };
}

interface Tracked {
  vertex: TraceVertex;
  /** By what is transferred. */
  readonly transfers: Map<string, { readonly current: number; readonly total: number }>;
  readonly print: (data: Buffer) => void;
  /** A line that is not at its end may be cut within a secret: it counts once the step is over. */
  readonly lines: (over: boolean) => readonly string[];
}

function newStep(vertex: TraceVertex): Tracked {
  const decoder = new StringDecoder("utf8");
  let lines: string[] = [];
  let rest = "";
  return {
    vertex,
    transfers: new Map(),
    print(data) {
      const parts = (rest + decoder.write(data)).split("\n");
      rest = parts.pop() ?? "";
      lines.push(...parts.map(printed));
      if (lines.length > 2 * maxLines) lines = lines.slice(-maxLines);
    },
    lines: (over) => [...lines.slice(-maxLines), ...(over && rest !== "" ? [printed(rest)] : [])],
  };
}

/** A carriage return goes back to the line's start: what was written last is what would be seen. */
function printed(line: string): string {
  const overwritten = line.replace(/\r+$/, "");
  return terminalText(overwritten.slice(overwritten.lastIndexOf("\r") + 1));
}

function toStep({ vertex, transfers, lines }: Tracked): BuildStep {
  const transfer = [...transfers.values()].reduce(
    (sum, { current, total }) => ({ current: sum.current + current, total: sum.total + total }),
    { current: 0, total: 0 },
  );
  const { digest, started, completed, error } = vertex;
  const name = terminalText(vertex.name.replaceAll(/\s+/g, " "), { color: false });
  const [, stage = "", index, instruction = ""] = /^\[(?:(.*) )?(\d+)\/\d+\] (.*)$/.exec(name) ?? [];
  return {
    digest,
    name,
    instruction,
    ...(index === undefined ? {} : { place: { stage: stage.split(" ").at(-1) ?? "", index: Number(index) } }),
    // BuildKit calls a base image that the engine has cached or not as it comes; nothing was done for it either way.
    cached: vertex.cached || (instruction.startsWith("FROM ") && transfer.total === 0 && error === undefined),
    ...(started === undefined ? {} : { started }),
    ...(completed === undefined ? {} : { completed }),
    ...(error === undefined ? {} : { error }),
    ...(transfer.current > 0 ? { transfer } : {}),
    lines: lines(completed !== undefined),
  };
}
