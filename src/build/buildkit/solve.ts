import { randomUUID } from "node:crypto";
import { addAbortListener } from "node:events";
import { setTimeout as pass } from "node:timers/promises";
import type Dockerode from "dockerode";
import { engineUnreachable } from "../../engine/container-engine.js";
import { type FieldToWrite, mapFields, readMap, writeFields } from "../../lib/protobuf.js";
import { postUpgrade } from "../engine-dial.js";
import { GrpcError, grpcStatus } from "./grpc.js";
import { type GrpcClient, grpcClient } from "./grpc-client.js";
import { decodeTrace, type Trace } from "./progress.js";

/** What is to be solved: a Dockerfile, with the frontend that is part of BuildKit. */
export interface SolveRequest {
  readonly session: string;
  /**
   * As the Dockerfile frontend reads them: `build-arg:NAME`, `target`, `platform`, … See
   * https://github.com/moby/buildkit/blob/master/frontend/dockerfile/builder/build.go and frontend/dockerui/attr.go.
   */
  readonly attributes: Readonly<Record<string, string>>;
  /** Images whose layers serve as a cache. */
  readonly cacheFrom: readonly string[];
  /** Rights that steps ask for, such as `network.host`. */
  readonly entitlements: readonly string[];
}

/**
 * How long a step is left alone after its start, in ms. BuildKit's kill of a container that runc is still setting up
 * finds nothing to kill, is not repeated, and the step runs to its end (seen with 26.1: 40 to 70 ms after the start).
 */
const startingMs = 200;
/** How long the engine may take to end a build that was cancelled, and to send the end of a trace, in ms. */
const patienceMs = 2_000;
/** How long the answer may come after the end of the trace, in ms: they are sent at the same time. */
const answerMs = 5_000;

/**
 * Builds with the engine's BuildKit (`moby.buildkit.v1.Control`, api/services/control/control.proto) into its own images,
 * and gives what the exporter says: `containerimage.digest` is the image's id. An abort cancels the build in the engine, and
 * rejects with the reason when the engine has let go of it. Throws GrpcError for a build that failed, ENGINE_UNREACHABLE, and
 * EngineStatusError for an engine without BuildKit.
 */
export async function solve(
  docker: Dockerode,
  request: SolveRequest,
  options: {
    readonly address: string;
    readonly onTrace: (trace: Trace) => void;
    readonly signal: AbortSignal;
  },
): Promise<Readonly<Record<string, string>>> {
  const { address, onTrace, signal } = options;
  const socket = await postUpgrade(docker, address, "/grpc", { signal });
  using client = grpcClient(socket);
  const ref = randomUUID();
  const steps = watchSteps();
  const [call, trace] = [new AbortController(), new AbortController()];
  const traced = readTrace(client, ref, trace.signal, (message) => {
    steps.note(message);
    onTrace(message);
  });
  using _ = addAbortListener(signal, () => {
    void steps.settled().then(() => {
      call.abort(signal.reason);
    });
  });
  const solved = settle(client.unary(`${service}/Solve`, encode(ref, request), { signal: call.signal }));
  const result = await Promise.race([solved, lostAnswer(traced, steps)]);
  // The trace ends when the build has: after a cancel too, which the call itself does not wait for.
  const patience = setTimeout(() => {
    trace.abort();
  }, patienceMs);
  await traced;
  clearTimeout(patience);
  signal.throwIfAborted();
  if ("error" in result) throw engineUnreachable(address, result.error) ?? result.error;
  return readMap(result.value, 1);
}

const service = "/moby.buildkit.v1.Control";

async function settle<T>(promise: Promise<T>): Promise<{ readonly value: T } | { readonly error: unknown }> {
  return await promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
}

/**
 * The failure of a build whose trace has ended, and whose answer does not come: BuildKit sends the whole Dockerfile with it in
 * a header, and Node leaves headers of more than some 64 kB out without a word.
 */
async function lostAnswer(
  traced: Promise<"ended" | "broken">,
  steps: StepWatch,
): Promise<{ readonly error: unknown }> {
  if ((await traced) === "ended") await pass(answerMs, undefined, { ref: false });
  else await new Promise<never>(() => undefined);
  const words = steps.failure() ?? "BuildKit's answer was too long to be read; is the Dockerfile valid?";
  return { error: new GrpcError(grpcStatus.unknown, words) };
}

/** Cannot reject: a build that fails says more than its trace. */
async function readTrace(
  client: GrpcClient,
  ref: string,
  signal: AbortSignal,
  onTrace: (trace: Trace) => void,
): Promise<"ended" | "broken"> {
  const request = writeFields([[1, ref]]);
  try {
    for await (const message of client.call(`${service}/Status`, request, { signal })) {
      onTrace(decodeTrace(message));
    }
    return "ended";
  } catch {
    // Told by the call that it is about.
    return "broken";
  }
}

function encode(ref: string, { session, attributes, cacheFrom, entitlements }: SolveRequest): Buffer {
  const imports = cacheFrom.map((image) => ({ type: "registry", attrs: { ref: image } }));
  const cache = imports.map(({ type, attrs }): FieldToWrite => {
    return [5, writeFields([[1, type], ...mapFields(2, attrs)])];
  });
  // The frontend reads the imports from its attributes, the solver from the request.
  const all = imports.length === 0 ? attributes : { ...attributes, "cache-imports": importsText(imports) };
  return writeFields([
    [1, ref],
    // The exporter that puts the image among the engine's own.
    [3, "moby"],
    [5, session],
    [6, "dockerfile.v0"],
    ...mapFields(7, all),
    [8, writeFields(cache)],
    ...entitlements.map((right): FieldToWrite => [9, right]),
  ]);
}

/** As Go's encoder writes `client.CacheOptionsEntry`. */
function importsText(imports: readonly { readonly type: string; readonly attrs: object }[]): string {
  return JSON.stringify(imports.map(({ type, attrs }) => ({ Type: type, Attrs: attrs })));
}

interface StepWatch {
  note(trace: Trace): void;
  /** Resolves when no step has begun just now. */
  settled(): Promise<void>;
  /** Why a step failed: the last that did by itself. */
  failure(): string | undefined;
}

function watchSteps(): StepWatch {
  let failed: string | undefined;
  const begun = new Set<string>();
  let newest = 0;
  const untilSettled = (): number => newest + startingMs - Date.now();
  return {
    note({ vertexes }) {
      for (const { digest, started, error } of vertexes) {
        if (error !== undefined && !/context canceled/.test(error)) failed = error;
        if (started === undefined || begun.has(digest)) continue;
        begun.add(digest);
        newest = Date.now();
      }
    },
    failure: () => failed,
    async settled() {
      // Another step may begin meanwhile.
      for (let left = untilSettled(); left > 0; left = untilSettled()) await pass(left);
    },
  };
}
