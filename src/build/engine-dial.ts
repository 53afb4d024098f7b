import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type Dockerode from "dockerode";
import { EngineStatusError, engineUnreachable } from "../engine/container-engine.js";

interface Dial {
  readonly query?: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** The request's body. */
  readonly file?: NodeJS.ReadableStream;
  readonly signal: AbortSignal;
}

/** Posts to the engine and gives its answer as it comes. Throws ENGINE_UNREACHABLE, EngineStatusError, or the reason. */
export async function postStream(
  docker: Dockerode,
  address: string,
  path: string,
  options: Dial,
): Promise<IncomingMessage> {
  return (await dial(docker, address, path, {}, options)) as IncomingMessage;
}

/** Posts to the engine and takes the connection over when it switches protocols. Throws as postStream. */
export async function postUpgrade(
  docker: Dockerode,
  address: string,
  path: string,
  options: Dial,
): Promise<Socket> {
  return (await dial(docker, address, path, { hijack: true }, options)) as Socket;
}

/** The part of dockerode's transport in use; dockerode types it as any. */
interface Modem {
  dial(options: object, callback: (error: Error | null, result: unknown) => void): void;
}

async function dial(
  docker: Dockerode,
  address: string,
  path: string,
  kind: object,
  { query, headers, file, signal }: Dial,
): Promise<unknown> {
  signal.throwIfAborted();
  const request = {
    path: query === undefined ? path : `${path}?`,
    method: "POST",
    isStream: true,
    statusCodes: { 101: true, 200: true, 204: true },
    headers: { ...headers },
    abortSignal: signal,
    ...kind,
    ...(file === undefined ? {} : { file }),
    ...(query === undefined ? {} : { options: { _query: query } }),
  };
  try {
    return await new Promise((resolve, reject) => {
      (docker.modem as Modem).dial(request, (error, result) => {
        if (error) reject(error);
        else resolve(result);
      });
    });
  } catch (error) {
    signal.throwIfAborted();
    const { statusCode, message } = error as { statusCode?: number; message: string };
    if (statusCode === undefined) throw engineUnreachable(address, error) ?? error;
    throw new EngineStatusError(statusCode, message.replace(/^\(HTTP code \d+\) .*? - /, "").trim());
  }
}
