import { age, count } from "../../lib/format.js";
import { terminalText } from "../../lib/terminal-text.js";
import { line, span, type Line } from "../line.js";
import type { Row } from "../rows.js";
import { fit } from "../text.js";
import { failurePane } from "./build.js";
import { textBody, type Pane, type PaneContext } from "./pane.js";

/** A workload's pods and what the cluster tells of them; why it is not well comes first. */
export function podsPane(row: Row, { state, now, detail }: PaneContext): Pane {
  const health = state.workloads[row.subject]?.health;
  if (!health) return { head: [], body: textBody([line("applied, nothing seen of it yet", "dim")]) };
  const { cause } = health;
  const width = Math.min(52, Math.max(8, ...health.pods.map(({ name }) => name.length)));
  const pods = health.pods.map((pod): Line => {
    const word = pod.terminating
      ? "ending"
      : pod.ready
        ? "ready"
        : pod.phase === "Running"
          ? "not ready"
          : pod.phase;
    return [
      span(pod.ready ? "  ● " : "  ○ ", pod.ready ? "good" : undefined),
      span(fit(pod.name, width)),
      span(`  ${word.padEnd(10)}`, pod.ready ? "good" : undefined),
      span(`${age(now - pod.createdAt).padStart(5)}  ${count(pod.restarts, "restart")}`),
      span(`  ${pod.node ?? "no node yet"}${pod.current ? "" : "  of the revision before"}`, "dim"),
    ];
  });
  return {
    head: cause ? [line(cause.message, "error")] : [],
    body: textBody([
      ...(cause?.lines ?? []).map((text) => line(`  ${terminalText(text)}`)),
      line(health.message, "bold"),
      ...pods,
      [],
      ...described(detail),
    ]),
  };
}

/** The events and the object; the pods stand above. */
function described(detail: PaneContext["detail"]): readonly Line[] {
  switch (detail?.status) {
    case "described": {
      const lines = detail.text.split("\n");
      const events = lines.indexOf("events");
      return lines
        .slice(Math.max(0, events))
        .map((text) =>
          line(terminalText(text), text === "events" ? "bold" : / Warning /.test(text) ? "warn" : undefined),
        );
    }
    case "failed":
      return [line(`the cluster does not tell more: ${detail.message}`, "dim")];
    case "loading":
      return [line("asking the cluster for events", "dim")];
    case undefined:
    case "previous":
    case "manifest":
      return [];
  }
}

export function forwardPane(row: Row, { state }: PaneContext): Pane {
  const forward = state.forwards[row.subject];
  if (forward?.state.status === "failed") return failurePane(forward.state.failure);
  return {
    head: [],
    body: textBody(forward ? [line(count(forward.connections, "open connection"), "dim")] : []),
  };
}
