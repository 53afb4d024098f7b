import type { RunningLoop } from "../control/find-loop.js";
import type { PublicState } from "../control/protocol.js";
import { DevloopError } from "../lib/errors.js";
import { age } from "../lib/format.js";
import { pause } from "../lib/pause.js";
import { tableLines } from "../lib/table.js";
import { terminalText } from "../lib/terminal-text.js";
import { whoRuns } from "./find-running.js";
import { problemLines } from "./wait.js";

/** What a running loop does, as lines: the whole, one line for each resource, then what is not well. */
export function loopLines(loop: RunningLoop, state: PublicState): string[] {
  const now = Date.parse(state.time);
  const problems = problemLines(state);
  return [
    ...tableLines([
      ["loop", whoRuns(loop)],
      ["", state.text],
      ...(state.focus.length > 0 ? [["", `only ${state.focus.join(", ")} follow edits`]] : []),
      ...(state.syncOff.length > 0 ? [["", `sync is off: ${state.syncOff.join(", ")}`]] : []),
    ]),
    "",
    ...tableLines([
      ["RESOURCE", "STATE", "PODS", "AGE", ""],
      ...state.resources.map(({ kind, name, status, text, ready, desired, since, urls = [] }) => [
        `${kind === "workload" || kind === "forward" ? "" : `${kind} `}${name}`,
        status,
        ready === undefined ? "" : `${ready}/${desired ?? 0}`,
        since === undefined ? "" : age(now - Date.parse(since)),
        [terminalText(text, { color: false }), ...(kind === "workload" ? [] : urls)]
          .filter((part) => part !== "")
          .join("  "),
      ]),
    ]),
    ...(problems.length > 0 ? ["", ...problems] : []),
  ];
}

/** How often a status that is watched is asked for, in ms. */
const watchMs = 250;

/**
 * Writes the status of a running loop whenever it changes, until the signal aborts or the loop ends: in a terminal over the last one, as far as
 * it has room.
 */
export async function watchStatus(
  loop: RunningLoop,
  { json, signal }: { readonly json: boolean; readonly signal: AbortSignal },
): Promise<number> {
  const { stdout } = process;
  let before = "";
  let height = 0;
  for (;;) {
    const state = await stateOf(loop, signal);
    if (!state) {
      if (!json) stdout.write(`the loop of ${loop.identity.project} has ended\n`);
      return 0;
    }
    const { time: _time, seq: _seq, ...rest } = state;
    const lines = loopLines(loop, state);
    // Ages are what changes without an event: only a terminal, where the new stands over the old, follows them.
    const seen = json || !stdout.isTTY ? JSON.stringify(rest) : lines.join("\n");
    if (seen !== before) {
      before = seen;
      if (json) stdout.write(`${JSON.stringify(state)}\n`);
      else if (stdout.isTTY) {
        const shown = lines.slice(0, stdout.rows - 1).map((line) => line.slice(0, stdout.columns - 1));
        const up = Math.min(height, stdout.rows - 1);
        stdout.write(`${up > 0 ? `\u001b[${up}A` : ""}\r\u001b[J${shown.join("\n")}\n`);
        height = shown.length;
      } else stdout.write(`${lines.join("\n")}\n\n`);
    }
    await pause(watchMs, { signal });
  }
}

/** Undefined when the loop has ended. */
async function stateOf(loop: RunningLoop, signal: AbortSignal): Promise<PublicState | undefined> {
  try {
    return (await loop.client.get("/v1/state", {}, { signal })) as PublicState;
  } catch (error) {
    if (error instanceof DevloopError && error.code === "LOOP_NOT_RUNNING") return undefined;
    throw error;
  }
}
