import type { Writable } from "node:stream";
import type { Store } from "../engine/store.js";
import type { OutputEvent } from "./event-schema.js";
import { createLineWriter } from "./line-writer.js";
import type { LogSource, Output } from "./plain.js";
import { loopEnded, publicEvent, publicLogLine, sessionStarted } from "./public-event.js";

export interface JsonOutputOptions {
  readonly store: Pick<Store, "getSnapshot" | "subscribe">;
  readonly logs: LogSource;
  readonly stdout: Writable;
  /** devloop's own, for the first line. */
  readonly version: string;
  /** Hides secret values; see createRedactor. */
  readonly redact?: (text: string) => string;
}

/** Writes every event as a line of JSON; docs/events.md lists them. */
export function jsonOutput({ store, logs, stdout, version, redact }: JsonOutputOptions): Output {
  const writer = createLineWriter(stdout);
  const line = (event: OutputEvent): string => `${JSON.stringify(event, redact && redacting(redact))}\n`;
  let before = store.getSnapshot();
  writer.write(line(sessionStarted(before, version)));

  const removals = [
    store.subscribe((event, state) => {
      const ended = loopEnded(state, before);
      before = state;
      writer.write(line(publicEvent(event)) + (ended ? line(ended) : ""));
    }),
    logs.subscribeLines((lines) => {
      writer.write(lines.map((log) => line(publicLogLine(log))).join(""));
    }),
  ];
  return {
    drain: writer.drain,
    [Symbol.dispose]() {
      for (const remove of removals) remove();
    },
  };
}

/**
 * Fields by which a reader knows things: names that stand in devloop.yaml and the manifests, and words of this format.
 * A value of theirs that equals a password reveals nothing, and hiding it would break the reader.
 */
const identities = new Set([
  ...["type", "time", "id", "kind", "subject", "status", "code", "reason", "outcome", "provider", "version"],
  ...["name", "namespace", "context", "workload", "pod", "container", "node", "image", "deploy", "service"],
  ...["keyHash", "uid", "revision", "hash", "ref", "imageId", "createdAt", "changedAt", "platform", "phase"],
]);

/** What JSON.stringify is to replace: every text but those by which a reader knows things. */
export function redacting(redact: (text: string) => string) {
  return (key: string, value: unknown): unknown =>
    typeof value === "string" && !identities.has(key) ? redact(value) : value;
}
