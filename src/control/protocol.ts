import { z } from "zod";
import { logLevels } from "../engine/log-source.js";
import type { OutputEvent } from "../output/event-schema.js";

/** The header in which a loop tells its version with every answer, and a client with every question. */
export const versionHeader = "devloop-version";

const text = z.string();
const count = z.number().int();
const time = z.iso.datetime().describe("ISO 8601 in UTC");

/** Who serves a socket. */
export const loopIdentity = z.object({
  v: z.literal(1),
  version: text.describe("devloop's own"),
  pid: count,
  startedAt: time,
  project: text,
  root: text.describe("the directory of devloop.yaml"),
  file: text.describe("its path"),
  cleanup: z.boolean().optional().describe("at its end it removes what it deployed"),
});
export type LoopIdentity = z.infer<typeof loopIdentity>;

const resource = z.object({
  id: text.describe("`image:web`, `deploy:k8s/overlays/dev`, `Deployment/dev/web`, `service/web:80`"),
  kind: z.enum(["image", "deploy", "workload", "forward"]),
  name: text,
  health: z.enum(["good", "busy", "waiting", "bad"]),
  status: text.describe("one word: building, loading, built, waiting, failed, ready, …"),
  text: text.describe("what it does or waits for, or why it is not well; may be empty"),
  since: time.optional(),
  ready: count.optional().describe("pods"),
  desired: count.optional(),
  restarts: count.optional(),
  urls: z.array(text).optional(),
  tookMs: count.optional().describe("of an image: how long the last build ran"),
  loopMs: count.optional().describe("from the last change that touched it until it was done"),
});
export type PublicResource = z.infer<typeof resource>;

const problem = z.object({
  resource: text.describe("its id; `config`, `engine` or `cluster` for what is none"),
  message: text.describe("one line: which thing, what happened"),
  code: text.optional().describe("a failure's code (docs/errors.md)"),
  reason: text.optional().describe("a workload's (docs/events.md)"),
  pod: text.optional(),
  container: text.optional(),
  hint: text.optional(),
  lines: z.array(text).describe("further lines: a step's output, a container's last ones"),
});
export type Problem = z.infer<typeof problem>;

/** What a loop does at one moment. */
export const publicState = z.object({
  v: z.literal(1),
  time,
  seq: count.describe("the number of the last event in it"),
  loop: loopIdentity,
  cluster: z.object({ provider: text, context: text, namespace: text }).optional(),
  phase: z
    .enum(["starting", "working", "ready", "failed", "waiting", "paused", "stopping"])
    .describe("failed: nothing runs, and something is not well; waiting: for a service, or a retry"),
  text: text.describe("the same in words: building web: step 4 of 9"),
  paused: z.boolean(),
  focus: z.array(text).describe("the images that follow edits; empty: all"),
  syncOff: z.array(text).describe("images whose files are not synced now"),
  rounds: z
    .object({
      number: count,
      startedAt: time,
      endedAt: time.optional(),
      outcome: z.enum(["ready", "failed"]).optional(),
      changed: z.array(text),
    })
    .optional()
    .describe("the last loop, from a change to rest"),
  problems: z.array(problem).describe("what is not well, what others may follow from first"),
  resources: z.array(resource),
});
export type PublicState = z.infer<typeof publicState>;

/** The first line of /v1/events, and each line after events were left out. */
export const snapshotLine = z.object({
  v: z.literal(1),
  type: z.literal("snapshot"),
  seq: count,
  missed: count.describe("events that were left out before it, since the client was too slow"),
  state: publicState,
});
/** Every further one: an event of `--output json` with its number. */
export type EventLine = z.infer<typeof snapshotLine> | ({ readonly seq: number } & OutputEvent);

export const logLine = z.object({
  v: z.literal(1),
  type: z.literal("log.line"),
  time,
  order: count.describe("its place among all lines of the session"),
  resource: text.describe("the workload's or the task's id"),
  pod: text,
  container: text,
  level: z.enum(logLevels).optional(),
  text,
  previous: z.literal(true).optional().describe("from the container's last run before it crashed"),
});
export const missedLines = z.object({
  v: z.literal(1),
  type: z.literal("log.missed"),
  lines: count.describe("lines that are no longer kept and that the client did not get"),
});
export type LogAnswer = z.infer<typeof logLine> | z.infer<typeof missedLines>;

/** What a POST carries, by its path. */
export const requests = {
  trigger: z.strictObject({
    resource: text.optional().describe("an image, deploy or workload by name or id; left out: everything"),
  }),
  pause: z.strictObject({}),
  resume: z.strictObject({}),
  sync: z.strictObject({ on: z.boolean(), image: text.optional() }),
  focus: z.strictObject({ images: z.array(text) }),
  restart: z.strictObject({ workload: text }),
  stop: z.strictObject({}),
} as const;
export type RequestName = keyof typeof requests;

/** What an answer that is no success carries. */
export const errorAnswer = z.object({
  error: z.object({
    code: text.describe("a stable word: see docs/errors.md"),
    message: text,
    hint: text.optional(),
    detail: text.optional(),
  }),
});
