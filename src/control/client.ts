import { once } from "node:events";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { DevloopError, errorText, type ErrorCode } from "../lib/errors.js";
import { jsonLines } from "../lib/json-lines.js";
import { version } from "../lib/version.js";
import { versionHeader, type RequestName, type requests } from "./protocol.js";
import type { z } from "zod";

/** How long a loop may take to answer a question, in ms: on a machine that builds many things at once, seconds. Streams have no end. */
const answerMs = 20_000;

type Query = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

/** A loop's socket, asked from another process. Everything throws LOOP_NOT_RUNNING when nobody answers, and what the loop refuses. */
export interface ControlClient {
  readonly socket: string;
  get(path: string, query?: Query, options?: { readonly signal?: AbortSignal }): Promise<unknown>;
  /** Asks the loop to do something; resolves when it has taken that up. */
  ask<T extends RequestName>(
    name: T,
    body: z.input<(typeof requests)[T]>,
    options?: { readonly signal?: AbortSignal },
  ): Promise<void>;
  /** The lines of an answer that goes on until the signal aborts, which throws its reason, or the loop ends. */
  lines(path: string, query: Query, options: { readonly signal: AbortSignal }): AsyncGenerator;
}

export function controlClient(socket: string): ControlClient {
  async function exchange(
    method: "GET" | "POST",
    path: string,
    {
      query = {},
      body,
      signal: given,
    }: { readonly query?: Query; readonly body?: unknown; readonly signal: AbortSignal },
  ): Promise<IncomingMessage> {
    // Of its own: a screen has many streams open at once, all under one signal.
    const signal = AbortSignal.any([given]);
    const text = body === undefined ? undefined : JSON.stringify(body);
    const request = httpRequest({
      socketPath: socket,
      method,
      path: `${path}${queryText(query)}`,
      headers: {
        [versionHeader]: version,
        ...(text === undefined
          ? {}
          : { "content-type": "application/json", "content-length": Buffer.byteLength(text) }),
      },
      // No connection is kept: a stream needs one of its own, and the rest are few.
      agent: false,
      signal,
    });
    request.end(text);
    try {
      const [response] = (await once(request, "response", { signal })) as [IncomingMessage];
      if (response.statusCode === 200) return response;
      throw await refusal(response);
    } catch (error) {
      if (error instanceof DevloopError) throw error;
      signal.throwIfAborted();
      throw noLoop(socket, error);
    }
  }

  async function answer(
    method: "GET" | "POST",
    path: string,
    options: { readonly query?: Query; readonly body?: unknown; readonly signal?: AbortSignal | undefined },
  ): Promise<unknown> {
    const limit = AbortSignal.timeout(answerMs);
    const signal = options.signal ? AbortSignal.any([options.signal, limit]) : limit;
    try {
      const response = await exchange(method, path, { ...options, signal });
      return JSON.parse(await textOf(response)) as unknown;
    } catch (error) {
      if (!limit.aborted || options.signal?.aborted) throw error;
      throw new DevloopError("LOOP_SILENT", `the loop at ${socket} does not answer`, {
        cause: error,
        hint: "is it stopped, or is the machine overloaded? end its process to start a new one",
      });
    }
  }

  return {
    socket,
    get: (path, query = {}, { signal } = {}) => answer("GET", path, { query, signal }),
    async ask(name, body, { signal } = {}) {
      await answer("POST", `/v1/${name}`, { body, signal });
    },
    async *lines(path, query, { signal }) {
      const response = await exchange("GET", path, { query, signal });
      try {
        yield* jsonLines(response);
      } catch (error) {
        signal.throwIfAborted();
        // The loop ended: cut off in the middle of a line, or with the connection.
        if (error instanceof SyntaxError || isCutOff(error)) return;
        throw error;
      } finally {
        response.destroy();
      }
    },
  };
}

function isCutOff(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ECONNRESET" || code === "EPIPE" || code === "ERR_STREAM_PREMATURE_CLOSE";
}

function noLoop(socket: string, cause: unknown): DevloopError {
  return new DevloopError("LOOP_NOT_RUNNING", `the loop at ${socket} is gone: ${errorText(cause)}`, {
    cause,
    hint: "devloop up starts one",
  });
}

async function refusal(response: IncomingMessage): Promise<DevloopError> {
  const text = await textOf(response);
  try {
    const { error } = JSON.parse(text) as {
      error: { code: ErrorCode; message: string; hint?: string; detail?: string };
    };
    return new DevloopError(error.code, error.message, { hint: error.hint, detail: error.detail });
  } catch (error) {
    return new DevloopError(
      "INTERNAL",
      `the loop answered ${response.statusCode ?? 0}: ${text.slice(0, 200)}`,
      {
        cause: error,
      },
    );
  }
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}

function queryText(query: Query): string {
  const entries = Object.entries(query).flatMap(([name, value]): [string, string][] =>
    value === undefined
      ? []
      : Array.isArray(value)
        ? (value as readonly string[]).map((each) => [name, each])
        : [[name, String(value as string | number | boolean)]],
  );
  return entries.length === 0 ? "" : `?${new URLSearchParams(entries).toString()}`;
}
