import { waitReady } from "../control/wait-ready.js";
import type { PublicState } from "../control/protocol.js";
import { DevloopError } from "../lib/errors.js";
import { duration } from "../lib/format.js";
import { terminalText } from "../lib/terminal-text.js";
import { findRunning } from "./find-running.js";
import type { ProjectOptions } from "./session/session.js";

export interface WaitOptions extends ProjectOptions {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** How long a workload may be failed before it counts, in ms: as for `devloop run`. */
const healMs = 20_000;

/** `devloop wait`: until everything is ready. Resolves with 1 when something failed for good; throws TIMEOUT. Both say why. */
export async function waitCommand(options: WaitOptions): Promise<number> {
  const { client } = await findRunning(options);
  const limit = AbortSignal.timeout(options.timeoutMs);
  const signal = AbortSignal.any([options.signal, limit]);
  try {
    const { outcome, state } = await waitReady(client, { healMs, signal });
    process.stdout.write(`${state.text}\n`);
    if (outcome === "ready") return 0;
    for (const line of problemLines(state)) process.stderr.write(`${line}\n`);
    return 1;
  } catch (error) {
    if (!limit.aborted || options.signal.aborted) throw error;
    const state = (await client.get("/v1/state", {}, { signal: options.signal })) as PublicState;
    throw new DevloopError("TIMEOUT", `not ready after ${duration(options.timeoutMs)}: ${state.text}`, {
      detail: problemLines(state).join("\n") || undefined,
      hint: "--timeout 5m waits longer",
    });
  }
}

/** What is not well, what to look at first on top. */
export function problemLines({ problems }: PublicState): string[] {
  return problems.flatMap(({ resource, message, hint, lines }) => [
    `${resource}: ${message}`,
    ...lines.map((line) => `  ${terminalText(line, { color: false })}`),
    ...(hint === undefined ? [] : [`→ ${hint}`]),
  ]);
}
