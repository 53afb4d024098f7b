import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { hostname } from "node:os";
import type Dockerode from "dockerode";
import { type ContainerEngine, EngineStatusError, type FindCredential } from "../engine/container-engine.js";
import type { DockerfileSource, ImageSpec } from "../engine/project.js";
import type { TaskProgress } from "../engine/task.js";
import { architecture } from "../lib/architecture.js";
import { DevloopError } from "../lib/errors.js";
import { compileIgnore, type IgnoreMatcher, readDockerignore } from "../lib/ignore-file.js";
import { terminalText } from "../lib/terminal-text.js";
import { throttle } from "../lib/throttle.js";
import { buildFailure } from "./build-failure.js";
import { stepLines } from "./build-lines.js";
import { buildProgress } from "./build-progress.js";
import { credentialServices } from "./buildkit/credentials.js";
import { ContextChanged, type FileSource, fileServices } from "./buildkit/file-sync.js";
import { GrpcError } from "./buildkit/grpc.js";
import { hostGateway } from "./buildkit/host-gateway.js";
import type { Trace } from "./buildkit/progress.js";
import { secretServices } from "./buildkit/secrets.js";
import { openSession } from "./buildkit/session.js";
import { solve } from "./buildkit/solve.js";
import { sshServices } from "./buildkit/ssh-agent.js";
import { rewriteBases } from "./dockerfile.js";
import {
  asksForGateway,
  type Attestation,
  dockerfileName,
  frontendAttributes,
  localName,
} from "./frontend-attributes.js";
import { readDockerfile } from "./read-dockerfile.js";
import { sshSockets } from "./ssh-sockets.js";
import { type BuildSteps, trackSteps } from "./steps.js";
import { missingContext, unreadable } from "./walk-context.js";

export interface BuildRequest {
  readonly image: ImageSpec;
  /** The project's images that its Dockerfile builds on: name to the exact reference to use. */
  readonly bases: Readonly<Record<string, string>>;
  /** `os/arch[/variant]`, when the image's own is left out. */
  readonly platform?: string;
  /** The values of its secrets, by id. */
  readonly secrets?: ReadonlyMap<string, Uint8Array>;
  /** What the image is to carry; an engine with the classic image store has no place for it. */
  readonly attest?: readonly Attestation[];
  /** The socket of the SSH agent that is meant where an id names none. */
  readonly agent?: string | undefined;
}
export interface BuildEvents {
  /** How far it is; at most five times a second. */
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
 * Builds an image with the engine's BuildKit and tags it by its content. An abort cancels the build in the engine; the
 * promise then rejects with the signal's reason. Images come without attestations unless they are asked for.
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
  const dockerfile = await readDockerfile(image, { signal });
  await checkContext(image);
  const ignore = await readIgnore(image.context, image.dockerfile, image.ignore);
  await tellEmulation(engine, request, options);
  await checkAttestations(engine, request, options);
  await checkContexts(engine, request, options);
  const outcome = await run(docker, engine, { ...request, dockerfile, ignore }, options);
  if ("error" in outcome) {
    const { error } = outcome;
    throw await buildFailure(error, { image, dockerfile, ignore, steps: outcome.steps.all() });
  }
  const ref = `${image.name}:devloop-${outcome.imageId.replace(/^sha256:/, "").slice(0, 16)}`;
  await engine.tagImage(outcome.imageId, ref, { signal });
  const own = outcome.steps.all().filter(({ place }) => place !== undefined);
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
}

/** The image's id, or BuildKit's words on what failed; and what was done for it. */
type Outcome = ({ readonly imageId: string } | { readonly error: string }) & { readonly steps: BuildSteps };

/** How often a context is sent that changes while it is being sent. */
const mostTries = 3;

/**
 * Builds, anew when the context changed while it was being sent, and once more when the engine's cache lost a layer under
 * the build: its collection takes what it thinks nobody needs any more, and the next build makes it again.
 */
async function run(
  docker: Dockerode,
  engine: ContainerEngine,
  request: Solve,
  options: BuildOptions,
): Promise<Outcome> {
  for (let tries = 1; ; tries += 1) {
    try {
      const outcome = await runOnce(docker, engine, request, options);
      if (tries > 1 || !("error" in outcome) || !isLostLayer(outcome.error)) return outcome;
      options.onNote(`${request.image.name} is built again: the engine's cache lost a layer of it`);
    } catch (error) {
      if (!(error instanceof ContextChanged)) throw error;
      if (tries < mostTries) continue;
      throw unreadable(request.image.context, `it keeps changing: ${error.message}`, error);
    }
  }
}

/** As containerd and BuildKit say it. */
function isLostLayer(words: string): boolean {
  return /snapshot \S+ does not exist|failed precondition|content digest \S+: not found/i.test(words);
}

async function runOnce(
  docker: Dockerode,
  { address }: ContainerEngine,
  request: Solve,
  options: BuildOptions,
): Promise<Outcome> {
  const { image } = request;
  const steps = trackSteps();
  const { signal, onNote, credentials } = options;
  let contextError: unknown;
  const files = fileServices({
    sources: await fileSources(request),
    onNote,
    onError: (error) => (contextError ??= error),
    signal,
  });
  using session = await openSession(docker, {
    address,
    sharedKey: sharedKey(image),
    services: new Map([
      ...files,
      ...credentialServices(credentials, { onNote, signal }),
      ...secretServices(request.secrets ?? new Map()),
      ...sshServices(await sshSockets(image, request.agent)),
    ]),
    signal,
  });
  using follow = followTrace(steps, options);
  try {
    const gateway = asksForGateway(image) ? await hostGateway(docker, { address, signal }) : undefined;
    const asked = { session: session.id, ...frontendAttributes({ ...request, gateway }, onNote) };
    const { "containerimage.digest": imageId } = await solve(docker, asked, {
      address,
      onTrace: follow.take,
      signal,
    });
    if (imageId !== undefined) return { imageId, steps };
    throw new DevloopError("INTERNAL", `the container engine built ${image.name} and gave no image id`);
  } catch (error) {
    signal.throwIfAborted();
    // A context that cannot be read fails the build: the cause tells more than its effect.
    if (contextError !== undefined) throw contextError as Error;
    if (error instanceof GrpcError || error instanceof EngineStatusError)
      return { error: error.message, steps };
    throw error;
  }
}

