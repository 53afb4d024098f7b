import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { relative, sep } from "node:path";
import type Dockerode from "dockerode";
import {
  type ContainerEngine,
  EngineStatusError,
  engineUnreachable,
  type FindCredential,
} from "../engine/container-engine.js";
import type { ImageSpec, TaskProgress } from "../engine/model.js";
import { DevloopError, errorText } from "../lib/errors.js";
import { bytes } from "../lib/format.js";
import { compileIgnore, type IgnoreMatcher, readDockerignore } from "../lib/ignore-file.js";
import { jsonLines } from "../lib/json-lines.js";
import { throttle } from "../lib/throttle.js";
import { buildFailure } from "./build-failure.js";
import { stepLines } from "./build-lines.js";
import { cancelOnAbort } from "./cancel.js";
import { contextArchive } from "./context.js";
import { rewriteBases } from "./dockerfile.js";
import { postStream } from "./engine-dial.js";
import { decodeTrace } from "./progress.js";
import { openSession } from "./session.js";
import { type BuildSteps, trackSteps } from "./steps.js";

export interface BuildRequest {
  readonly image: ImageSpec;
  /** The project's images that its Dockerfile builds on: name to the exact reference to use. */
  readonly bases: Readonly<Record<string, string>>;
  /** `os/arch[/variant]`, when the image's own is left out. */
  readonly platform?: string;
}
export interface BuildEvents {
  /** How far it is; at most ten times a second. */
  readonly onProgress: (progress: TaskProgress) => void;
  /** A step has finished: a line on it and what it printed, safe for a terminal. */
  readonly onOutput: (lines: readonly string[]) => void;
  readonly onNote: (message: string) => void;
}
export interface BuildOptions extends BuildEvents {
  readonly signal: AbortSignal;
  /** For private base images. */
  readonly credentials?: FindCredential;
}
export interface BuiltImage {
  /** `sha256:…`: the image's, or with the containerd image store its manifest's. */
  readonly imageId: string;
  /** `monitor-agent:devloop-<first 16 hex digits of the id>`. */
  readonly ref: string;
  readonly steps: number;
  readonly cachedSteps: number;
}

/**
 * Builds an image with the engine's BuildKit and tags it by its content. An abort closes the connection, on which the
 * engine stops the build; the promise then rejects with the signal's reason. Images come without attestations: this way
 * of building makes none.
 * Throws BUILD_FAILED, BASE_IMAGE_MISSING, DOCKERFILE_INVALID, CONTEXT_UNREADABLE and ENGINE_UNREACHABLE.
 */
export async function buildImage(
  docker: Dockerode,
  engine: ContainerEngine,
  request: BuildRequest,
  options: BuildOptions,
): Promise<BuiltImage> {
  const { image } = request;
  const { signal } = options;
  const dockerfile = await readDockerfile(image, signal);
  const ignore = await readIgnore(image);
  const steps = trackSteps();
  const outcome = await solve(docker, engine, { ...request, dockerfile, ignore, steps }, options);
  if ("error" in outcome) {
    const { error } = outcome;
    throw await buildFailure(error, { image, dockerfile, ignore, steps: steps.all() });
  }
  const ref = `${image.name}:devloop-${outcome.imageId.replace(/^sha256:/, "").slice(0, 16)}`;
  await engine.tagImage(outcome.imageId, ref, { signal });
  const own = steps.all().filter(({ place }) => place !== undefined);
  return {
    imageId: outcome.imageId,
    ref,
    steps: own.length,
    cachedSteps: own.filter(({ cached }) => cached).length,
  };
}

interface Solve extends BuildRequest {
  readonly dockerfile: string;
  readonly ignore: IgnoreMatcher;
  readonly steps: BuildSteps;
}

async function solve(
  docker: Dockerode,
  engine: ContainerEngine,
  request: Solve,
  options: BuildOptions,
): Promise<{ readonly imageId: string } | { readonly error: string }> {
  const { image, dockerfile, bases, ignore } = request;
  const { signal, onNote, credentials } = options;
  const { address } = engine;
  using session = await openSession(docker, { address, credentials, onNote, signal });
  const buildId = randomUUID();
  let stepStartedAt = 0;
  using cancellation = cancelOnAbort(docker, {
    address,
    buildId,
    stepStartedAt: () => stepStartedAt,
    signal,
  });
  const sent = { path: dockerfilePath(image, ignore), text: rewriteBases(dockerfile, image.args, bases) };
  const archive = contextArchive({
    context: image.context,
    filter: ignore,
    dockerfile: sent,
    onNote,
    signal: cancellation.transport,
  });
  let archiveError: Error | undefined;
  archive.once("error", (error) => (archiveError = error));
  try {
    const answer = await postStream(docker, address, "/build", {
      signal: cancellation.transport,
      file: archive,
      query: { ...buildQuery(request, onNote), dockerfile: sent.path, session: session.id, buildid: buildId },
    });
    const onStepStart = (): void => {
      stepStartedAt = Date.now();
    };
    const outcome = await readAnswer(answer, request.steps, { ...options, onStepStart });
    // A cancelled build ends with an error of the engine's.
    signal.throwIfAborted();
    return outcome;
  } catch (error) {
    signal.throwIfAborted();
    // A context that cannot be read breaks the connection off: the cause tells more than its effect.
    if (archiveError instanceof DevloopError) throw archiveError;
    if (error instanceof EngineStatusError) return { error: error.message };
    throw engineUnreachable(address, error) ?? error;
  } finally {
    archive.destroy();
  }
}

