import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { Agent, request as httpsRequest, type RequestOptions } from "node:https";
import { Agent as HttpAgent, request as httpRequest } from "node:http";
import type { KubeConfig } from "@kubernetes/client-node";
import { DevloopError, errorText } from "../lib/errors.js";

// Whoever talks to the API server finds its objects' type here.
export type { KubeMetadata, KubeObject } from "../engine/kube-object.js";

/** The API server answered with a Status: not found, conflict, invalid and so on. */
export class KubeStatusError extends Error {
  constructor(
    /** HTTP status. */
    readonly status: number,
    /** Kubernetes' word for it: NotFound, AlreadyExists, Conflict, Invalid, Forbidden, Expired, … */
    readonly reason: string,
    message: string,
    /** The Status object's `details`: causes with field paths. */
    readonly details: KubeStatusDetails = {},
  ) {
    super(message);
    this.name = "KubeStatusError";
  }
}
export interface KubeStatusDetails {
  readonly name?: string;
  readonly kind?: string;
  readonly causes?: readonly {
    readonly reason?: string;
    readonly message?: string;
    readonly field?: string;
  }[];
}

export interface KubeRequest {
  readonly method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Sent as JSON. */
  readonly body?: unknown;
  /** `application/apply-patch+yaml` and the like; JSON unless given. */
  readonly contentType?: string;
  readonly signal: AbortSignal;
}

/** The API server of one context. Library types stop here. */
export interface Kube extends Disposable {
  readonly context: string;
  readonly server: string;
  /** For the few things that need a websocket (port-forward, exec). */
  readonly config: KubeConfig;
  /**
   * One exchange; `path` starts with /api or /apis and carries its query. Returns the parsed JSON.
   * Throws KubeStatusError for an answer that is not 2xx, CLUSTER_UNREACHABLE when there is no answer.
   */
  request(path: string, options: KubeRequest): Promise<unknown>;
  /** The same for an answer that goes on: logs with follow, watch. The stream is destroyed when the signal aborts. */
  stream(path: string, options: { readonly signal: AbortSignal }): Promise<IncomingMessage>;
}

/** How long the API server may take to answer before it counts as unreachable, in ms. */
const answerTimeoutMs = 30_000;

/** Opens the API server that `config`'s current context names. Nothing is sent yet. */
export function openKube(config: KubeConfig): Kube {
  const cluster = config.getCurrentCluster();
  if (!cluster)
    throw new DevloopError("CLUSTER_NOT_FOUND", `context ${config.getCurrentContext()} names no cluster`);
  const server = cluster.server.replace(/\/$/, "");
  const plain = server.startsWith("http:");
  const agent = plain ? new HttpAgent({ keepAlive: true }) : new Agent({ keepAlive: true });

  async function send(
    path: string,
    { method = "GET", body, contentType, signal }: KubeRequest,
    again = false,
  ): Promise<IncomingMessage> {
    signal.throwIfAborted();
    const text = body === undefined ? undefined : JSON.stringify(body);
    const options: RequestOptions = {
      method,
      headers: {
        accept: "application/json",
        ...(text === undefined
          ? {}
          : { "content-type": contentType ?? "application/json", "content-length": Buffer.byteLength(text) }),
      },
      signal,
    };
    try {
      await config.applyToHTTPSOptions(options);
    } catch (error) {
      signal.throwIfAborted();
      throw noCredentials(config.getCurrentContext(), error);
    }
    options.agent = keepTls(options, agent);
    const outgoing = plain ? httpRequest(server + path, options) : httpsRequest(server + path, options);
    try {
      outgoing.setTimeout(answerTimeoutMs, () => outgoing.destroy(new Error("no answer within 30 s")));
      outgoing.end(text);
      const [response] = (await once(outgoing, "response", { signal })) as [IncomingMessage];
      // A reply cut short must not bring the process down when nobody reads it any more.
      response.on("error", () => undefined);
      outgoing.on("error", () => undefined);
      return response;
    } catch (error) {
      outgoing.on("error", () => undefined);
      outgoing.destroy();
      signal.throwIfAborted();
      // The server may close a kept connection just as it is used again: nothing was done then, and a new one serves.
      // A POST is not repeated, in case something was.
      if (outgoing.reusedSocket && !again && method !== "POST" && isReset(error)) {
        return await send(
          path,
          { method, body, signal, ...(contentType === undefined ? {} : { contentType }) },
          true,
        );
      }
      throw unreachableCluster(config.getCurrentContext(), server, error);
    }
  }

  return {
    context: config.getCurrentContext(),
    server,
    config,
    async request(path, options) {
      const response = await send(path, options);
      const text = await readAll(response, options.signal, config.getCurrentContext(), server);
      if ((response.statusCode ?? 500) >= 300) throw statusError(response.statusCode ?? 500, text);
      return text === "" ? undefined : (JSON.parse(text) as unknown);
    },
    async stream(path, { signal }) {
      const response = await send(path, { signal });
      if ((response.statusCode ?? 500) >= 300) {
        throw statusError(
          response.statusCode ?? 500,
          await readAll(response, signal, config.getCurrentContext(), server),
        );
      }
      // What goes on may be silent for long.
      response.setTimeout(0);
      return response;
    },
    [Symbol.dispose]() {
      agent.destroy();
    },
  };
}

/**
 * client-node makes an agent for each request; its TLS settings go into ours, so that connections are kept.
 * One that goes through a proxy stays as it is.
 */
function keepTls(options: RequestOptions, agent: Agent | HttpAgent): Agent | HttpAgent {
  const made = options.agent as Agent | undefined;
  if (made && made.constructor !== Agent && made.constructor !== HttpAgent) return made;
  if (made && agent instanceof Agent) {
    Object.assign(agent.options, made.options, { keepAlive: true });
    made.destroy();
  }
  return agent;
}

async function readAll(
  response: IncomingMessage,
  signal: AbortSignal,
  context: string,
  server: string,
): Promise<string> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of response) chunks.push(chunk as Buffer);
  } catch (error) {
    signal.throwIfAborted();
    throw unreachableCluster(context, server, error);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function noCredentials(context: string, cause: unknown): DevloopError {
  return new DevloopError(
    "CLUSTER_UNREACHABLE",
    `no credentials for context ${context} are to be had: ${errorText(cause)}`,
    { cause, hint: `does this work? kubectl --context ${context} get namespaces` },
  );
}

function isReset(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return code === "ECONNRESET" || code === "EPIPE";
}

function unreachableCluster(context: string, server: string, cause: unknown): DevloopError {
  return new DevloopError(
    "CLUSTER_UNREACHABLE",
    `cluster ${context} does not answer at ${server}: ${errorText(cause)}`,
    {
      cause,
      hint: "is it running? devloop goes on by itself once it answers",
    },
  );
}

function statusError(status: number, text: string): KubeStatusError {
  try {
    const body = JSON.parse(text) as { reason?: string; message?: string; details?: KubeStatusDetails };
    return new KubeStatusError(status, body.reason ?? "Unknown", body.message ?? text, body.details);
  } catch {
    return new KubeStatusError(status, "Unknown", text.trim() || `HTTP ${status}`);
  }
}
