import type { Hold } from "./task.js";
import { parseTaskId } from "./task-lookup.js";
import { count } from "../lib/format.js";
import { lastPart } from "../lib/short-name.js";
import { unreachable } from "../lib/unreachable.js";

/** Why a task does not run, as a short phrase: "waits for build of monitor-test". */
export function describeHold(hold: Hold): string {
  switch (hold.reason) {
    case "paused":
      return "paused";
    case "starting":
      return `waits for ${hold.on}`;
    case "dependency": {
      const { kind, subject } = parseTaskId(hold.on);
      return `waits for ${kind} of ${lastPart(subject)}`;
    }
    case "failed-input": {
      const { kind, subject } = parseTaskId(hold.on);
      return `${kind} of ${lastPart(subject)} failed`;
    }
    case "slot":
      return `waits for a free slot (${count(hold.limit, "build")} at once)`;
    case "unfocused":
      return "not in focus";
    case "sync-off":
      return "sync is off";
    case "unreachable":
      return `waits for ${hold.service === "engine" ? "the container engine" : "the cluster"}`;
    default:
      return unreachable(hold);
  }
}
