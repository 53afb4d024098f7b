import { z } from "zod";

/**
 * What `--output json` prints, one object a line. This is public: within version 1, fields and types of events are
 * added, never changed or removed, so a reader passes over what it does not know. docs/events.md tells it in words.
 */
const head = { v: z.literal(1), time: z.iso.datetime().describe("when it happened, in UTC") };
const event = <T extends string, S extends z.ZodRawShape>(type: T, fields: S) =>
  z.strictObject({ ...head, type: z.literal(type), ...fields });

const text = z.string();
const count = z.int().nonnegative();
const time = z.iso.datetime();

const failure = z.strictObject({
  code: text.describe("a stable word: see docs/errors.md"),
  message: text,
  hint: text.optional().describe("what to do now"),
  detail: text.optional().describe("further lines, such as a tool's own output"),
});

const taskKind = z.enum(["build", "load", "render", "deploy", "sync", "prune"]);
/** Which attempt of which task. */
const attempt = { id: text.describe("`build:monitor-agent`"), attempt: count };

const project = z.strictObject({
  name: text,
  root: text.describe("absolute path of the directory that holds devloop.yaml"),
  cluster: z.strictObject({
    provider: z.enum(["auto", "kind", "k3d", "context", "docker"]),
    name: text.optional(),
    context: text.optional(),
    namespace: text.optional(),
  }),
  images: z.array(
    z.strictObject({
      name: text,
      context: text,
      dockerfile: text.describe("absolute path, or inline"),
      target: text.optional(),
      platform: text.optional(),
      args: z.array(text).describe("names only: values may be secret"),
    }),
  ),
  deploys: z.array(
    z.strictObject({
      id: text,
      kind: z.enum(["kustomize", "helm", "manifests"]),
      set: z.array(text).optional().describe("names of the Helm values set; their values may be secret"),
    }),
  ),
  forwards: z.array(
    z.strictObject({
      id: text,
      kind: z.enum(["service", "deployment", "statefulset", "pod"]),
      name: text,
      namespace: text.optional(),
      host: text,
      local: count,
      remote: z.union([count, text]),
    }),
  ),
  maxBuilds: count,
});

const output = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("build"),
    ref: text,
    imageId: text,
    remembered: z
      .boolean()
      .describe("it was built before from the same inputs, perhaps by an earlier session"),
    cachedSteps: count,
    steps: count,
    synced: text.optional().describe("the revision of the synced files that it was built from"),
  }),
  z.strictObject({
    kind: z.literal("load"),
    ref: text,
    nodes: z.array(text).describe("nodes that have it now"),
    present: z.array(text).describe("nodes that had it before"),
    bytes: count.describe("bytes sent"),
  }),
  z.strictObject({
    kind: z.literal("render"),
    hash: text,
    images: z.array(text),
    names: z.array(text),
    objects: count,
  }),
  z.strictObject({
    kind: z.literal("deploy"),
    created: count,
    changed: count,
    unchanged: count,
    pruned: z.array(text),
    replaced: z.array(text),
    waiting: z.array(text),
    later: z
      .array(z.strictObject({ title: text, name: text, until: text }))
      .describe("workloads held back until another is so far"),
    workloads: z.array(
      z.strictObject({
        id: text,
        kind: text,
        namespace: text,
        name: text,
        uid: text,
        generation: count,
        images: z.array(text),
      }),
    ),
  }),
  z.strictObject({
    kind: z.literal("sync"),
    containers: z
      .array(
        z.strictObject({
          id: text,
          pod: text,
          container: text,
          written: count.describe("files and links"),
          removed: count,
          bytes: count,
          restarted: z.boolean().describe("its process was started anew"),
          commands: count.describe("commands that were run"),
        }),
      )
      .describe("those that hold the truth now"),
    rebuild: text.optional().describe("why the image is built instead"),
  }),
  z.strictObject({ kind: z.literal("prune"), pruned: z.array(text) }),
]);

const step = z.strictObject({
  name: text,
  place: text.optional().describe("its stage, where there are several, and its place in it"),
  status: z.enum(["waiting", "running", "done", "cached", "failed"]),
  startedAt: time.optional(),
  took: count.optional().describe("ms"),
  transfer: z
    .strictObject({ current: count, total: count.optional() })
    .optional()
    .describe("bytes sent or fetched"),
  lines: z.array(text).describe("the last lines that it printed, while it runs"),
});