/** What the build may ask files of, by the names that `frontendAttributes` gives them. */
async function fileSources({
  image,
  dockerfile,
  bases,
  ignore,
}: Solve): Promise<ReadonlyMap<string, FileSource>> {
  const text = rewriteBases(dockerfile, image, bases);
  const further = await Promise.all(
    Object.entries(image.contexts).map(async ([name, place]) => {
      if (place.kind !== "directory") return [];
      const filter = await readIgnore(place.path);
      return [[localName(name), { kind: "directory", path: place.path, filter }] as const];
    }),
  );
  return new Map<string, FileSource>([
    ["context", { kind: "directory", path: image.context, filter: ignore }],
    ["dockerfile", { kind: "text", name: dockerfileName(image), text }],
    ...further.flat(),
  ]);
}

/** The engine keeps what it got of a context under this: no other image's, nor that of a copy of the project. */
function sharedKey({ name, context }: ImageSpec): string {
  return createHash("sha256")
    .update(JSON.stringify([hostname(), context, name]))
    .digest("hex");
}

/** How often at most a build's progress is told, in ms. */
const reportMs = 200;

/** Puts the trace together and tells of it: how far the build is, and each step that has ended. */
function followTrace(
  steps: BuildSteps,
  { onProgress, onOutput, onNote }: BuildEvents,
): { readonly take: (trace: Trace) => void } & Disposable {
  const warned = new Set<string>();
  const report = throttle(() => {
    onProgress(buildProgress(steps.all()));
  }, reportMs);
  return {
    take: (trace) => {
      const finished = steps.apply(trace);
      const lines = finished.length > 0 ? stepLines(finished, steps.all()) : [];
      if (lines.length > 0) onOutput(lines);
      for (const { name, error } of finished) {
        if (error !== undefined && name.startsWith("importing cache manifest"))
          onNote(cacheNote(name, error));
      }
      const warnings = trace.warnings.filter((text) => !warned.has(text));
      for (const text of warnings) warned.add(text);
      if (warnings.length > 0) onOutput(warnings.map((text) => `warning: ${terminalText(text)}`));
      report();
    },
    [Symbol.dispose]: () => {
      report[Symbol.dispose]();
    },
  };
}

function cacheNote(name: string, failed: string): string {
  const ref = name.replace("importing cache manifest from ", "");
  return `cacheFrom: ${ref} gives no cache (${failed}); an image does when it was built with the argument BUILDKIT_INLINE_CACHE=1`;
}

/** Building for another kind of machine takes many times as long, and an engine that is set up for it. */
async function tellEmulation(
  engine: ContainerEngine,
  { image, platform }: BuildRequest,
  { onNote, signal }: BuildOptions,
): Promise<void> {
  const wanted = image.platform ?? platform;
  if (wanted === undefined) return;
  const { platform: own } = await engine.ping({ signal });
  if (architecture(wanted) === architecture(own)) return;
  onNote(`${image.name} is built for ${wanted} by an engine of ${own}: its RUN steps are emulated, and slow`);
}

async function checkAttestations(
  engine: ContainerEngine,
  { image, attest = [] }: BuildRequest,
  { signal }: BuildOptions,
): Promise<void> {
  if (attest.length === 0 || (await engine.imageStore({ signal })) === "containerd") return;
  throw new DevloopError(
    "BUILD_FAILED",
    `${image.name}: this engine's image store has no place for attestations`,
    {
      hint: "switch the engine to the containerd image store (https://docs.docker.com/engine/storage/containerd/), or leave --attest out",
    },
  );
}

/** The first engine whose own Dockerfile frontend has further contexts; older ones leave them out without a word. */
const contextsSince = 23;

async function checkContexts(
  engine: ContainerEngine,
  { image }: BuildRequest,
  { signal }: BuildOptions,
): Promise<void> {
  if (Object.keys(image.contexts).length === 0) return;
  const { version } = await engine.ping({ signal });
  // One that does not say is given the chance.
  if (!(Number.parseInt(version, 10) < contextsSince)) return;
  throw new DevloopError("BUILD_FAILED", `${image.name}: Docker ${version} knows no named contexts`, {
    hint: `\`contexts\` need Docker ${contextsSince} or newer`,
  });
}

/** A build that copies nothing would not ask for it, and go well until a line more does. */
async function checkContext({ context }: ImageSpec): Promise<void> {
  const found = await stat(context).catch(() => undefined);
  if (!found?.isDirectory())
    throw missingContext(context, found ? "it is not a directory" : "it does not exist");
}

async function readIgnore(
  directory: string,
  dockerfile?: DockerfileSource,
  further: readonly string[] = [],
): Promise<IgnoreMatcher> {
  const path = dockerfile?.kind === "file" ? dockerfile.path : undefined;
  const { patterns } = await readDockerignore(directory, path);
  return compileIgnore([...patterns, ...further]);
}
