import { addAbortListener } from "node:events";
import type { Readable, Writable } from "node:stream";
import { unlessAborted } from "../../lib/unless-aborted.js";
import { writeChunk } from "../../lib/write-chunk.js";
import { readHello, readProcess } from "./agent-messages.js";
import { AgentError, type AgentHello, type ProcessState } from "./agent-types.js";
import { type Frame, frame as makeFrame, readFrames } from "./agent-wire.js";

/**
 * How long an agent that is to answer may neither say nor take anything, in ms: then it is asked for a sign of life, and after as
 * long again the channel is closed. A container that is frozen would else hold up its image's syncs for good.
 */
const silenceMs = 10_000;

/** Takes a frame of an answer, behind its id: the answer's value with the last one, undefined before. */
export type Take<T> = (frame: Frame) => { readonly value: T } | undefined;

/** Requests and their answers, which the request's id joins, in whatever order they come. */
export interface Channel extends Disposable {
  readonly hello: AgentHello;
  readonly closed: Promise<Error | undefined>;
  process(): ProcessState | undefined;
  /** Awaits an answer, made of frames of the given types. Rejects when the channel closes before. */
  begin<T>(types: string, take: Take<T>): { readonly id: number; readonly answer: Promise<T> };
  /** Sends whole frames; resolves when more can be taken, or never will be. Throws what the channel was closed for. */
  send(bytes: Buffer): Promise<void>;
  /** Sends a request in one frame, and awaits its answer. */
  ask<T>(request: (id: number) => Buffer, types: string, take: Take<T>, signal: AbortSignal): Promise<T>;
}

interface Pending {
  readonly types: string;
  /** True with the last frame. */
  take(frame: Frame): boolean;
  readonly fail: (error: Error) => void;
}

/** Opens the channel: resolves when the agent has said hello and, if it has one, how its process is. */
export async function openChannel(
  { input, output }: { readonly input: Writable; readonly output: Readable },
  { signal, onProcess }: { readonly signal: AbortSignal; readonly onProcess?: (state: ProcessState) => void },
): Promise<Channel> {
  const pending = new Map<number, Pending>();
  const greeted = deferred<AgentHello>();
  const closed = deferred<Error | undefined>();
  let failure: Error | undefined;
  let hello: AgentHello | undefined;
  let process: ProcessState | undefined;
  let lastId = 0;
  let heardAt = Date.now();
  let watch: NodeJS.Timeout | undefined;

  const close = (reason: Error | undefined): void => {
    if (failure) return;
    failure = reason ?? new Error("the channel to the agent was closed");
    abort[Symbol.dispose]();
    clearInterval(watch);
    greeted.reject(failure);
    for (const { fail } of pending.values()) fail(failure);
    pending.clear();
    closed.resolve(reason);
    // What the agent hears of it is the end of its input; after a failure there may be nobody to take the rest.
    if (reason) input.destroy();
    else input.end();
    output.destroy();
  };
  const abort = addAbortListener(signal, () => {
    close(asError(signal.reason));
  });

  const listen = (): void => {
    const silentMs = Date.now() - heardAt;
    if (pending.size === 0) {
      clearInterval(watch);
      watch = undefined;
    } else if (silentMs > 2 * silenceMs)
      close(new Error(`the agent has not answered for ${Math.round(silentMs / 1000)} s`));
    else if (silentMs > silenceMs) {
      const { id } = channel.begin("n", () => ({ value: undefined }));
      void channel.send(makeFrame("N", id)).catch(() => undefined);
    }
  };
  const startListening = (): void => {
    if (watch) return;
    heardAt = Date.now();
    watch = setInterval(listen, silenceMs / 2).unref();
  };

  const receive = (frame: Frame): void => {
    heardAt = Date.now();
    if (!hello) hello = takeHello(frame);
    else if (frame.type === "s") {
      process = readProcess(frame.fields);
      onProcess?.(process);
    } else answer(frame);
    if (process !== undefined || !hello.supervised) greeted.resolve(hello);
  };
  const answer = (frame: Frame): void => {
    const id = frame.fields.u32();
    const asked = pending.get(id);
    if (!asked?.types.includes(frame.type))
      throw new RangeError(`the agent answers what was not asked: ${frame.type}`);
    if (asked.take(frame)) pending.delete(id);
  };
  const read = async (): Promise<void> => {
    try {
      for await (const frame of readFrames(output as AsyncIterable<Buffer>)) receive(frame);
      close(new Error("the agent has ended"));
    } catch (error) {
      close(asError(error));
    }
  };

  const channel: Omit<Channel, "hello"> = {
    closed: closed.promise,
    process: () => process,
    begin(types, take) {
      const id = ++lastId;
      const result = deferred<ReturnType<typeof take> & object>();
      if (failure) result.reject(failure);
      else {
        pending.set(id, { types, take: (frame) => settle(result, take, frame), fail: result.reject });
        startListening();
      }
      const value = result.promise.then((taken) => taken.value);
      // Whoever no longer waits has had the reason; the answer still comes.
      value.catch(() => undefined);
      return { id, answer: value };
    },
    async send(bytes) {
      if (failure) throw failure;
      await writeChunk(input, bytes);
      heardAt = Date.now();
    },
    async ask(request, types, take, callSignal) {
      callSignal.throwIfAborted();
      const { id, answer: value } = channel.begin(types, take);
      // A channel that is closed fails the answer, too.
      void channel.send(request(id)).catch(() => undefined);
      return await unlessAborted(value, callSignal);
    },
    [Symbol.dispose]() {
      close(undefined);
    },
  };
  input.on("error", close);
  void read();
  return { ...channel, hello: await greeted.promise };
}

function takeHello({ type, fields }: Frame): AgentHello {
  if (type !== "h") throw new RangeError("what answers is not devloop's agent");
  return readHello(fields);
}

/** True when the answer is whole. What the agent could not do fails its call; anything else is the channel's failure. */
function settle<T>(result: Deferred<{ readonly value: T }>, take: Take<T>, frame: Frame): boolean {
  try {
    const taken = take(frame);
    frame.fields.end();
    if (taken) result.resolve(taken);
    return taken !== undefined;
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    result.reject(error);
    return true;
  }
}

interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: Error) => void;
}

function deferred<T>(): Deferred<T> {
  let resolve!: (value: T) => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<T>((one, other) => {
    resolve = one;
    reject = other;
  });
  return { promise, resolve, reject };
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}
