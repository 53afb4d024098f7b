import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { addAbortSignal } from "node:stream";
import { text } from "node:stream/consumers";
import type Dockerode from "dockerode";
import { EngineStatusError, engineUnreachable } from "../engine/container-engine.js";

export interface DialOptions {
  readonly signal: AbortSignal;
  readonly query?: Readonly<Record<string, unknown>>;
  /** Sent as JSON. */
  readonly body?: object;
  readonly headers?: Readonly<Record<string, string>>;
}

/** One exchange with the engine's API. */
export interface EngineApi {
  /** The parsed JSON answer. */
  json(method: "GET" | "POST" | "DELETE", path: string, options: DialOptions): Promise<unknown>;
  /** The answer as it comes. */
  stream(method: "GET" | "POST", path: string, options: DialOptions): Promise<IncomingMessage>;
  /** Sends bytes and reads the answer to its end. */
  upload(method: "PUT" | "POST", path: string, content: Buffer, options: DialOptions): Promise<void>;
  /** The connection itself, after the engine has switched over to raw bytes. */
  hijack(path: string, options: DialOptions): Promise<Socket>;
}

/**
 * The engine's API behind dockerode's connection. Every call throws ENGINE_UNREACHABLE when the engine does not answer,
 * EngineStatusError when it answers with an error, and the signal's reason when aborted.
 */
export function engineApi(docker: Dockerode, address: string): EngineApi {
  const dial = async (method: string, path: string, kind: object, options: DialOptions): Promise<unknown> => {
    const { signal, query, body, headers } = options;
    signal.throwIfAborted();
    try {
      return await new Promise<unknown>((resolve, reject) => {
        (docker.modem as Modem).dial(
          {
            path: query === undefined ? path : `${path}?`,
            method,
            ...kind,
            abortSignal: signal,
            // The modem adds its own headers to the object it is given.
            headers: { ...headers },
            statusCodes: { 101: true, 200: true, 201: true, 204: true },
            ...(query === undefined && body === undefined
              ? {}
              : { options: { _query: query ?? {}, _body: body ?? {} } }),
          },
          (error, result) => {
            if (error) reject(error);
            else resolve(result);
          },
        );
      });
    } catch (error) {
      signal.throwIfAborted();
      throw translate(address, error);
    }
  };
  return {
    // Read here: the modem itself never comes back from an answer in which the connection breaks.
    async json(method, path, options) {
      const answer = (await dial(method, path, { isStream: true }, options)) as IncomingMessage;
      try {
        return parsed(await text(addAbortSignal(options.signal, answer)));
      } catch (error) {
        options.signal.throwIfAborted();
        throw translate(address, error);
      }
    },
    stream: async (method, path, options) =>
      (await dial(method, path, { isStream: true }, options)) as IncomingMessage,
    upload: async (method, path, content, options) => {
      // A Buffer's length is sent with it, where a stream would go in chunks.
      const answer = (await dial(
        method,
        path,
        { isStream: true, file: content },
        options,
      )) as IncomingMessage;
      const words = await text(answer);
      if (words.includes('"error"')) throw new EngineStatusError(500, words.trim());
    },
    hijack: async (path, options) =>
      (await dial("POST", path, { isStream: true, hijack: true, allowEmpty: true }, options)) as Socket,
  };
}

/** Some answers are empty, or a plain word. */
function parsed(answer: string): unknown {
  try {
    return JSON.parse(answer);
  } catch {
    return answer;
  }
}

/** The part of dockerode's transport in use; dockerode types it as any. */
interface Modem {
  dial(options: object, callback: (error: Error | null, result: unknown) => void): void;
}

/** The engine's own words, without what the modem puts round them. */
function translate(address: string, error: unknown): unknown {
  const { statusCode, json, message } = error as { statusCode?: number; json?: unknown; message?: string };
  if (statusCode === undefined) return engineUnreachable(address, error) ?? error;
  const words = (json as { message?: unknown } | null | undefined)?.message;
  const said = typeof words === "string" ? words : (message ?? "").replace(/^\(HTTP code \d+\) \S+ - /, "");
  return new EngineStatusError(statusCode, said.trim());
}
