import type { Duplex } from "node:stream";
import type Dockerode from "dockerode";
import { EngineStatusError, engineUnreachable } from "../engine/container-engine.js";

/** The part of dockerode's transport in use; dockerode types it as any. */
interface Modem {
  dial(options: object, callback: (error: Error | null, result: unknown) => void): void;
}

/**
 * Asks the engine to speak HTTP/2 on a connection, and takes that over. Throws ENGINE_UNREACHABLE, EngineStatusError, or the
 * signal's reason.
 */
export async function postUpgrade(
  docker: Dockerode,
  address: string,
  path: string,
  options: {
    readonly headers?: Readonly<Record<string, string | readonly string[]>>;
    readonly signal: AbortSignal;
  },
): Promise<Duplex> {
  const { headers, signal } = options;
  signal.throwIfAborted();
  const request = {
    path,
    method: "POST",
    isStream: true,
    hijack: true,
    statusCodes: { 101: true, 200: true },
    headers: { ...headers, Upgrade: "h2c" },
    abortSignal: signal,
  };
  try {
    return await new Promise<Duplex>((resolve, reject) => {
      (docker.modem as Modem).dial(request, (error, result) => {
        if (error) reject(error);
        else resolve(result as Duplex);
      });
    });
  } catch (error) {
    signal.throwIfAborted();
    const { statusCode, message } = error as { statusCode?: number; message: string };
    if (statusCode === undefined) throw engineUnreachable(address, error) ?? error;
    throw new EngineStatusError(statusCode, message.replace(/^\(HTTP code \d+\) .*? - /, "").trim());
  }
}