const health = z.strictObject({
  status: z.enum(["progressing", "ready", "failed", "gone"]),
  generation: count,
  ready: count,
  desired: count,
  restarts: count,
  message: text,
  cause: z
    .strictObject({
      reason: z.enum([
        "ImagePull",
        "CrashLoop",
        "Probe",
        "Unschedulable",
        "Config",
        "Exited",
        "OutOfMemory",
        "Deadline",
        "Quota",
        "Volume",
        "Other",
      ]),
      message: text,
      pod: text.optional(),
      container: text.optional(),
      lines: z.array(text).describe("the container's last lines"),
    })
    .optional(),
  pods: z.array(
    z.strictObject({
      name: text,
      phase: text,
      ready: z.boolean(),
      restarts: count,
      node: text.optional(),
      createdAt: time,
      current: z.boolean(),
      terminating: z.boolean(),
    }),
  ),
  createdAt: time,
});

const forwardState = z.discriminatedUnion("status", [
  z.strictObject({ status: z.literal("starting") }),
  z.strictObject({
    status: z.literal("listening"),
    host: text,
    port: count,
    moved: z.boolean().describe("the port asked for was taken"),
  }),
  z.strictObject({ status: z.literal("failed"), failure }),
]);

const service = z.enum(["engine", "cluster"]);

/** One line of `--output json`. */
export const outputEvent = z.discriminatedUnion("type", [
  event("session.started", { version: text, project }),
  event("config.loaded", { project, files: z.array(text) }),
  event("config.failed", { failure }),
  event("cluster.connected", {
    cluster: z.strictObject({
      provider: z.enum(["kind", "k3d", "context", "docker"]),
      context: text,
      name: text,
      namespace: text,
      uid: text,
      nodes: z.array(text),
      registry: text.optional(),
      platform: text,
    }),
  }),
  event("service.up", { service }),
  event("service.down", { service, failure }),
  event("sources.changed", {
    changes: z.array(
      z.strictObject({
        target: z.union([
          z.strictObject({ image: text }),
          z.strictObject({ sync: text.describe("an image's files that are synced") }),
          z.strictObject({ deploy: text }),
        ]),
        revision: text,
        changed: z.array(text),
        changedAt: time,
        bases: z.array(text).optional(),
      }),
    ),
  }),
  event("task.started", {
    ...attempt,
    kind: taskKind,
    subject: text.describe("the image or deploy"),
    keyHash: text.describe("equal inputs have equal hashes"),
  }),
  event("task.progress", {
    ...attempt,
    progress: z.strictObject({
      message: text,
      done: count.optional(),
      total: count.optional(),
      steps: z.array(step).optional().describe("a build's steps so far"),
    }),
  }),
  event("task.output", { ...attempt, lines: z.array(text) }),
  event("task.note", { ...attempt, message: text }),
  event("task.superseded", attempt),
  event("task.succeeded", { ...attempt, output }),
  event("task.failed", { ...attempt, failure }),
  event("task.cancelled", attempt),
  event("task.due", { id: text }),
  event("workload.changed", { id: text.describe("`Deployment/monitor-dev/monitor-agent`"), health }),
  event("forward.changed", { id: text, state: forwardState, serving: z.boolean(), connections: count }),
  event("containers.changed", {
    containers: z.array(
      z.strictObject({
        id: text.describe("the runtime's"),
        namespace: text,
        pod: text,
        podUid: text,
        container: text,
        image: text,
      }),
    ),
  }),
  event("container.reconnected", { container: text.describe("its id") }),
  event("sync.note", { message: text }),
  event("process.crashed", {
    container: text.describe("its id"),
    process: z.strictObject({ image: text, pod: text, container: text, exitCode: count }),
  }),
  event("process.running", { container: text.describe("its id") }),
  event("process.restarted", { container: text.describe("its id") }),
  event("trigger.requested", { image: text.optional(), deploy: text.optional() }),
  event("loop.paused", {}),
  event("loop.resumed", {}),
  event("sync.switched", { on: z.boolean(), image: text.optional().describe("left out: of all images") }),
  event("focus.changed", { images: z.array(text).describe("the only ones that follow edits; empty: all") }),
  event("restart.requested", { workload: text.describe("its id") }),
  event("request.failed", { failure }),
  event("loop.ended", {
    number: count,
    outcome: z.enum(["ready", "failed"]),
    durationMs: count.describe("from the first change to this moment"),
    changed: z.array(text),
  }),
  event("log.line", {
    workload: text,
    pod: text,
    container: text,
    text,
    previous: z.literal(true).optional().describe("from the container's last run before it crashed"),
  }),
  event("images.removed", {
    builds: count,
    bytes: count.describe("what that freed, over the engine and all nodes"),
    exact: z.boolean().describe("false: it may be less"),
  }),
  event("watch.problem", { failure }),
  event("session.stopping", { reason: text }),
]);
export type OutputEvent = z.infer<typeof outputEvent>;

/** The JSON Schema of one line: what schema/events.schema.json holds. */
export function eventsJsonSchema(): object {
  return {
    title: "devloop events, version 1",
    description: "One line of `devloop up --output json`. Pass over types and fields that you do not know.",
    ...z.toJSONSchema(outputEvent),
  };
}