/** Answers in the order they come: traces, an error, or the image's id. */
async function readAnswer(
  answer: AsyncIterable<Buffer>,
  steps: BuildSteps,
  { onProgress, onOutput, onNote, onStepStart }: BuildOptions & { readonly onStepStart: () => void },
): Promise<{ readonly imageId: string } | { readonly error: string }> {
  using report = throttle(() => {
    onProgress(describe(steps));
  }, 100);
  let imageId: string | undefined;
  let error: string | undefined;
  let begun = 0;
  for await (const line of jsonLines(answer)) {
    const message = line as {
      id?: string;
      aux?: unknown;
      error?: string;
      errorDetail?: { message?: string };
    };
    if (message.error !== undefined) error = message.errorDetail?.message ?? message.error;
    else if (message.id === "moby.image.id") imageId = (message.aux as { ID: string }).ID;
    else if (message.id === "moby.buildkit.trace" && typeof message.aux === "string") {
      const trace = decodeTrace(message.aux);
      const finished = steps.apply(trace);
      const started = steps.all().filter((step) => step.started !== undefined).length;
      if (started > begun) onStepStart();
      begun = started;
      const lines = stepLines(finished, steps.all());
      if (lines.length > 0) onOutput(lines);
      for (const { name, error: failed } of finished) {
        if (failed !== undefined && name.startsWith("importing cache manifest"))
          onNote(cacheNote(name, failed));
      }
      report();
    }
  }
  if (error !== undefined) return { error };
  if (imageId !== undefined) return { imageId };
  throw new DevloopError("BUILD_FAILED", "the container engine built without BuildKit: it gave no image id", {
    hint: "devloop needs BuildKit: Docker 20.10 or newer",
  });
}

function cacheNote(name: string, failed: string): string {
  const ref = name.replace("importing cache manifest from ", "");
  return `cacheFrom: ${ref} gives no cache (${failed}); an image does when it was built with the argument BUILDKIT_INLINE_CACHE=1`;
}

function describe(steps: BuildSteps): TaskProgress {
  const all = steps.all();
  const own = all.filter(({ place }) => place !== undefined);
  const done = own.filter(({ completed }) => completed !== undefined).length;
  const running = all.findLast(({ started, completed }) => started !== undefined && completed === undefined);
  const transfer = steps.transfer();
  const sent = transfer ? ` (${bytes(transfer.current)} of ${bytes(transfer.total)})` : "";
  const what = running ? running.instruction || running.name.replace(/^\[internal\] /, "") : "working";
  if (own.length === 0) return { message: `${what}${sent}` };
  const message = running?.place ? `step ${done + 1} of ${own.length}: ${what}${sent}` : `${what}${sent}`;
  return { message, done, total: own.length };
}

function buildQuery({ image, bases, platform }: BuildRequest, onNote: (message: string) => void): object {
  const own = Object.keys(bases);
  // Pulling is for all base images or none, and no registry has the project's own.
  if (image.pull && own.length > 0)
    onNote(`pull is left out: ${image.name} builds on ${own.join(", ")} of this project`);
  const chosen = image.platform ?? platform;
  return {
    version: "2",
    buildargs: JSON.stringify(image.args),
    labels: JSON.stringify(image.labels),
    ...(image.target === undefined ? {} : { target: image.target }),
    ...(image.network === undefined ? {} : { networkmode: image.network }),
    ...(image.extraHosts.length === 0 ? {} : { extrahosts: image.extraHosts }),
    ...(chosen === undefined ? {} : { platform: chosen }),
    ...(image.cacheFrom.length === 0 ? {} : { cachefrom: JSON.stringify(image.cacheFrom) }),
    ...(image.noCache ? { nocache: "1" } : {}),
    ...(image.pull && own.length === 0 ? { pull: "1" } : {}),
  };
}

/** Its own place in the context when it travels anyway, so that `COPY . .` brings nothing that is not in the tree. */
function dockerfilePath({ context, dockerfile }: ImageSpec, ignore: IgnoreMatcher): string {
  const path = relative(context, dockerfile).split(sep).join("/");
  return path.startsWith("../") || path === ".." || ignore.matches(path) ? ".devloop.Dockerfile" : path;
}

async function readDockerfile({ name, dockerfile }: ImageSpec, signal: AbortSignal): Promise<string> {
  try {
    return await readFile(dockerfile, { encoding: "utf8", signal });
  } catch (error) {
    signal.throwIfAborted();
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    throw new DevloopError(
      "DOCKERFILE_INVALID",
      `${name}: ${missing ? `there is no Dockerfile at ${dockerfile}` : `${dockerfile} cannot be read: ${errorText(error)}`}`,
      { cause: error, hint: "the image's `dockerfile` in devloop.yaml is relative to its context" },
    );
  }
}

async function readIgnore({ context, dockerfile, ignore }: ImageSpec): Promise<IgnoreMatcher> {
  const { patterns } = await readDockerignore(context, dockerfile);
  return compileIgnore([...patterns, ...ignore]);
}
