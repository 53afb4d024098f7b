import { startDeadline } from "../../lib/deadline.js";
import { type PodHost, prefixOf } from "./host.js";
import { label } from "./labels.js";

/** What tells of a workload without pods, which no other label would: a container that is made and never started. */
export interface WorkloadRecord {
  /** It is to be there, or not. */
  keep(wanted: boolean): void;
  /** Resolves once what was asked for is so; never rejects. */
  settled(): Promise<void>;
}

/** How long the engine may take for it, in ms. */
const limitMs = 10_000;
/** What stands there may be anything. */
const unknown = "?";

export function workloadRecord(
  { containers: engine, podImage, project }: PodHost,
  {
    name,
    labels,
    there,
    signal,
  }: {
    /** Below the project's own. */
    readonly name: string;
    readonly labels: () => Readonly<Record<string, string>>;
    /** There is one of an earlier session. */
    readonly there: boolean;
    readonly signal: AbortSignal;
  },
): WorkloadRecord {
  const full = `${prefixOf(project)}.${name}.record`;
  let written = there ? unknown : "";
  let work = Promise.resolve();
  async function write(text: string): Promise<void> {
    using limit = startDeadline(limitMs, signal);
    await engine.remove(full, limit);
    if (text === "") return;
    const Labels = { ...labels(), [label.role]: "record" };
    await engine.create(full, { Image: podImage, Entrypoint: ["/pod", "hold"], Labels }, limit);
  }
  return {
    keep(wanted) {
      const text = wanted ? JSON.stringify(labels()) : "";
      if (text === written) return;
      written = text;
      work = work.then(() =>
        write(text).catch(() => {
          // The next turn tries it again.
          written = unknown;
        }),
      );
    },
    settled: () => work,
  };
}
